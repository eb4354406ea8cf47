"""What only Kafka can do to us: be away, come back, refuse a batch, lack a topic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
import structlog

from ops.kafka.broker import Broker
from tests.conformance.kafka_rig import cleanup_of, create, kafka_settings, own_topics
from tests.conformance.rigs import PARTITIONS
from worker.core.clock import SystemClock
from worker.core.errors import ConfigError, PublishFailed, RecordsTooLarge, TransportUnavailable
from worker.core.records import Draft, Outgoing, Partition, Position, Record, Route
from worker.transport.kafka import KafkaTransport
from worker.transport.kafka_ends import KafkaSender, KafkaTail
from worker.transport.settings import KafkaSettings, TopicSettings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def mortal() -> Iterator[Broker]:
    """A broker that tests of this file may kill; the test starts it."""
    broker = Broker(own=True)
    yield broker
    broker.kill()


@pytest.fixture
async def transports() -> AsyncIterator[list[KafkaTransport]]:
    """Transports that a test made; stopped at its end."""
    made: list[KafkaTransport] = []
    yield made
    for transport in made:
        await transport.stop()


async def let_go(partitions: frozenset[Partition]) -> None:
    """Nothing to drain."""


async def send(settings: KafkaSettings, topics: TopicSettings, count: int) -> None:
    """Append `count` events in turn to the partitions."""
    sender = KafkaSender(settings, [topics.events])
    await sender.start()
    await sender.send([Draft(topics.events, b"k", b"%d" % i, partition=i % PARTITIONS) for i in range(count)])
    await sender.stop()


async def tail(settings: KafkaSettings, topics: Sequence[str], count: int) -> list[Record]:
    """The first `count` records of `topics`."""
    reader = KafkaTail(settings, topics)
    await reader.start()
    found: list[Record] = []
    while len(found) < count:
        found += await reader.read(max_records=10_000, timeout_s=0.5)
    await reader.stop()
    return found


async def persist(transport: KafkaTransport, records: Sequence[Record]) -> None:
    """Publish and commit, each again until it stands."""
    while True:
        try:
            await transport.publish([Outgoing(Route.ALLOW, r.key, r.value, r.headers, r.position) for r in records], {})
            break
        except PublishFailed:
            await asyncio.sleep(0.1)
    while True:
        try:
            await transport.commit({r.position.of: r.position.offset + 1 for r in records})
            return
        except TransportUnavailable:
            await asyncio.sleep(0.1)


async def test_a_broker_away_at_start_and_killed_in_mid_stream_costs_time_and_no_record(
    mortal: Broker, transports: list[KafkaTransport]
) -> None:
    """Waits and says so; then works; then outlives a SIGKILL of the broker; every event has its decision, in order."""
    settings = kafka_settings(mortal.bootstrap, create_topics=True, create_partitions=PARTITIONS)
    topics, count = own_topics(), 400
    transport = KafkaTransport(settings, topics, SystemClock())
    transports.append(transport)
    starting = asyncio.create_task(transport.start(let_go))
    with structlog.testing.capture_logs() as lines:
        await asyncio.wait([starting], timeout=0.5)
    assert {"transport.waiting"} == {line["event"] for line in lines}
    assert lines[0]["bootstrap"] == mortal.bootstrap
    assert not transport.health().connected
    await asyncio.to_thread(mortal.start)
    await starting
    assert transport.health().connected
    assert topics.calls is not None
    assert [await cleanup_of(mortal.bootstrap, name) for name in (topics.calls, topics.allow)] == ["compact", "delete"]
    await send(settings, topics, count)

    seen: set[Position] = set()
    killed = False
    while len(seen) < count:
        found = await transport.poll(max_records=20, timeout_s=0.2)
        if found:
            await persist(transport, found)
            seen |= {record.position for record in found}
        if not killed and len(seen) >= count // 4:
            killed = True
            await asyncio.to_thread(mortal.kill)
            while transport.health().connected:
                assert not await transport.poll(max_records=0, timeout_s=0.2)
            back = asyncio.create_task(asyncio.to_thread(mortal.start))
    await back

    out = await tail(settings, [topics.allow], count)
    for number in range(PARTITIONS):
        values = [int(r.value or b"-1") for r in out if r.position.partition == number]
        first_seen = list(dict.fromkeys(values))
        assert first_seen == list(range(number, count, PARTITIONS))


async def test_stop_is_bounded_when_the_broker_is_gone(mortal: Broker, transports: list[KafkaTransport]) -> None:
    """aiokafka's own stop would wait for ever for what it could not send."""
    await asyncio.to_thread(mortal.kill)
    await asyncio.to_thread(mortal.start)
    settings = kafka_settings(mortal.bootstrap, create_topics=True, delivery_timeout_ms=500)
    transport = KafkaTransport(settings, own_topics(), SystemClock())
    transports.append(transport)
    await transport.start(let_go)
    await asyncio.to_thread(mortal.kill)
    position = Position("events", 0, 0)
    with pytest.raises(PublishFailed, match=r"delivery\.timeout\.ms 500"):
        await transport.publish([Outgoing(Route.FLAG, b"k", b"v", (), position)], {})
    await transport.stop()
    assert not transport.health().connected


