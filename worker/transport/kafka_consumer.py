"""
Reading in a Kafka consumer group: poll, commit, and letting partitions go.

aiokafka's traps that this file steps around: a cancelled `getmany` disables the group's liveness check, `getmany` waits
out a rebalance, a failing listener is only logged, and `commit` and `stop` can wait for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, IllegalOperation, KafkaError

from worker.core.clock import Clock
from worker.core.errors import ConfigError, TransportUnavailable
from worker.core.ports import NO_MARKS, Revoked
from worker.core.records import Headers, Partition, Position, Record
from worker.transport.kafka_membership import Membership
from worker.transport.kafka_security import REFUSED
from worker.transport.settings import KafkaSettings

_log = structlog.get_logger(__name__)
_NOTHING = TopicPartition("", -1)  # asked for by a poll without credits; no partition at all would mean every one
_GRACE_S = 0.25  # what a fetch may take over its own timeout before a poll returns without it
_BACKOFF_S = 0.1

Fetched = dict[TopicPartition, list[ConsumerRecord]]


class Fence(Protocol):
    """Who must be asked before a partition is read, and told before it goes."""

    def came(self, partitions: frozenset[Partition]) -> None:
        """Not read until `GroupReader.release` is called for each. Must not wait: there are no heartbeats meanwhile."""
        ...

    async def leaving(self, partitions: frozenset[Partition]) -> None:
        """Drained; when this returns, nothing of them is published any more."""
        ...


class GroupReader(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """One member of the group, reading one topic. A gate is shut while partitions change hands."""

    def __init__(
        self,
        settings: KafkaSettings,
        options: Mapping[str, Any],
        topic: str,
        clock: Clock,
        fence: Fence | None = None,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._fence = fence
        self._gate = asyncio.Event()  # open while this worker may read what it owns
        self._epoch = 0  # counts revocations and assignments: what was fetched before one is never given after it
        self._owned: frozenset[Partition] = frozenset()
        self._nexts: dict[Partition, int] = {}
        self.marks: Mapping[Partition, str] = NO_MARKS  # as they stood when the partitions came
        self._ready: deque[Record] = deque()  # fetched by a poll that had already returned
        self._fetching: asyncio.Task[tuple[int, Fetched]] | None = None
        self._committing = asyncio.Lock()
        self._failure: BaseException | None = None
        self._stopped = False
        self._on_revoked: Revoked | None = None
        self._consumer = AIOKafkaConsumer(
            **options,
            group_id=settings.group_id,
            group_instance_id=settings.group_instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),  # two would join twice
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=settings.heartbeat_interval_ms,
            rebalance_timeout_ms=settings.rebalance_timeout_ms,
            max_poll_interval_ms=settings.max_poll_interval_ms,
            fetch_max_bytes=settings.fetch_max_bytes,
            max_partition_fetch_bytes=settings.max_partition_fetch_bytes,
            isolation_level=settings.isolation_level,
        )
        self.membership = Membership(self._consumer, clock)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """Assigned to this member."""
        return tuple(sorted(self._owned))

    async def start(self, on_revoked: Revoked) -> None:
        """Join the group. Raises KafkaError when nothing answers."""
        self._on_revoked = on_revoked
        self._consumer.subscribe([self._topic], listener=self)
        await self._consumer.start()
        self.membership.listen()

    async def poll(self, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As `Transport.poll`. Raises what `on_revoked` raised, and ConfigError for a permission taken away."""
        if self._failure is not None:
            raise self._failure
        if not self._gate.is_set() or self._stopped:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._gate.wait()
            await asyncio.sleep(0)  # a caller that polls on after stop must not starve the loop
            return []
        if self._ready and max_records:
            return [self._ready.popleft() for _ in range(min(max_records, len(self._ready)))]
        try:
            fetched = await self._fetch(max_records, timeout_s)
        except ConsumerStoppedError:
            return []
        except KafkaError as error:
            return await self._survive(error)
        return self._records(fetched, max_records)

    async def _fetch(self, max_records: int, timeout_s: float) -> Fetched:
        """The fetch under way, or a new one; nothing when it takes too long or partitions moved meanwhile."""
        if self._fetching is None and max_records:
            epoch = self._epoch
            at_hand: Fetched = await self._consumer.getmany(timeout_ms=0, max_records=max_records)
            if at_hand:
                return at_hand if epoch == self._epoch else {}
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._getmany(max_records, timeout_s), name="kafka-fetch")
        await asyncio.wait([self._fetching], timeout=timeout_s + _GRACE_S)
        if not self._fetching.done() or not self._gate.is_set():
            return {}  # what came while the gate was shut after a rebalance is the next poll's
        fetching, self._fetching = self._fetching, None
        epoch, fetched = fetching.result()
        return fetched if epoch == self._epoch else {}

    async def _getmany(self, max_records: int, timeout_s: float) -> tuple[int, Fetched]:
        wanted = () if max_records else (_NOTHING,)
        milliseconds = int(timeout_s * 1000)
        fetched = await self._consumer.getmany(*wanted, timeout_ms=milliseconds, max_records=max_records or 1)
        return self._epoch, fetched

    def _records(self, fetched: Fetched, max_records: int) -> list[Record]:
        found: list[Record] = []
        for partition, records in fetched.items():
            found += as_records(partition, records)
            self._nexts[Partition(*partition)] = records[-1].offset + 1
        if len(found) > max_records:
            self._ready.extend(found[max_records:])
            del found[max_records:]
        return found

    async def _survive(self, error: KafkaError) -> list[Record]:
        if isinstance(error, REFUSED):
            raise ConfigError(f"Kafka refuses to let us read {self._topic}: grant Read on it and its group") from error
        if not error.retriable:
            raise TransportUnavailable(f"reading {self._topic} ended: start the worker again: {error!r}") from error
        _log.warning("transport.poll_failed", topic=self._topic, error=repr(error))
        await asyncio.sleep(_BACKOFF_S)
        return []

    async def commit(self, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS) -> None:
        """As `Transport.commit`; leaves out partitions that are no longer ours: their new owner reads them again."""
        mine = {TopicPartition(*p): (offset, marks.get(p, "")) for p, offset in offsets.items() if p in self._owned}
        if len(mine) < len(offsets):
            _log.warning("transport.not_ours", partitions=sorted(offsets.keys() - self._owned))
        if self._stopped:
            raise TransportUnavailable("the connection to Kafka is closed: nothing is committed any more")
        if not mine:
            return
        async with self._committing:
            try:
                async with asyncio.timeout(self._settings.commit_timeout_ms / 1000):
                    await self._consumer.commit(mine)
            except (KafkaError, IllegalOperation, TimeoutError) as error:
                raise TransportUnavailable(f"offsets of {self._topic} not committed: {error!r}") from error

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by aiokafka before a rebalance; heartbeats go on meanwhile."""
        self._gate.clear()
        self._epoch += 1
        self._ready.clear()
        leaving = frozenset(Partition(*partition) for partition in revoked)
        try:
            if leaving and self._on_revoked is not None:
                await self._on_revoked(leaving)
            if leaving and self._fence is not None:
                await self._fence.leaving(leaving)
            async with self._committing:  # aiokafka would send a late commit in the next generation's name
                self._owned, self._nexts = frozenset(), {}
        except BaseException as error:
            self.fail(error)  # aiokafka only logs it
            raise

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by aiokafka after a rebalance."""
        # A fetch may have ended while the old partitions were let go: what it brought is read again, from the commit.
        # Nothing of the new ones is fetched before this call: aiokafka asks for their offsets after it.
        self._epoch += 1
        owned = frozenset(Partition(*partition) for partition in assigned)
        self.membership.heard()
        try:
            if self._fence is not None:
                self._consumer.pause(*assigned)  # before anything is awaited: aiokafka reads on from now
                self.marks = {}
                self._fence.came(owned)
            else:
                self.marks = await self._stored_marks(frozenset(assigned))
        except BaseException as error:
            self.fail(error)  # aiokafka only logs it
            raise
        self._owned, self._nexts = owned, {}
        _log.info("transport.assigned", partitions=[partition.number for partition in sorted(self._owned)])
        self._gate.set()

    def release(self, partition: Partition, offset: int | None, mark: str) -> None:
        """Read a partition that the fence held, from `offset`; None: nothing was ever committed, so from its start."""
        at = TopicPartition(*partition)
        self.marks = {**self.marks, partition: mark}
        if offset is not None:
            self._consumer.seek(at, offset)
        self._consumer.resume(at)

    def fail(self, error: BaseException) -> None:
        """The next poll raises `error`, unless something failed before: what follows from that would hide it."""
        if self._failure is None:
            self._failure = error
        self._gate.set()

    async def _stored_marks(self, partitions: frozenset[TopicPartition]) -> dict[Partition, str]:
        """What stands beside the committed offsets; `committed()` gives the offsets alone. Waits for the broker."""
        stored = await self._consumer._coordinator.fetch_committed_offsets(partitions)
        return {Partition(*partition): found.metadata or "" for partition, found in stored.items()}

    def lag(self) -> dict[Partition, int]:
        """Records between the last one given and the end, as the last fetch saw it."""
        behind = {}
        for partition, offset in self._nexts.items():
            tp = TopicPartition(*partition)
            if tp in self._consumer.assignment() and (end := self._consumer.highwater(tp)) is not None:
                behind[partition] = max(end - offset, 0)
        return behind

    async def stop(self) -> None:
        """Leave the group, within stop.timeout.ms."""
        self._stopped = True
        self._gate.set()
        try:
            async with asyncio.timeout(self._settings.stop_timeout_ms / 1000):
                await self._leave()
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("transport.leave_failed", topic=self._topic, error=repr(error))
        if self._fetching is not None:
            self._fetching.cancel()  # harmless now: there is no membership left for it to spoil
            await asyncio.gather(self._fetching, return_exceptions=True)
        self._owned, self._nexts = frozenset(), {}

    async def _leave(self) -> None:
        """aiokafka cancels its pending fetches and lets their end be its own, so its stop runs in a task apart."""
        leaving = asyncio.create_task(self._consumer.stop(), name="leave")
        try:
            await asyncio.wait({leaving})
        finally:
            leaving.cancel()
        if leaving.cancelled():
            await self._consumer._client.close()  # what it did not come to
        else:
            leaving.result()


def as_records(partition: TopicPartition, records: Sequence[ConsumerRecord]) -> list[Record]:
    """aiokafka's records as ours."""
    topic, number = partition
    new = tuple.__new__  # a NamedTuple's own constructor takes twice as long, twice for each record
    return [
        new(
            Record,
            (new(Position, (topic, number, r.offset)), r.key, r.value, r.headers and _whole(r.headers), r.timestamp),
        )
        for r in records
    ]


def _whole(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    """Kafka allows a header without a value; ours then has an empty one."""
    return tuple((name, value or b"") for name, value in headers)
