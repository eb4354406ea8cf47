"""What calls were heard to say, in this process's memory alone, for who asks on the page of calls while they go on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from worker.core.clock import Clock
from worker.core.streams import StreamKey
from worker.pipeline.calls import Heard
from worker.window.transcript import Transcript, Word

_PAUSE_S = 2.0  # between two words of one line
_LINE = 30  # words
_RANK = {None: 0, "flag": 1, "block": 2}


class Place(NamedTuple):
    """A window that was decided, or where in it the decision acts: seconds of the call."""

    speaker: str | None
    t0: float
    t1: float
    action: str | None = None

    def holds(self, speaker: str | None, word: Word) -> bool:
        return speaker == self.speaker and self.t0 <= word.middle <= self.t1


@dataclass(slots=True)
class _Said:
    speakers: dict[str | None, Transcript] = field(default_factory=dict)
    last: float = 0.0  # monotonic seconds
    words: int = 0


class Transcripts:
    """
    Nothing of it is written anywhere, and it ends with the process.

    Args:
        most_words: of all calls together; past it those go first that nothing was heard of for longest.
        keep_s: a call goes so long after its last word, when anything is heard or asked.
    """

    def __init__(self, clock: Clock, *, most_words: int = 100_000, keep_s: float = 3_600.0) -> None:
        self._clock, self._most, self._keep_s = clock, most_words, keep_s
        self._calls: OrderedDict[StreamKey, _Said] = OrderedDict()  # the one heard last stands last
        self._words = 0

    def heard(self, heard: Heard) -> None:
        """Take what a speaker said."""
        said = self._calls.setdefault(heard.call, _Said())
        said.speakers.setdefault(heard.speaker, Transcript()).read(heard.words, heard.since)
        said.last = self._clock.now()
        self._calls.move_to_end(heard.call)
        count = sum(map(len, said.speakers.values()))
        self._words += count - said.words
        said.words = count
        self._forget()

    def of(self, call: StreamKey) -> Mapping[str | None, Sequence[Word]] | None:
        """The words of each speaker; None for a call that was not heard here, or is forgotten."""
        self._forget()
        said = self._calls.get(call)
        return None if said is None else {name: one.words(0.0, float("inf")) for name, one in said.speakers.items()}

    def _forget(self) -> None:
        before = self._clock.now() - self._keep_s
        while self._calls and (self._words > self._most or next(iter(self._calls.values())).last < before):
            self._words -= self._calls.popitem(last=False)[1].words


def lines_of(said: Mapping[str | None, Sequence[Word]], places: Sequence[Place]) -> list[dict[str, Any]]:
    """
    Lines in the order of the call, each with its speaker, its second, and its words with what acts on them.

    A word that stands in no decided window is left out: nobody knows yet whether it may be shown.
    """
    lines: list[dict[str, Any]] = []
    for speaker, words in said.items():
        line: dict[str, Any] | None = None
        last = 0.0
        for word in words:
            found = [place.action for place in places if place.holds(speaker, word)]
            if not found:
                continue
            if line is None or word.start - last > _PAUSE_S or len(line["words"]) >= _LINE:
                line = {"speaker": speaker, "t": round(word.start, 2), "words": []}
                lines.append(line)
            line["words"].append([word.text, max(found, key=_RANK.__getitem__)])
            last = word.end
    return sorted(lines, key=lambda one: float(one["t"]))
