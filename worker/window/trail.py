"""The way back: how far the queue must be read again so that windows after an offset are what they were. Pure."""

from __future__ import annotations

from collections import deque
from itertools import takewhile

from worker.core.records import Partition, Position

_SAMPLE_MS = 1_000  # of the queue's stamps: how finely the way is remembered


class _Way:
    """One partition's. `horizon_ms`: the furthest that any window looks back."""

    __slots__ = ("horizon_ms", "marks")

    def __init__(self) -> None:
        self.marks: deque[tuple[int, int]] = deque()  # stamp and offset, once a second
        self.horizon_ms = 0


class Trail:
    """Stamps and offsets of records that windows look back to, as far as is still needed."""

    def __init__(self) -> None:
        self._ways: dict[Partition, _Way] = {}

    def mark(self, position: Position, stamp_ms: int, horizon_ms: int) -> None:
        """Note a record, in the queue's order, and how far its window looks back."""
        way = self._ways.get(position.of)
        if way is None:
            way = self._ways[position.of] = _Way()
        way.horizon_ms = max(way.horizon_ms, horizon_ms)
        if not way.marks or stamp_ms >= way.marks[-1][0] + _SAMPLE_MS:
            way.marks.append((stamp_ms, position.offset))

    def needed_from(self, partition: Partition, offset: int) -> int:
        """The lowest offset that must be read again before `offset` is."""
        way = self._ways.get(partition)
        before = [] if way is None else list(takewhile(lambda mark: mark[1] < offset, way.marks))
        if way is None or not before:
            return offset
        since = before[-1][0] - way.horizon_ms - _SAMPLE_MS
        return min((at for stamp, at in before if stamp >= since), default=offset)

    def settled(self, partition: Partition, offset: int) -> None:
        """The group has committed `offset`: nothing looks further back than from there."""
        way = self._ways.get(partition)
        if way is not None:
            needed = self.needed_from(partition, offset)
            while way.marks and way.marks[0][1] < needed:
                way.marks.popleft()

    def forget(self, partition: Partition) -> None:
        """Drop a partition that went to another worker."""
        self._ways.pop(partition, None)
