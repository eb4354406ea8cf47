"""
One call or conversation: its tracks, and what each record that changed something was answered. Pure.

A record is folded once. One that comes again, after a crash, lies at or below `applied`: its answer is what stood after
the last change at or below its offset, so the track is not told twice. Changes are kept until the offset before which
nothing comes again has passed them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

from worker.core.decisions import Action
from worker.core.streams import CallRules, WindowKind
from worker.stream.track import Passing, Track, Transition

_MOST_CHANGES = 256  # kept between two commits; they are rare, and a stream that makes more is answered by its base
_MOST_TRACKS = 512  # speakers of one stream with anything to remember

TrackKey = tuple[WindowKind, str | None]
Levels = Mapping[TrackKey, Mapping[str, Action]]  # what stands above allow


class Heard(NamedTuple):
    """What one window says. Seconds; `hop` None: the one after the track's last."""

    kind: WindowKind
    speaker: str | None
    hop: int | None
    t0: float
    t1: float
    found: Passing

    @property
    def asks(self) -> bool:
        """True when it passes a threshold: a stream that has never heard of one has nothing to remember."""
        return any(passed.action for passed in self.found.values())


class Changed(NamedTuple):
    """A transition, and the window that made it."""

    kind: WindowKind
    speaker: str | None
    t0: float
    t1: float
    transition: Transition


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a record is told of its stream.

    newly: the strictest action that a window of messages asks for and the one before it did not back.
    """

    levels: Levels = field(default_factory=dict)
    newly: Action = Action.ALLOW
    changed: tuple[Changed, ...] = ()

    def level(self, *tracks: TrackKey) -> Action:
        """The strictest that stands in these tracks; in all for none."""
        keys = tracks or tuple(self.levels)
        return max((level for key in keys for level in self.levels.get(key, {}).values()), default=Action.ALLOW)


NOTHING = Answer()


class _Change(NamedTuple):
    """The answer of the record at `offset`, and what stands from there on."""

    offset: int
    answer: Answer


class Stream:
    """The state of one stream. Offsets of its partition; stamps in milliseconds."""

    __slots__ = ("applied", "base", "changes", "expire_ms", "stamp_ms", "stored", "tracks")

    def __init__(self) -> None:
        self.applied = -1  # the highest offset that was folded
        self.stamp_ms = 0  # of that record, by the queue
        self.expire_ms = 0  # from the policy of that record
        self.tracks: dict[TrackKey, Track] = {}
        self.base: Levels = {}  # what stood before the first of `changes`
        self.changes: list[_Change] = []
        self.stored = False  # whether the changelog has heard of it

    @property
    def trivial(self) -> bool:
        """True when it says nothing that a new one would not."""
        return not self.tracks and not self.changes and not self.base

    def answer(self, offset: int) -> Answer:
        """What the record at `offset`, which was folded already, is told."""
        for change in reversed(self.changes):
            if change.offset == offset:
                return change.answer
            if change.offset < offset:
                return Answer(change.answer.levels)
        return Answer(self.base)

    def fold(
        self, offset: int, stamp_ms: int, heard: Sequence[Heard], rules: CallRules, severe: frozenset[str]
    ) -> Answer:
        """Take the windows that the record at `offset` closed, in order, and answer it."""
        if offset <= self.applied:
            return self.answer(offset)
        before = self._levels()
        if self.expired(stamp_ms):
            self.tracks.clear()
        self.applied, self.stamp_ms, self.expire_ms = offset, stamp_ms, int(rules.expire_s * 1000)
        newly, changed = Action.ALLOW, list[Changed]()
        for one in heard:
            key: TrackKey = (one.kind, one.speaker)
            track = self.tracks.get(key)
            if track is None:
                if not one.asks or len(self.tracks) >= _MOST_TRACKS:
                    continue  # a track that has heard nothing is a new one
                track = self.tracks[key] = Track()
            last = track.windows[-1] if track.windows else {}
            newly = max(newly, _newly(one, last))
            hop = one.hop if one.hop is not None else (-1 if track.index is None else track.index) + 1
            ours = rules if one.kind == "call" else _of_messages(rules)
            changes = track.fold(hop, one.t1, one.found, ours, severe)
            changed += [Changed(one.kind, one.speaker, one.t0, one.t1, change) for change in changes]
            if track.trivial:
                del self.tracks[key]
        levels = self._levels()
        answer = Answer(levels, newly, tuple(changed))
        if changed or newly or levels != before:
            self._remember(_Change(offset, answer), before)
        return answer

    def expired(self, stamp_ms: int) -> bool:
        """True when nothing came for so long that it is to be forgotten."""
        return self.expire_ms > 0 and stamp_ms - self.stamp_ms > self.expire_ms

    def settled(self, offset: int) -> None:
        """Nothing below `offset` comes again: drop what only a repeat could ask for."""
        kept = [change for change in self.changes if change.offset >= offset]
        if len(kept) < len(self.changes):
            self.base = self.changes[len(self.changes) - len(kept) - 1].answer.levels
            self.changes = kept

    def _remember(self, change: _Change, before: Levels) -> None:
        if not self.changes:
            self.base = before
        self.changes.append(change)
        if len(self.changes) > _MOST_CHANGES:
            self.base = self.changes.pop(0).answer.levels

    def _levels(self) -> Levels:
        return {key: raised for key, track in self.tracks.items() if (raised := track.raised())}

    def as_json(self) -> dict[str, Any]:
        """Numbers, names of categories and of speakers; never what was said."""
        return {
            "v": 1,
            "applied": self.applied,
            "stamp_ms": self.stamp_ms,
            "expire_ms": self.expire_ms,
            "tracks": [[*key, track.as_json()] for key, track in self.tracks.items()],
            "base": _levels_json(self.base),
            "changes": [_change_json(change) for change in self.changes],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Stream:
        """As `as_json` gave it. Raises KeyError, TypeError or ValueError for anything else."""
        if stored["v"] != 1:
            raise ValueError(f"version {stored['v']} of a stream's state is none that this worker reads")
        stream = cls()
        stream.applied, stream.stamp_ms, stream.expire_ms = (
            int(stored[name]) for name in ("applied", "stamp_ms", "expire_ms")
        )
        stream.tracks = {(kind, speaker): Track.from_json(track) for kind, speaker, track in stored["tracks"]}
        stream.base = _levels_from(stored["base"])
        stream.changes = [_change_from(change) for change in stored["changes"]]
        stream.stored = True
        return stream


@lru_cache(maxsize=1024)
def _of_messages(rules: CallRules) -> CallRules:
    """Messages that are read together agree already."""
    return replace(rules, agree=1)


def _newly(one: Heard, last: Passing) -> Action:
    """Of a window of messages: what it asks for that the one before did not back."""
    if one.kind == "call":
        return Action.ALLOW
    asked = (
        passed.action
        for category, passed in one.found.items()
        if category not in last or last[category].backs < passed.action
    )
    return max(asked, default=Action.ALLOW)


def _levels_json(levels: Levels) -> list[Any]:
    return [[*key, {name: int(level) for name, level in raised.items()}] for key, raised in levels.items()]


def _levels_from(stored: Sequence[Any]) -> Levels:
    return {(kind, who): {name: Action(level) for name, level in raised.items()} for kind, who, raised in stored}


def _change_json(change: _Change) -> list[Any]:
    answer = change.answer
    told = [
        [*c[:4], c.transition.category, int(c.transition.before), int(c.transition.after), c.transition.cause]
        for c in answer.changed
    ]
    return [change.offset, _levels_json(answer.levels), int(answer.newly), told]


def _change_from(stored: Sequence[Any]) -> _Change:
    offset, levels, newly, told = stored
    changed = tuple(
        Changed(kind, who, t0, t1, Transition(category, Action(before), Action(after), cause))
        for kind, who, t0, t1, category, before, after, cause in told
    )
    return _Change(int(offset), Answer(_levels_from(levels), Action(newly), changed))
