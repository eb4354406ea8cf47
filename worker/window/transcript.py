"""The running transcript of a speaker: readings that overlap, stitched so that each word stands in it once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from worker.core.events import PartType
from worker.core.views import Evidence, Segment, TextSource

_UNSURE_S: Final = 0.6  # how far a word's time may be off: within it, words themselves say which is which
_SAME_S: Final = 0.3  # two readings of one word are no further apart, and two words that follow each other are
_PAUSE_S: Final = 2.0  # a longer pause ends a line
_LETTERS: Final = re.compile(r"[^\w']+")


class Word(NamedTuple):
    """A word as it is written, its punctuation with it, and when it is said: seconds of the call."""

    text: str
    start: float
    end: float

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


class Transcript:
    """What a speaker was heard to say, as far back as one window goes."""

    def __init__(self) -> None:
        self._words: list[Word] = []

    def __len__(self) -> int:
        return len(self._words)

    def read(self, words: Sequence[Word], since: float) -> None:
        """
        Add what was heard from `since` on; it stands for whatever was heard there before.

        The reading begins in a pause or in the quietest place there was. A word near it that both readings have is
        kept once; one that only the earlier has and that may have been said before the cut is kept too.
        """
        sure = [word for word in self._words if word.end <= since - _UNSURE_S]
        unsure = [word for word in self._words[len(sure) :] if word.middle < since + _UNSURE_S / 2]
        self._words = [*sure, *_joined(unsure, list(words), since)]

    def forget(self, before: float) -> list[Word]:
        """Drop and give what was said before `before`."""
        gone = [word for word in self._words if word.middle < before]
        del self._words[: len(gone)]
        return gone

    def words(self, start: float, end: float) -> list[Word]:
        """Those said in between."""
        return [word for word in self._words if start <= word.middle < end]

    def source(self, path: str, start: float, end: float, speaker: str | None) -> TextSource:
        """The text of a window, with the second at which each word is said."""
        segments, text = [], ""
        for word, gap in _with_gaps(self.words(start, end)):
            text += gap
            place = Evidence(t=(round(word.start, 2), round(word.end, 2)), speaker=speaker)
            segments.append(Segment(len(text), len(text) + len(word.text), place))
            text += word.text
        return TextSource(path, text, (PartType.AUDIO,), tuple(segments))


def _joined(old: list[Word], new: list[Word], since: float) -> list[Word]:
    """Two readings of the same place: the longest run of words with which `old` ends and `new` begins stands once."""
    for count in range(min(len(old), len(new)), 0, -1):
        if all(_same(mine, theirs) for mine, theirs in zip(old[-count:], new[:count], strict=True)):
            return [*old[:-count], *new]
    if old and new and _bare(old[-1]) and _bare(new[0]).endswith(_bare(old[-1])) and new[0].start < old[-1].end:
        return [*old[:-1], *new]  # the end of a word that the earlier reading had cut
    return [*(word for word in old if word.middle < since), *new]


def _same(one: Word, other: Word) -> bool:
    return abs(one.middle - other.middle) < _SAME_S and _bare(one) == _bare(other)


def _bare(word: Word) -> str:
    return _LETTERS.sub("", word.text).lower()


def _with_gaps(words: Sequence[Word]) -> Iterator[tuple[Word, str]]:
    """Each word, and what stands between it and the one before."""
    for place, word in enumerate(words):
        if not place:
            yield word, ""
        else:
            yield word, "\n" if word.start - words[place - 1].end > _PAUSE_S else " "
