"""The way back: how far the queue must be read again so that windows after an offset are what they were. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from itertools import takewhile

from worker.core.records import Partition, Position


class _Way:
    """One clock's. `horizon_ms`: the furthest that any window looks back; `sample_ms`: how finely it is remembered."""

    __slots__ = ("expire_ms", "horizon_ms", "marks", "sample_ms", "stamp_ms")

    def __init__(self, sample_ms: int) -> None:
        self.marks: deque[tuple[int, int]] = deque()  # time and offset, rising
        self.sample_ms = sample_ms
        self.horizon_ms = self.expire_ms = self.stamp_ms = 0

    def mark(self, offset: int, at_ms: int) -> None:
        if not self.marks or at_ms >= self.marks[-1][0] + self.sample_ms:
            self.marks.append((at_ms, offset))

    def needed_from(self, offset: int) -> int:
        before = list(takewhile(lambda mark: mark[1] < offset, self.marks))
        if not before:
            return offset
        since = before[-1][0] - self.horizon_ms - self.sample_ms
        return min((at for time, at in before if time >= since), default=offset)

    def settled(self, offset: int) -> None:
        needed = self.needed_from(offset)
        while self.marks and self.marks[0][1] < needed:
            self.marks.popleft()


class Trail:
    """For messages: by partition, on the queue's stamps, once a second of them."""

    def __init__(self) -> None:
        self._ways: dict[Partition, _Way] = {}

    def mark(self, position: Position, stamp_ms: int, horizon_ms: int) -> None:
        """Note a record, in the queue's order, and how far its window looks back."""
        way = self._ways.get(position.of)
        if way is None:
            way = self._ways[position.of] = _Way(1_000)
        way.horizon_ms = max(way.horizon_ms, horizon_ms)
        way.mark(position.offset, stamp_ms)

    def needed_from(self, partition: Partition, offset: int) -> int:
        """The lowest offset that must be read again before `offset` is."""
        way = self._ways.get(partition)
        return offset if way is None else way.needed_from(offset)

    def settled(self, partition: Partition, offset: int) -> None:
        """The group has committed `offset`: nothing looks further back than from there."""
        if (way := self._ways.get(partition)) is not None:
            way.settled(offset)

    def forget(self, partition: Partition) -> None:
        """Drop a partition that went to another worker."""
        self._ways.pop(partition, None)


class CallTrails:
    """For sound: by speaker of a call, on the call's own clock, once in five seconds of it."""

    def __init__(self) -> None:
        self._partitions: dict[Partition, dict[Hashable, _Way]] = {}
        self._newest: dict[Partition, int] = {}  # stamp

    def mark(
        self, position: Position, line: Hashable, at_ms: int, stamp_ms: int, *, horizon_ms: int, expire_ms: int
    ) -> None:
        """Note a chunk of a speaker, in the queue's order. at_ms: on the call's clock, else the queue's."""
        lines = self._partitions.setdefault(position.of, {})
        way = lines.get(line)
        if way is None:
            way = lines[line] = _Way(5_000)
        way.horizon_ms, way.expire_ms, way.stamp_ms = max(way.horizon_ms, horizon_ms), expire_ms, stamp_ms
        if way.marks and at_ms < way.marks[-1][0] - way.horizon_ms:
            way.marks.clear()  # a clock that was set back begins anew
        way.mark(position.offset, at_ms)
        self._newest[position.of] = max(stamp_ms, self._newest.get(position.of, 0))

    def needed_from(self, partition: Partition, offset: int) -> int:
        """The lowest offset that must be heard again before `offset` is."""
        return min((way.needed_from(offset) for way in self._partitions.get(partition, {}).values()), default=offset)

    def settled(self, partition: Partition, offset: int) -> None:
        """The group has committed `offset`; speakers that were silent for too long are dropped."""
        lines, newest = self._partitions.get(partition, {}), self._newest.get(partition, 0)
        for line in [line for line, way in lines.items() if newest - way.stamp_ms > way.expire_ms]:
            del lines[line]
        for way in lines.values():
            way.settled(offset)

    def forget(self, partition: Partition) -> None:
        """Drop a partition that went to another worker."""
        self._partitions.pop(partition, None)
        self._newest.pop(partition, None)