async def test_a_stop_while_a_fetch_waits_to_be_tried_again_ends_quietly(
    kafka: str, transports: list[KafkaTransport]
) -> None:
    """aiokafka lets the end of the fetch that it cancels end its own stop; found by chaos, seed 12."""
    transport = KafkaTransport(kafka_settings(kafka, create_topics=True), own_topics(), SystemClock())
    transports.append(transport)
    await transport.start(let_go)
    assert transport._reader is not None
    consumer = transport._reader._consumer
    consumer._fetcher._pending_tasks.add(asyncio.create_task(asyncio.sleep(60)))
    await asyncio.sleep(0)  # a task that has begun, as that fetch has
    await transport.stop()
    assert not any(connection.connected() for connection in consumer._client._conns.values())


async def test_stop_ends_a_publish_that_nobody_will_acknowledge(
    mortal: Broker, transports: list[KafkaTransport]
) -> None:
    """It fails as one that can be made again, long before delivery.timeout.ms."""
    await asyncio.to_thread(mortal.kill)
    await asyncio.to_thread(mortal.start)
    settings = kafka_settings(mortal.bootstrap, create_topics=True, stop_timeout_ms=500)
    transport = KafkaTransport(settings, own_topics(), SystemClock())
    transports.append(transport)
    await transport.start(let_go)
    await asyncio.to_thread(mortal.kill)
    publishing = asyncio.create_task(transport.publish([decision(b"v")], {}))
    await asyncio.wait([publishing], timeout=0.2)
    await transport.stop()
    with pytest.raises(PublishFailed):
        await publishing


async def test_a_cluster_that_refuses_the_user_is_a_configuration_error(
    kafka: str, transports: list[KafkaTransport]
) -> None:
    """SASL against a listener without it: waiting cannot mend that, and the password is not in the message."""
    credentials = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "u", "sasl_password": "hunter2"}
    transport = KafkaTransport(kafka_settings(kafka, **credentials), own_topics(), SystemClock())
    transports.append(transport)
    with pytest.raises(ConfigError, match=r"check security\.protocol, sasl") as refused:
        await transport.start(let_go)
    assert "hunter2" not in str(refused.value)


async def test_missing_topics_refuse_to_start_with_their_names_and_the_remedy(
    kafka: str, transports: list[KafkaTransport]
) -> None:
    """Waiting cannot mend a topic that nobody makes."""
    topics = own_topics()
    await create(kafka, [topics.events, *(t for t in topics.outputs if t != topics.dead_letter)])
    transport = KafkaTransport(kafka_settings(kafka), topics, SystemClock())
    transports.append(transport)
    with pytest.raises(ConfigError, match=rf"{topics.dead_letter}: create them, or set kafka\.create_topics"):
        await transport.start(let_go)


async def test_a_record_over_the_limit_is_named_before_anything_is_sent(
    kafka: str, transports: list[KafkaTransport]
) -> None:
    """The neighbours of the same publish are not sent either, and a later publish works."""
    transport, topics, settings = await started(kafka, transports, max_request_size=20_000, batch_size=10_000)
    small, large = decision(b"small"), decision(b"x" * 30_000)
    with pytest.raises(RecordsTooLarge, match=r"record of 30\d\d\d bytes .* max\.request\.size 20000"):
        await transport.publish([small, large], {})
    await transport.publish([decision(b"after")], {})
    assert [r.value for r in await tail(settings, [topics.allow], 1)] == [b"after"]


