"""The offset ledger: only a gap-free prefix of what is finished may be committed."""

from __future__ import annotations

from collections.abc import Iterable

from worker.core.records import Partition, Position


class _Log:
    """One partition's open offsets, oldest first, and where its next record will be."""

    __slots__ = ("committed", "next", "open")

    def __init__(self) -> None:
        self.open: dict[int, None] = {}  # insertion order is offset order
        self.next = 0
        self.committed = -1


class OffsetLedger:
    """
    Tracks which positions are finished. Pure: no I/O, no clock.

    Offsets of a partition are opened in rising order; gaps in the log itself (compaction, transaction markers) are
    no gaps here. `committable()` never goes past the lowest open offset and never backwards.
    """

    def __init__(self) -> None:
        self._logs: dict[Partition, _Log] = {}

    def opened(self, positions: Iterable[Position]) -> None:
        """Note positions as read and not yet finished."""
        topic_now, number_now, log = None, -1, _Log()
        for topic, number, offset in positions:
            if number != number_now or topic != topic_now:  # records come partition by partition
                topic_now, number_now = topic, number
                log = self._logs.setdefault(Partition(topic, number), _Log())
            log.open[offset] = None
            log.next = offset + 1

    def finished(self, positions: Iterable[Position]) -> None:
        """Note positions as ended by an acknowledged record. Positions no longer held are ignored."""
        topic_now, number_now, log = None, -1, None
        for topic, number, offset in positions:
            if number != number_now or topic != topic_now:
                topic_now, number_now = topic, number
                log = self._logs.get(Partition(topic, number))
            if log is not None:
                log.open.pop(offset, None)

    def committable(self) -> dict[Partition, int]:
        """The next offset to read, for each partition where it moved since `committed` was last told."""
        return {
            partition: ready
            for partition, log in self._logs.items()
            if (ready := next(iter(log.open), log.next)) > max(log.committed, 0)
        }

    def committed(self, offsets: dict[Partition, int]) -> None:
        """Note a successful commit. Not called for a failed one, so its offsets come again."""
        for partition, offset in offsets.items():
            if (log := self._logs.get(partition)) is not None:
                log.committed = max(log.committed, offset)

    def reached(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The next offset to read of each of these partitions, whether it moved or not; only those with a record."""
        return {
            partition: max(next(iter(log.open), log.next), log.committed)
            for partition in partitions
            if (log := self._logs.get(partition)) is not None
        }

    def withdrawn(self, positions: Iterable[Position]) -> None:
        """Take back the last positions of a partition, in rising order: they were read and will not be admitted."""
        for index, position in enumerate(positions):
            log = self._logs.get(position.of)
            if log is not None:
                log.open.pop(position.offset, None)
                if index == 0:
                    log.next = position.offset

    def open_count(self, partitions: Iterable[Partition]) -> int:
        """How many positions of these partitions are still open."""
        return sum(len(self._logs[p].open) for p in partitions if p in self._logs)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop partitions that went to another worker."""
        for partition in partitions:
            self._logs.pop(partition, None)
