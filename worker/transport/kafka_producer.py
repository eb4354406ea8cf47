"""
Publishing to Kafka: whole batches of records, one future a batch, each acknowledged by all in-sync replicas.

After a failed batch aiokafka's idempotent producer keeps a gap in its sequence numbers, so it is thrown away and
the next publish makes a new one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from worker.core.errors import PublishFailed, RecordsTooLarge, TidegateError
from worker.core.records import Draft, Outgoing
from worker.transport.settings import KafkaSettings

_log = structlog.get_logger(__name__)
_DISCARD_S = 1.0  # for the farewell of a producer that has failed already


class Acknowledged(NamedTuple):
    """Where the records of one batch stand: offsets [first, first + size)."""

    first: int
    size: int


class BatchPublisher:
    """An idempotent producer that is rebuilt whenever it fails. One publish at a time."""

    def __init__(self, settings: KafkaSettings, options: Mapping[str, Any]) -> None:
        self._settings = settings
        self._options = options
        self._producer: AIOKafkaProducer | None = None
        self._sizes = Sizes(settings.max_request_size)
        self._turn = asyncio.Lock()
        self._stopped = False
        self._sending: asyncio.Future[list[list[Acknowledged] | BaseException]] | None = None

    async def start(self) -> None:
        """Connect. Raises KafkaError when nothing answers."""
        async with self._turn:
            await self._ready()

    async def publish(
        self, groups: Mapping[TopicPartition, Sequence[Outgoing] | Sequence[Draft]]
    ) -> dict[TopicPartition, list[Acknowledged]]:
        """
        Publish each partition's records in order; returns when all are acknowledged.

        Raises:
            PublishFailed: some may stand, some not; publish the same again.
            RecordsTooLarge: likewise, but the same will never stand.
        """
        async with self._turn:
            if self._stopped:
                raise PublishFailed("the connection to Kafka is closed: nothing is published any more")
            try:
                async with asyncio.timeout(self._settings.delivery_timeout_ms / 1000):
                    return await self._publish(groups)
            except TimeoutError as error:
                limit = self._settings.delivery_timeout_ms
                raise PublishFailed(f"Kafka acknowledged not all within delivery.timeout.ms {limit}") from error
            except (KafkaError, OSError, AssertionError) as error:  # aiokafka asserts that partitions exist
                raise PublishFailed(f"Kafka did not take all of a publish: {reason(error)}") from error

    async def _publish(
        self, groups: Mapping[TopicPartition, Sequence[Outgoing] | Sequence[Draft]]
    ) -> dict[TopicPartition, list[Acknowledged]]:
        producer = await self._ready()
        sizes = self._sizes
        batches = {partition: pack(producer, partition, records, sizes) for partition, records in groups.items()}
        whole = False
        try:
            sending = [send(producer, partition, chain, sizes) for partition, chain in batches.items()]
            self._sending = asyncio.gather(*sending, return_exceptions=True)
            ends = await self._sending  # all of them, before one may be raised
            if failed := [end for end in ends if isinstance(end, BaseException)]:
                raise failed[0]
            whole = True
        except asyncio.CancelledError:
            if self._stopped and not _is_cancelled():
                raise PublishFailed("the connection to Kafka was closed before all was acknowledged") from None
            raise
        finally:
            if not whole:
                await self._discard()
        return {
            partition: end for partition, end in zip(batches, ends, strict=True) if not isinstance(end, BaseException)
        }

    async def _ready(self) -> AIOKafkaProducer:
        if self._producer is None:
            settings = self._settings
            producer = AIOKafkaProducer(
                **self._options,
                acks="all",
                enable_idempotence=True,
                max_batch_size=settings.batch_size,
                max_request_size=settings.max_request_size,
                compression_type=settings.compression_type,
                linger_ms=0,
            )
            try:
                await producer.start()
            except BaseException:
                await close(producer, _DISCARD_S)
                raise
            self._producer = producer
        return self._producer

    async def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer, _DISCARD_S)

    async def stop(self) -> None:
        """Close, within stop.timeout.ms."""
        self._stopped = True
        producer, self._producer = self._producer, None
        if producer is not None:
            await close(producer, self._settings.stop_timeout_ms / 1000)
        if self._sending is not None:
            self._sending.cancel()  # nobody is left to acknowledge what close() gave up


class Sizes:
    """How large a batch may be: max.request.size, and for topics that refused one, what they seem to take."""

    def __init__(self, record_bytes: int) -> None:
        self.record_bytes = record_bytes
        self.batch_bytes: dict[str, int] = {}  # learned, by topic

    def refused(self, partition: TopicPartition, packed: Packed, error: Exception) -> TidegateError:
        """What to raise for a batch that its topic finds too large: try smaller ones, or give the record up."""
        if len(packed.records) > 1:
            self.batch_bytes[partition.topic] = half = packed.batch.size() // 2
            return PublishFailed(
                f"{partition.topic} refuses batches of {half * 2} bytes: trying {half}: {reason(error)}"
            )
        return _too_large(partition, packed, f"max.message.bytes of {partition.topic}")


class Packed(NamedTuple):
    """A batch, and what is in it."""

    batch: BatchBuilder
    records: Sequence[Outgoing] | Sequence[Draft]


def pack(
    producer: AIOKafkaProducer, partition: TopicPartition, records: Sequence[Outgoing] | Sequence[Draft], sizes: Sizes
) -> list[Packed]:
    """
    Batches of one partition's records, in order.

    Raises:
        RecordsTooLarge: a record is over max.request.size.
        PublishFailed: the same, of a record from outside the worker.
    """
    stamp = int(time.time() * 1000)
    most = sizes.batch_bytes.get(partition.topic)
    batch, first = producer.create_batch(), 0
    packed: list[Packed] = []
    for index, (_, key, value, headers, _) in enumerate(records):
        about = (
            0 if most is None else len(key or b"") + len(value or b"") + sum(len(n) + len(v) + 8 for n, v in headers)
        )
        crowded = most is not None and index > first and batch.size() + about > most
        if crowded or batch.append(timestamp=stamp, key=key, value=value, headers=list(headers)) is None:
            packed.append(Packed(batch, records[first:index]))
            batch, first = producer.create_batch(), index
            batch.append(timestamp=stamp, key=key, value=value, headers=list(headers))
    packed.append(Packed(batch, records[first:]))
    for one in packed:
        if one.batch.size() > sizes.record_bytes:  # a batch over its size holds one record
            raise _too_large(partition, one, f"max.request.size {sizes.record_bytes}")
    return packed


def _too_large(partition: TopicPartition, packed: Packed, limit: str) -> TidegateError:
    reason = (
        f"a record of {packed.batch.size()} bytes for {partition.topic} is over {limit}: "
        "raise max.request.size here and max.message.bytes of the topic"
    )
    sources = frozenset(record.source for record in packed.records if isinstance(record, Outgoing))
    return RecordsTooLarge(reason, sources) if sources else PublishFailed(reason)


async def send(
    producer: AIOKafkaProducer, partition: TopicPartition, batches: list[Packed], sizes: Sizes
) -> list[Acknowledged]:
    """
    Send one batch after the other: a later one must not stand when an earlier one failed.

    Raises:
        RecordsTooLarge, PublishFailed: as `Sizes.refused` says.
        KafkaError: anything else.
    """
    done = []
    for packed in batches:
        packed.batch.close()
        size = packed.batch.record_count()
        acknowledged = await producer.send_batch(packed.batch, partition.topic, partition=partition.partition)
        try:
            done.append(Acknowledged((await acknowledged).offset, size))
        except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
            raise sizes.refused(partition, packed, error) from error
    return done


async def close(producer: AIOKafkaProducer, timeout_s: float) -> None:
    """Stop a producer in bounded time: aiokafka's own stop waits for a broker that is away for ever."""
    try:
        async with asyncio.timeout(timeout_s):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        _log.warning("transport.producer_abandoned", error=reason(error))
        if (sending := producer._sender.sender_task) is not None:  # stop() offers no way to give up what is unsent
            sending.cancel()
        await producer.client.close()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def reason(error: BaseException) -> str:
    """What went wrong, on one line."""
    if isinstance(error, TopicAuthorizationFailedError):
        return f"no right to write: grant Write on the output topics to this user: {error}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
