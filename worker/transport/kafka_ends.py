"""The two ends of Kafka that are not a worker: appending to topics, and reading along without a group."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.partitioner import DefaultPartitioner

from worker.core.errors import ConfigError, PublishFailed, TransportUnavailable
from worker.core.records import Draft, Partition, Position, Record
from worker.transport.kafka_cluster import partition_counts, refusal
from worker.transport.kafka_consumer import as_records
from worker.transport.kafka_producer import BatchPublisher
from worker.transport.kafka_security import REFUSED, Credentials, remedy
from worker.transport.settings import KafkaSettings

_log = structlog.get_logger(__name__)


async def _counts(options: Mapping[str, Any], settings: KafkaSettings, topics: Sequence[str]) -> dict[str, int]:
    """Partitions of `topics`. Raises ConfigError when one is missing, TransportUnavailable when nothing answers."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        return await partition_counts(admin, topics, settings)
    except (KafkaError, OSError, TimeoutError) as error:
        refused = error if isinstance(error, REFUSED) else await refusal(dict(options))
        if refused is not None:
            raise ConfigError(remedy(refused, settings)) from refused
        raise TransportUnavailable(
            f"no answer from {settings.bootstrap_servers}: is Kafka running: {error!r}"
        ) from error
    finally:
        await admin.close()


async def topic_partitions(settings: KafkaSettings, topics: Sequence[str]) -> dict[str, int]:
    """Partitions of each of `topics`. Raises ConfigError and TransportUnavailable as `Sender.start` does."""
    return await _counts(Credentials(settings).options, settings, topics)


class KafkaSender:
    """Appends to `topics`; a record's partition is the one that Kafka's own producers choose for its key."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[str]) -> None:
        self._settings = settings
        self._topics = topics
        self._options = Credentials(settings).options
        self._publisher = BatchPublisher(settings, self._options)
        self._choose = DefaultPartitioner()
        self._numbers: dict[str, list[int]] = {}

    async def start(self) -> None:
        """As the port says."""
        counts = await _counts(self._options, self._settings, self._topics)
        self._numbers = {topic: list(range(count)) for topic, count in counts.items()}
        try:
            await self._publisher.start()
        except (KafkaError, OSError, TimeoutError) as error:
            raise TransportUnavailable(f"no answer from {self._settings.bootstrap_servers}: {error!r}") from error

    async def send(self, drafts: Sequence[Draft]) -> Sequence[Position]:
        """As the port says."""
        groups: dict[TopicPartition, list[Draft]] = {}
        places: list[tuple[TopicPartition, int]] = []
        for draft in drafts:
            if draft.topic not in self._numbers:
                raise PublishFailed(f"topic {draft.topic} was not named when this sender was made")
            number = draft.partition
            if number is None:
                numbers = self._numbers[draft.topic]
                number = self._choose(draft.key, numbers, numbers)
            partition = TopicPartition(draft.topic, number)
            group = groups.setdefault(partition, [])
            places.append((partition, len(group)))
            group.append(draft)
        acknowledged = await self._publisher.publish(groups) if groups else {}
        offsets = {p: [b.first + i for b in batches for i in range(b.size)] for p, batches in acknowledged.items()}
        return [Position(p.topic, p.partition, offsets[p][index]) for p, index in places]

    async def stop(self) -> None:
        """As the port says."""
        await self._publisher.stop()


class KafkaTail:
    """
    Reads every partition of `topics`, from the beginning or from now on; joins no group, commits nothing.

    starts: read these partitions alone, each from its offset on.
    resume: read these from their offsets on, beside all others.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        *,
        from_beginning: bool = True,
        starts: Mapping[Partition, int] | None = None,
        resume: Mapping[Partition, int] | None = None,
    ) -> None:
        self._settings = settings
        self._resume = {TopicPartition(*p): offset for p, offset in (resume or {}).items()}
        self._starts = None if starts is None else {TopicPartition(*p): offset for p, offset in starts.items()}
        self._topics = topics
        self._from_beginning = from_beginning
        self._options = Credentials(settings).options
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """As the port says."""
        counts = await _counts(self._options, self._settings, self._topics)
        partitions = [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
        consumer = AIOKafkaConsumer(
            **self._options,
            group_id=None,
            enable_auto_commit=False,
            isolation_level=self._settings.isolation_level,
            auto_offset_reset="earliest" if self._from_beginning else "latest",  # a seek would race with it
        )
        self._consumer = consumer
        try:
            await consumer.start()
            if self._starts is not None:
                partitions = [partition for partition in partitions if partition in self._starts]
            consumer.assign(partitions)
            for partition, offset in (self._starts or self._resume).items():
                if partition in partitions:
                    consumer.seek(partition, offset)
            self._ends = await consumer.end_offsets(partitions)
            for partition in partitions:
                await consumer.position(partition)  # from now on means from before we say that we have started
        except (KafkaError, OSError, TimeoutError) as error:
            await consumer.stop()
            raise TransportUnavailable(f"no answer from {self._settings.bootstrap_servers}: {error!r}") from error

    async def read(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As the port says. Raises TransportUnavailable when reading is refused."""
        if self._consumer is None:
            raise TransportUnavailable("this tail is not started: start it before reading")
        try:
            fetched = await self._consumer.getmany(timeout_ms=int(timeout_s * 1000), max_records=max_records)
        except ConsumerStoppedError:
            return []
        except KafkaError as error:
            raise TransportUnavailable(f"cannot read {', '.join(self._topics)}: {error!r}") from error
        return [record for partition, some in fetched.items() for record in as_records(partition, some)]

    async def caught_up(self) -> bool:
        """As the port says. Raises TransportUnavailable when the broker does not say."""
        if self._consumer is None:
            return False
        try:
            # a position, not the last record read: compaction and transactions leave offsets without a record
            return all([await self._consumer.position(p) >= end for p, end in self._ends.items()])
        except (KafkaError, TimeoutError) as error:
            raise TransportUnavailable(f"cannot read {', '.join(self._topics)}: {error!r}") from error

    async def stop(self) -> None:
        """As the port says."""
        if self._consumer is None:
            return
        try:
            async with asyncio.timeout(self._settings.stop_timeout_ms / 1000):
                await self._consumer.stop()
        except (KafkaError, OSError, TimeoutError) as error:
            _log.warning("transport.leave_failed", topics=self._topics, error=repr(error))
