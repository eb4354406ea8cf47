"""
Which record kills the worker: attempts marked beside the committed offset, and suspects run one at a time.

The mark says which run of a worker is under way from the committed offset on. A run that ends in good order takes it
away. One that dies leaves it, and whoever reads next knows:

1. After one death, records run in windows, each named by a mark before it starts, until all that may have been in
   flight lies behind. Each window that is survived makes the next twice as long, so that this ends soon.
2. After a death in a window of the first size, its records run one at a time, with nothing else in flight, each named
   before it starts and no longer once it came through. A longer one is first run again in windows of the first size.
3. A death with one record named convicts that record. It is parked without being decoded.

Pure: no I/O, no clock. In normal running the mark rides on commits that happen anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import orjson

from worker.core.records import Partition, Position

_VERSION = 1
_EVERYTHING = 1 << 63
_GROWTH = 32  # how much longer than the first a window may become


class Step(Enum):
    """What must be done before a record may be admitted."""

    ADMIT = "nothing"
    MARK = "finish what is in flight of its partition, then store a mark"
    ALONE = "finish all that is in flight, store a mark that names it, and finish it before anything else"
    PARK = "park it without decoding it"


class Mark(NamedTuple):
    """What stands beside a committed offset. Offsets of the partition."""

    run: str = ""  # the run of a worker that is under way; empty after one that ended in good order
    deaths: int = 0  # runs that died between the committed offset and `until`
    until: int = 0  # what may have been in flight lies below it
    window: tuple[int, int] | None = None  # [start, end) that alone was in flight
    named: int | None = None  # the one offset that alone was in flight

    def pack(self) -> str:
        """As stored: under 200 characters."""
        fields: dict[str, Any] = {"tidegate": _VERSION, "run": self.run, "deaths": self.deaths, "until": self.until}
        if self.window is not None:
            fields["window"] = self.window
        if self.named is not None:
            fields["named"] = self.named
        return orjson.dumps(fields).decode()

    @classmethod
    def parse(cls, text: str) -> Mark:
        """The mark, or an empty one for what is none of ours: other tools write there too."""
        try:
            fields = orjson.loads(text)
            if fields["tidegate"] != _VERSION:
                return cls()
            window = fields.get("window")
            start_end = None if window is None else (int(window[0]), int(window[1]))
            named = fields.get("named")
            return cls(
                str(fields["run"]),
                int(fields["deaths"]),
                int(fields["until"]),
                start_end,
                None if named is None else int(named),
            )
        except (ValueError, TypeError, KeyError, IndexError):
            return cls()


@dataclass(slots=True)
class _Partition:
    deaths: int
    until: int
    alone: tuple[int, int] | None = None  # offsets that run one at a time
    guilty: int | None = None
    covered: int = 0  # offsets below it are admitted under the mark that is stored
    window: tuple[int, int] | None = None
    named: int | None = None
    size: int = 0  # records of the window that is stored; 0 before the first
    steady: int = 0  # windows do not grow below it: one that died ended there


class Suspects:
    """
    Args:
        run: names this run of this worker; a mark that it left itself counts no death.
        window: records that run together after a death, at first.
        reach: offsets past the committed one that may be in flight before the next commit.
        deaths: how many convict the record that was named at the last one; at least 3.
    """

    def __init__(self, run: str, *, window: int = 128, reach: int = 40_000, deaths: int = 3) -> None:
        self._run, self._window, self._reach, self._limit = run, window, reach, deaths
        self._partitions: dict[Partition, _Partition] = {}

    def covers(self, partition: Partition, offset: int) -> bool:
        """True when every offset up to `offset` may be admitted at once: the usual case."""
        found = self._partitions.get(partition)
        return found is not None and offset < found.covered and found.alone is None and found.guilty is None

    def knows(self, partition: Partition) -> bool:
        """True since `take` and until `forget`."""
        return partition in self._partitions

    def take(self, partition: Partition, text: str) -> Mark:
        """A partition came to this worker with the mark that stood beside its offset; returns that."""
        mark = Mark.parse(text)
        died = bool(mark.run) and mark.run != self._run
        deaths = mark.deaths + died
        until = max(mark.until, mark.window[1] if mark.window is not None else 0)  # a window may reach past it
        found = self._partitions[partition] = _Partition(deaths, until if deaths else 0)
        if died and mark.named is not None and deaths >= self._limit:
            found.guilty, found.deaths = mark.named, 1
        elif deaths > 1 and mark.window is not None:
            if mark.window[1] - mark.window[0] <= self._window:
                found.alone = found.window = mark.window
            else:
                found.steady = mark.window[1]
        return mark

    def step(self, position: Position) -> Step:
        """What the record at `position` needs; its partition is known."""
        found, offset = self._partitions[position.of], position.offset
        if offset == found.guilty:
            return Step.PARK
        if found.alone is not None and offset < found.alone[1]:
            return Step.ALONE
        return Step.ADMIT if offset < found.covered else Step.MARK

    def convicted(self, position: Position) -> None:
        """The guilty one is parked; what follows it runs in windows again."""
        self._partitions[position.of].guilty = None

    def name(self, position: Position) -> str:
        """The mark to store, with the record's own offset, before it runs alone."""
        self._partitions[position.of].named = position.offset
        return self.mark(position.of, position.offset)

    def clear(self, position: Position) -> str:
        """The mark to store, with the offset behind the record's, once that came through and another may run."""
        self._partitions[position.of].named = None
        return self.mark(position.of, position.offset + 1)

    def cover(self, position: Position) -> str:
        """The mark to store, with the record's own offset, before it and those behind it may be admitted."""
        found, offset = self._partitions[position.of], position.offset
        found.alone = found.named = found.guilty = None
        if found.deaths and offset < found.until:
            grown = min(found.size * 2, self._window * _GROWTH) if offset >= found.steady else 0
            found.size = max(grown, self._window)
            found.deaths, found.covered = 1, offset + found.size
            found.window = (offset, found.covered)
        else:
            found.deaths, found.until, found.window, found.covered = 0, 0, None, _EVERYTHING
        return self.mark(position.of, offset)

    def mark(self, partition: Partition, offset: int) -> str:
        """What a commit of `offset` carries while work goes on; "" for a partition without a record yet."""
        found = self._partitions.get(partition)
        if found is None:
            return ""
        until = found.until if found.deaths else offset + self._reach
        return Mark(self._run, found.deaths, until, found.window, found.named).pack()

    def marks(self, offsets: Mapping[Partition, int]) -> dict[Partition, str]:
        """`mark` for each partition of a commit."""
        return {partition: self.mark(partition, offset) for partition, offset in offsets.items()}

    def rest(self, partition: Partition, offset: int) -> str:
        """What a commit carries when the partition is let go in good order: suspicion stays, no run is under way."""
        found = self._partitions.get(partition)
        if found is None or not found.deaths or found.until <= offset:
            return ""
        return Mark("", found.deaths, found.until, found.alone).pack()

    def known(self) -> frozenset[Partition]:
        """Partitions of which a record was read since they came."""
        return frozenset(self._partitions)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop partitions that went to another worker."""
        for partition in partitions:
            self._partitions.pop(partition, None)
