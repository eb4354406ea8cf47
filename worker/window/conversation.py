"""
Conversations: the last messages of a speaker, and of everyone, that are read together with a new one.

What the intake admits is noted in its order, on one thread; what was said before goes with the event, so nothing here
is asked again later. Text alone is kept, of a bounded number of messages, and never written anywhere: after a restart
it is read again from the queue.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable

from worker.core.records import Partition, Position
from worker.core.streams import CallRules, StreamKey, Together

CHARS = 240  # of a view
LONG = 120  # characters: a longer message says what it says by itself, and is not read with others
_MOST_SPEAKERS = 256  # of one stream; past it the one that has been silent longest goes


class _Said:
    """One short message. `stamp_ms`: the queue's."""

    __slots__ = ("speaker", "stamp_ms", "text")

    def __init__(self, stamp_ms: int, speaker: str | None, text: str) -> None:
        self.stamp_ms, self.speaker, self.text = stamp_ms, speaker, text


class _Talk:
    """One stream's last messages."""

    __slots__ = ("everyone", "speakers")

    def __init__(self) -> None:
        self.everyone: deque[_Said] = deque()
        self.speakers: OrderedDict[str | None, deque[_Said]] = OrderedDict()


class Conversations:
    """
    Args:
        most: streams remembered, over all partitions; past it the one that has been silent longest goes.
    """

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._talks: OrderedDict[tuple[Partition, StreamKey], _Talk] = OrderedDict()

    def __len__(self) -> int:
        return len(self._talks)

    def note(
        self, position: Position, key: StreamKey, stamp_ms: int, speaker: str | None, text: str, rules: CallRules
    ) -> Together | None:
        """Remember a message; gives what is to be read with it, None when it stands alone. In the queue's order."""
        if not text or text.isspace() or not (rules.messages or rules.exchange):
            return None
        talk = self._talk(position.of, key)
        if len(text) > LONG:
            return None
        said = _Said(stamp_ms, speaker, text)
        own = _own(talk, speaker)
        own.append(said)
        talk.everyone.append(said)
        _trim(own, rules.messages)
        _trim(talk.everyone, rules.exchange)
        mine = _recent(own, said, rules) if rules.messages else []
        all_ = _recent(talk.everyone, said, rules) if rules.exchange else []
        if all(one.speaker == speaker for one in all_) and len(all_) <= len(mine):
            all_ = []  # the speaker's own say the same
        if len(mine) < 2 and len(all_) < 2:
            return None
        return Together(speaker, _texts(mine), _texts(all_), _since(mine), _since(all_), stamp_ms / 1000)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop partitions that went to another worker."""
        gone = set(partitions)
        for place in [place for place in self._talks if place[0] in gone]:
            del self._talks[place]

    def _talk(self, partition: Partition, key: StreamKey) -> _Talk:
        place = (partition, key)
        talk = self._talks.get(place)
        if talk is None:
            talk = self._talks[place] = _Talk()
            if len(self._talks) > self._most:
                self._talks.popitem(last=False)
        else:
            self._talks.move_to_end(place)
        return talk


def _own(talk: _Talk, speaker: str | None) -> deque[_Said]:
    own = talk.speakers.get(speaker)
    if own is None:
        own = talk.speakers[speaker] = deque()
        if len(talk.speakers) > _MOST_SPEAKERS:
            talk.speakers.popitem(last=False)
    else:
        talk.speakers.move_to_end(speaker)
    return own


def _trim(said: deque[_Said], most: int) -> None:
    while len(said) > max(most, 1):
        said.popleft()


def _recent(said: deque[_Said], now: _Said, rules: CallRules) -> list[_Said]:
    """The last ones, oldest first, that are not too old and that fit into one view; the newest always."""
    found: list[_Said] = []
    room = CHARS
    for one in reversed(said):
        room -= len(one.text) + 1
        if found and (room < 0 or now.stamp_ms - one.stamp_ms > rules.messages_s * 1000):
            break
        found.append(one)
    return found[::-1]


def _texts(said: list[_Said]) -> tuple[str, ...]:
    return tuple(one.text for one in said) if len(said) > 1 else ()


def _since(said: list[_Said]) -> float:
    return said[0].stamp_ms / 1000 if said else 0.0
