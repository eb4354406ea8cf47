"""Kafka as the queue: at least once, ordered by key. Joins a reader in the group, a publisher, and a look at health."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from worker.core.clock import Clock
from worker.core.errors import ConfigError, PublishFailed, TransportUnavailable
from worker.core.ports import NO_MARKS, Revoked
from worker.core.records import Order, Outgoing, Partition, Record, TransportHealth
from worker.transport.kafka_cluster import partition_counts, refusal, serves_group
from worker.transport.kafka_consumer import GroupReader
from worker.transport.kafka_producer import BatchPublisher
from worker.transport.kafka_security import REFUSED, Credentials, remedy
from worker.transport.settings import KafkaSettings, TopicSettings, check_beside, topic_of

_log = structlog.get_logger(__name__)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 2.0
_LOOK_EVERY_S, _LOOK_S = 1.0, 5.0  # how often health asks the cluster, and for how long


class KafkaTransport:
    """A worker's side of a Kafka cluster."""

    order = Order.BY_KEY

    def __init__(self, settings: KafkaSettings, topics: TopicSettings, clock: Clock) -> None:
        self._settings = settings
        self._topics = topics
        self._clock = clock
        self._credentials = Credentials(settings)
        self._options = self._credentials.options
        self._secrets_read = self._secrets_failed = 0
        self._reader: GroupReader | None = None
        self._publisher: BatchPublisher | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._looking: asyncio.Task[None] | None = None
        self._counts: dict[str, int] = {}
        self._targets: dict[tuple[int, int], TopicPartition] = {}
        self._connected = False
        self._since = clock.now()
        self._detail = "not started"

    async def start(self, on_revoked: Revoked) -> None:
        """As the port says: waits for a cluster that is away, longer each time up to two seconds."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                await self._connect(on_revoked)
            except (KafkaError, OSError, TimeoutError) as error:
                await self._close()
                await self._raise_if_refused(error)
                if not isinstance(error, KafkaConnectionError):
                    wait_s = _FIRST_WAIT_S  # it answers, and will soon have what we asked for
                self._detail = f"waiting for {self._settings.bootstrap_servers}: {type(error).__name__}"
                _log.warning(
                    "transport.waiting",
                    bootstrap=self._settings.bootstrap_servers,
                    error=repr(error),
                    again_in_s=wait_s,
                )
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            except BaseException:
                await self._close()
                raise
            else:
                self._seen(True, "connected")
                self._looking = asyncio.create_task(self._look(), name="kafka-health")
                return

    async def _connect(self, on_revoked: Revoked) -> None:
        self._admin = AIOKafkaAdminClient(**self._options)
        await self._admin.start()
        names = [self._topics.events, *self._topics.outputs]
        compacted = frozenset({self._topics.calls} - {None})
        self._counts = await partition_counts(self._admin, names, self._settings, compacted)
        check_beside(self._topics, self._counts)
        self._targets = {}
        await self._prepare()
        assert self._reader is not None
        await self._reader.start(on_revoked)

    async def _prepare(self) -> None:
        """Make the reader, not yet started, and what publishes."""
        self._publisher = BatchPublisher(self._settings, self._options)
        await self._publisher.start()
        self._reader = GroupReader(self._settings, self._options, self._topics.events, self._clock)

    async def _raise_if_refused(self, error: Exception) -> None:
        refused = error if isinstance(error, REFUSED) else await refusal(self._options)
        if refused is not None:
            raise ConfigError(remedy(refused, self._settings)) from refused

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As the port says. Raises what `on_revoked` raised: this worker cannot go on."""
        if self._reader is None:
            await asyncio.sleep(timeout_s)
            return []
        return await self._reader.poll(max_records, timeout_s)

    def marks(self) -> Mapping[Partition, str]:
        """As the port says."""
        return self._reader.marks if self._reader is not None else NO_MARKS

    async def publish(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS
    ) -> None:
        """As the port says; `offsets` is empty for this order."""
        if self._publisher is None:
            raise PublishFailed("Kafka is not connected: start the transport before publishing")
        if groups := self._targeted(outgoing):
            await self._publisher.publish(groups)

    def _targeted(self, outgoing: Sequence[Outgoing]) -> dict[TopicPartition, list[Outgoing]]:
        """By the partition that each goes to, in order."""
        slots: dict[tuple[int, int], list[Outgoing]] = {}
        groups: dict[TopicPartition, list[Outgoing]] = {}
        for out in outgoing:
            slot = (id(out.route), out.source[1])  # hashing an enum member costs more than the rest of this loop
            group = slots.get(slot)
            if group is None:
                group = slots[slot] = groups.setdefault(self._target(slot, out), [])
            group.append(out)
        return groups

    def _target(self, slot: tuple[int, int], out: Outgoing) -> TopicPartition:
        target = self._targets.get(slot)
        if target is None:
            topic = topic_of(self._topics, out.route)
            target = self._targets[slot] = TopicPartition(topic, out.source.partition % self._counts[topic])
        return target

    async def commit(self, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS) -> None:
        """As the port says."""
        if self._reader is None:
            raise TransportUnavailable("Kafka is not connected: start the transport before committing")
        await self._reader.commit(offsets, marks)

    def health(self) -> TransportHealth:
        """As the port says."""
        partitions = self._reader.partitions if self._reader is not None else ()
        lag = self._reader.lag() if self._reader is not None else {}
        silent_s = self._reader.membership.silent_s if self._reader is not None else 0.0
        total = self._counts.get(self._topics.events, 0)
        secrets = (self._secrets_read, self._secrets_failed)
        return TransportHealth(self._connected, partitions, self._detail, lag, total, silent_s, secrets)

    async def _look(self) -> None:
        """Ask the cluster now and then whether it is there: aiokafka itself does not say."""
        while self._admin is not None:
            await asyncio.sleep(_LOOK_EVERY_S)
            self._renew()
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._ask()
                self._seen(True, "connected")
            except (KafkaError, OSError, TimeoutError) as error:
                self._seen(False, f"no answer: {type(error).__name__}")

    def _renew(self) -> None:
        """Take up secrets whose files changed; those in use go on when the new ones cannot be used."""
        try:
            changed = self._credentials.renew()
        except ConfigError as error:
            self._secrets_failed += 1
            _log.error("transport.secrets_refused", error=str(error), effect="what was before goes on")
        else:
            if changed:
                self._secrets_read += 1
                _log.info("transport.secrets_renewed", files=changed, effect="for connections from now on")

    async def _ask(self) -> None:
        """Ask the client at hand while the group hears us, else over one that has no part in our troubles."""
        assert self._reader is not None
        assert self._admin is not None
        if self._connected and self._reader.membership.silent_s * 1000 < 3 * self._settings.heartbeat_interval_ms:
            await self._admin.describe_topics([self._topics.events])
        else:
            await serves_group(self._options, self._settings.group_id)

    def _seen(self, connected: bool, detail: str) -> None:
        self._detail = f"{self._settings.bootstrap_servers}: {detail}"
        if connected is not self._connected:
            log = _log.info if connected else _log.warning
            name = "transport.connected" if connected else "transport.lost"
            log(name, bootstrap=self._settings.bootstrap_servers, after_s=round(self._clock.now() - self._since, 1))
            self._connected, self._since = connected, self._clock.now()

    async def stop(self) -> None:
        """As the port says: within two times stop.timeout.ms."""
        await self._close()
        self._connected, self._detail = False, "stopped"

    async def _close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
            self._looking = None
        if self._reader is not None:
            await self._reader.stop()
        if self._publisher is not None:
            await self._publisher.stop()
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()
