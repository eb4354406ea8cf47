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
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from worker.core.errors import PublishFailed
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
                raise PublishFailed(f"Kafka did not take all of a publish: {_reason(error)}") from error

    async def _publish(
        self, groups: Mapping[TopicPartition, Sequence[Outgoing] | Sequence[Draft]]
    ) -> dict[TopicPartition, list[Acknowledged]]:
        producer = await self._ready()
        batches = {partition: self._pack(producer, partition, records) for partition, records in groups.items()}
        whole = False
        try:
            sending = [_send(producer, partition, chain) for partition, chain in batches.items()]
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

    def _pack(
        self, producer: AIOKafkaProducer, partition: TopicPartition, records: Sequence[Outgoing] | Sequence[Draft]
    ) -> list[BatchBuilder]:
        stamp = int(time.time() * 1000)
        batch = producer.create_batch()
        batches, append = [batch], batch.append
        for _, key, value, headers, _ in records:
            if append(timestamp=stamp, key=key, value=value, headers=list(headers)) is None:
                batch = producer.create_batch()
                append = batch.append
                append(timestamp=stamp, key=key, value=value, headers=list(headers))
                batches.append(batch)
        limit = self._settings.max_request_size
        if (largest := max(batch.size() for batch in batches)) > limit:  # a batch over its size holds one record
            raise PublishFailed(
                f"a record of {largest} bytes for {partition.topic} is over max.request.size {limit}: "
                "raise it here and max.message.bytes of the topic"
            )
        return batches

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


async def _send(
    producer: AIOKafkaProducer, partition: TopicPartition, batches: list[BatchBuilder]
) -> list[Acknowledged]:
    """One batch after the other: a later one must not stand when an earlier one failed."""
    done = []
    for batch in batches:
        batch.close()
        size = batch.record_count()
        acknowledged = await producer.send_batch(batch, partition.topic, partition=partition.partition)
        done.append(Acknowledged((await acknowledged).offset, size))
    return done


async def close(producer: AIOKafkaProducer, timeout_s: float) -> None:
    """Stop a producer in bounded time: aiokafka's own stop waits for a broker that is away for ever."""
    try:
        async with asyncio.timeout(timeout_s):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        _log.warning("transport.producer_abandoned", error=_reason(error))
        if (sending := producer._sender.sender_task) is not None:  # stop() offers no way to give up what is unsent
            sending.cancel()
        await producer.client.close()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
