"""Departures: when what a partition holds ready leaves, where each partition's output is a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from worker.core.clock import Clock
from worker.core.records import Partition, Position


class Positioned(Protocol):
    """What stands in a partition."""

    @property
    def position(self) -> Position: ...


T = TypeVar("T", bound=Positioned)


class _Line(Generic[T]):
    """One partition: what is ready, in order, whether a batch of it is under way, and when the last one left."""

    __slots__ = ("busy", "left_at", "ready")

    def __init__(self) -> None:
        self.ready: list[T] = []
        self.busy = False
        self.left_at = float("-inf")


class Departures(Generic[T]):
    """
    One batch a partition is under way at a time, so a partition that fails holds nothing but itself. Pure.

    A partition that was idle leaves at once; a busy one every `interval_s`, or when it holds `most`. A transaction
    costs the same for one record as for hundreds, so the pause is what makes it cheap under load.
    """

    def __init__(self, clock: Clock, *, interval_s: float, most: int) -> None:
        self._clock = clock
        self._interval_s = interval_s
        self._most = most
        self._lines: dict[Partition, _Line[T]] = {}

    def add(self, items: Iterable[T]) -> None:
        """Take what is ready, in the order of each partition."""
        topic_now, number_now, line = None, -1, _Line[T]()
        for item in items:
            topic, number, _ = item.position
            if number != number_now or topic != topic_now:
                topic_now, number_now = topic, number
                line = self._lines.setdefault(Partition(topic, number), _Line())
            line.ready.append(item)

    def leaving(self) -> list[tuple[Partition, list[T]]]:
        """The batches that leave now; each is under way until `arrived`."""
        now, batches = self._clock.now(), []
        for partition, line in self._lines.items():
            if line.ready and not line.busy and (len(line.ready) >= self._most or now >= self._due(line)):
                batch, line.ready = line.ready[: self._most], line.ready[self._most :]
                line.busy, line.left_at = True, now
                batches.append((partition, batch))
        return batches

    def arrived(self, partition: Partition) -> None:
        """The partition's batch has come to its end."""
        self._lines[partition].busy = False

    def wait_s(self) -> float | None:
        """Seconds until something leaves by itself; None when nothing will before `add` or `arrived`."""
        due = [self._due(line) for line in self._lines.values() if line.ready and not line.busy]
        return max(min(due) - self._clock.now(), 0.0) if due else None

    def _due(self, line: _Line[T]) -> float:
        return line.left_at + self._interval_s
