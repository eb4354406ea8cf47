"""Kafka as the queue, exactly once: each input partition's decisions and offset in transactions of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from worker.core.clock import Clock
from worker.core.errors import PublishFailed
from worker.core.ports import NO_MARKS
from worker.core.records import Order, Outgoing, Partition
from worker.transport.kafka import KafkaTransport
from worker.transport.kafka_consumer import GroupReader
from worker.transport.kafka_transactions import PartitionWriter
from worker.transport.settings import KafkaSettings, TopicSettings

_log = structlog.get_logger(__name__)
_AGAIN_S = 0.2  # between two tries to take a partition over
_LET_GO_S = 3.0  # what a transaction under way has left when its partition goes


class ExactKafkaTransport(KafkaTransport):
    """
    A worker's side of a Kafka cluster, exactly once for whoever reads committed.

    `publish` may be called for several partitions at once, by one caller a partition.
    """

    order = Order.BY_PARTITION

    def __init__(self, settings: KafkaSettings, topics: TopicSettings, clock: Clock) -> None:
        super().__init__(settings, topics, clock)
        self._writers: dict[Partition, PartitionWriter] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def _prepare(self) -> None:
        self._reader = GroupReader(self._settings, self._options, self._topics.events, self._clock, fence=self)

    def came(self, partitions: frozenset[Partition]) -> None:
        """As `Fence` says."""
        for one in sorted(partitions):
            task = asyncio.create_task(self._open(one), name=f"fence-{one.number}")
            self._opening.add(task)
            task.add_done_callback(self._opened)

    async def _open(self, one: Partition) -> None:
        """Fence the partition's earlier writers, then read on from what they committed."""
        reader = self._reader
        assert reader is not None
        writer = PartitionWriter(self._settings, self._options, one, reader.membership.holds)
        self._writers[one] = writer
        while True:
            try:
                found = await writer.open()
            except PublishFailed as error:
                _log.warning("transport.fence_failed", partition=one.number, error=str(error), again_in_s=_AGAIN_S)
                await asyncio.sleep(_AGAIN_S)
                continue
            if found is not None:  # else the group takes it from us in a moment
                reader.release(one, found.offset, found.metadata)
            return

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self._reader is not None:
            self._reader.fail(error)

    async def leaving(self, partitions: frozenset[Partition]) -> None:
        """As `Fence` says."""
        await self._stop_opening()
        gone = [writer for one in partitions if (writer := self._writers.pop(one, None)) is not None]
        await asyncio.gather(*(writer.close(_LET_GO_S) for writer in gone))

    async def _stop_opening(self) -> None:
        opening = list(self._opening)
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)

    async def publish(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS
    ) -> None:
        """As the port says; leaves out partitions that this worker has lost: their new owner reads them again."""
        if self._reader is None or self._stopped:
            raise PublishFailed("Kafka is not connected: start the transport before publishing")
        parts: dict[Partition, list[Outgoing]] = {one: [] for one in offsets}
        for out in outgoing:
            parts[out.source.of].append(out)
        write = partial(self._write, offsets=offsets, marks=marks)
        ends = await asyncio.gather(*(write(one, some) for one, some in parts.items()), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _write(
        self, one: Partition, some: Sequence[Outgoing], offsets: Mapping[Partition, int], marks: Mapping[Partition, str]
    ) -> None:
        writer = self._writers.get(one)
        if writer is None or not await writer.publish(self._targeted(some), offsets[one], marks.get(one, "")):
            _log.warning("transport.not_ours", partitions=[one], records=len(some))

    async def commit(self, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS) -> None:
        """Does nothing: offsets are stored with what `publish` stores."""

    async def stop(self) -> None:
        """As the port says."""
        self._stopped = True
        await super().stop()

    async def _close(self) -> None:
        await self._stop_opening()
        await asyncio.gather(*(writer.close(0) for writer in self._writers.values()))
        self._writers.clear()
        await super()._close()
