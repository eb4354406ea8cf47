"""The queue in this process's memory, for `tidegate moderate` and tests: one worker, nothing kept."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count

from worker.core.clock import Clock, SystemClock
from worker.core.errors import ConfigError, TransportUnavailable
from worker.core.ports import NO_MARKS, Revoked
from worker.core.records import Draft, Order, Outgoing, Partition, Position, Record, TransportHealth
from worker.transport.partitioning import partition_of
from worker.transport.settings import TopicSettings, topic_of


class MemoryLog:
    """
    The topics: every one has the same number of partitions and comes into being when it is first named.

    What a group has committed is forgotten, so memory holds what is unfinished and what was written, unread.
    """

    def __init__(self, partitions: int = 1, clock: Clock | None = None) -> None:
        self.partitions = partitions
        self.committed: dict[tuple[str, Partition], int] = {}
        self.marks: dict[tuple[str, Partition], str] = {}
        self.members: set[str] = set()
        self._records: defaultdict[Partition, list[Record]] = defaultdict(list)
        self._starts: defaultdict[Partition, int] = defaultdict(int)
        self._clock = clock or SystemClock()
        self._turns = count()
        self._readers: set[asyncio.Event] = set()

    def of(self, topics: Iterable[str]) -> tuple[Partition, ...]:
        """Every partition of `topics`."""
        return tuple(Partition(topic, number) for topic in topics for number in range(self.partitions))

    def end(self, partition: Partition) -> int:
        """The offset that the next record will have."""
        return self._starts[partition] + len(self._records[partition])

    def append(self, drafts: Sequence[Draft]) -> list[Position]:
        """Add `drafts` and wake whoever waits."""
        stamp = int(self._clock.wall() * 1000)
        positions = []
        for draft in drafts:
            number = draft.partition
            if number is None:
                number = partition_of(draft.key, self.partitions, next(self._turns) if draft.key is None else 0)
            partition = Partition(draft.topic, number)
            position = Position(draft.topic, number, self.end(partition))
            self._records[partition].append(Record(position, draft.key, draft.value, draft.headers, stamp))
            positions.append(position)
        for reader in self._readers:
            reader.set()
        return positions

    def read(self, nexts: dict[Partition, int], max_records: int) -> list[Record]:
        """Up to `max_records` from the offsets in `nexts`, which move on; who was served is last in the next turn."""
        found: list[Record] = []
        for partition, offset in list(nexts.items()):
            first = max(offset - self._starts[partition], 0)
            records = self._records[partition][first : first + max_records - len(found)]
            if records:
                del nexts[partition]
                nexts[partition] = records[-1].position.offset + 1
                found += records
        return found

    def commit(self, group: str, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS) -> None:
        """Store a group's next offsets, never backwards, and forget the records before them."""
        for partition, offset in offsets.items():
            self.marks[group, partition] = marks.get(partition, "")
            self.committed[group, partition] = max(offset, self.committed.get((group, partition), 0))
            gone = self.committed[group, partition] - self._starts[partition]
            del self._records[partition][: max(gone, 0)]
            self._starts[partition] += max(gone, 0)

    async def wait(self, reader: asyncio.Event, timeout_s: float) -> None:
        """Return when something was appended, when `reader` is set, or after `timeout_s`."""
        self._readers.add(reader)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await reader.wait()
        self._readers.discard(reader)


class MemoryTransport:
    """A worker's side of a `MemoryLog`. One worker a group; a second is refused."""

    order = Order.BY_KEY

    def __init__(self, log: MemoryLog, topics: TopicSettings, group: str = "tidegate") -> None:
        self._log = log
        self._topics = topics
        self._group = group
        self._nexts: dict[Partition, int] = {}
        self._marks: dict[Partition, str] = {}
        self._wake = asyncio.Event()
        self._running = False

    async def start(self, on_revoked: Revoked) -> None:
        """Join. `on_revoked` is never called: there is nobody to hand partitions to."""
        if self._group in self._log.members:
            raise ConfigError(f"group {self._group} already has a worker in this process: use sqlite or kafka for two")
        self._log.members.add(self._group)
        self._running = True
        partitions = self._log.of([self._topics.events])
        self._nexts = {p: self._log.committed.get((self._group, p), 0) for p in partitions}
        self._marks = {p: self._log.marks.get((self._group, p), "") for p in partitions}

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As the port says."""
        self._wake.clear()
        found = self._log.read(self._nexts, max_records) if self._running and max_records else []
        if not found and self._running:
            await self._log.wait(self._wake, timeout_s)
            found = self._log.read(self._nexts, max_records) if max_records else []
        elif not found:
            await asyncio.sleep(0)  # a stopped transport must not starve the loop of a caller that polls on
        return found

    def marks(self) -> Mapping[Partition, str]:
        """As the port says."""
        return self._marks

    async def publish(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS
    ) -> None:
        """As the port says; cannot fail."""
        topics, partitions = self._topics, self._log.partitions
        self._log.append(
            [
                Draft(topic_of(topics, out.route), out.key, out.value, out.headers, out.source.partition % partitions)
                for out in outgoing
            ]
        )

    async def commit(self, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS) -> None:
        """As the port says."""
        if not self._running:
            raise TransportUnavailable("the queue in memory is stopped: nothing can be committed any more")
        self._log.commit(self._group, offsets, marks)

    def health(self) -> TransportHealth:
        """As the port says."""
        lag = {partition: self._log.end(partition) - offset for partition, offset in self._nexts.items()}
        return TransportHealth(
            self._running, tuple(self._nexts), "queue in this process's memory", lag, len(self._nexts)
        )

    async def stop(self) -> None:
        """Leave; wakes a waiting poll."""
        if self._running:
            self._log.members.discard(self._group)
        self._running = False
        self._nexts = {}
        self._wake.set()


class MemorySender:
    """Appends to a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def start(self) -> None:
        """Nothing to connect to."""

    async def send(self, drafts: Sequence[Draft]) -> Sequence[Position]:
        """As the port says; cannot fail."""
        return self._log.append(drafts)

    async def stop(self) -> None:
        """Nothing to close."""


class MemoryTail:
    """Reads topics of a `MemoryLog`, from what it still has or from now on."""

    def __init__(self, log: MemoryLog, topics: Sequence[str], *, from_beginning: bool = True) -> None:
        self._log = log
        self._topics = topics
        self._from_beginning = from_beginning
        self._nexts: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """As the port says."""
        self._ends = {p: self._log.end(p) for p in self._log.of(self._topics)}
        self._nexts = dict.fromkeys(self._ends, 0) if self._from_beginning else dict(self._ends)

    async def read(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As the port says."""
        self._wake.clear()
        found = self._log.read(self._nexts, max_records)
        if not found:
            await self._log.wait(self._wake, timeout_s)
            found = self._log.read(self._nexts, max_records)
        return found

    async def caught_up(self) -> bool:
        """As the port says."""
        return all(self._nexts[partition] >= end for partition, end in self._ends.items())

    async def stop(self) -> None:
        """Wakes a waiting read."""
        self._wake.set()