async def test_after_the_broker_refuses_a_batch_the_same_publish_can_be_made_again(
    kafka: str, transports: list[KafkaTransport]
) -> None:
    """The idempotent producer, whose sequence has a gap now, is replaced."""
    topics = own_topics()
    await create(kafka, [topics.events, *(t for t in topics.outputs if t != topics.allow)])
    await create(kafka, [topics.allow], configs={"max.message.bytes": "2000"})
    settings = kafka_settings(kafka)
    transport = KafkaTransport(settings, topics, SystemClock())
    transports.append(transport)
    await transport.start(let_go)
    for _ in range(2):
        with pytest.raises(RecordsTooLarge, match=r"over max\.message\.bytes") as refused:
            await transport.publish([decision(b"x" * 5_000)], {})
        assert refused.value.sources == {Position("events", 0, 0)}
        await transport.publish([decision(b"1"), decision(b"2")], {})
    assert [r.value for r in await tail(settings, [topics.allow], 4)] == [b"1", b"2", b"1", b"2"]


async def test_a_topic_of_small_batches_is_learned(kafka: str, transports: list[KafkaTransport]) -> None:
    """Every record fits, their batch does not: the same publish, made again, sends smaller ones, in order."""
    topics = own_topics()
    await create(kafka, [topics.events, *(t for t in topics.outputs if t != topics.allow)])
    await create(kafka, [topics.allow], configs={"max.message.bytes": "3000"})
    settings = kafka_settings(kafka)
    transport = KafkaTransport(settings, topics, SystemClock())
    transports.append(transport)
    await transport.start(let_go)
    some = [decision(b"%03d" % i + b"x" * 500) for i in range(100)]
    failures = 0
    while True:
        try:
            await transport.publish(some, {})
            break
        except PublishFailed:
            failures += 1
    assert 1 <= failures < 10
    await transport.publish(some, {})
    found = await tail(settings, [topics.allow], 200)
    assert [r.value for r in found[-100:]] == [one.value for one in some]


async def test_a_publish_of_many_batches_keeps_its_order(kafka: str, transports: list[KafkaTransport]) -> None:
    """Two thousand records of one partition in batches of a few, all acknowledged in order."""
    transport, topics, settings = await started(kafka, transports, batch_size=1_024)
    await transport.publish([decision(b"%d" % i) for i in range(300)], {})
    assert [r.value for r in await tail(settings, [topics.allow], 300)] == [b"%d" % i for i in range(300)]


async def test_a_key_meets_its_partition_as_with_kafkas_own_producers(kafka: str) -> None:
    """murmur2 of Java's default partitioner, whose values for these keys are known."""
    topics = own_topics()
    await create(kafka, [topics.events], partitions=97)
    sender = KafkaSender(kafka_settings(kafka), [topics.events])
    await sender.start()
    try:
        places = await sender.send(
            [Draft(topics.events, key, b"v") for key in (b"21", b"foobar", b"a-little-bit-long-string")]
        )
    finally:
        await sender.stop()
    java = (-973932308, -790332482, -985981536)
    assert [place.partition for place in places] == [(value & 0x7FFFFFFF) % 97 for value in java]


def decision(value: bytes) -> Outgoing:
    """An allowed record of partition 0."""
    return Outgoing(Route.ALLOW, b"k", value, (), Position("events", 0, 0))


async def started(
    kafka: str, transports: list[KafkaTransport], **changes: object
) -> tuple[KafkaTransport, TopicSettings, KafkaSettings]:
    """A transport on new topics."""
    topics, settings = own_topics(), kafka_settings(kafka, **changes)
    await create(kafka, [topics.events, *topics.outputs])
    transport = KafkaTransport(settings, topics, SystemClock())
    transports.append(transport)
    await transport.start(let_go)
    return transport, topics, settings


async def test_a_tail_resumes_some_partitions_and_begins_the_others(kafka: str) -> None:
    """As a decision store is filled: none that it has read is read again, none that is new is left out."""
    settings, topics = kafka_settings(kafka), own_topics()
    await create(kafka, [topics.events])
    await send(settings, topics, 2 * PARTITIONS)
    reader = KafkaTail(settings, [topics.events], resume={Partition(topics.events, 0): 1, Partition("gone", 0): 5})
    await reader.start()
    found: list[Record] = []
    while not await reader.caught_up():
        found += await reader.read(max_records=10_000, timeout_s=0.5)
    await reader.stop()
    offsets = sorted((record.position.partition, record.position.offset) for record in found)
    assert offsets == [(0, 1), *((number, offset) for number in range(1, PARTITIONS) for offset in (0, 1))]
