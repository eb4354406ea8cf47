"""What exactly once must withstand, on a real Kafka: a zombie, a crash, a lost answer, a refused batch, a deserter."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.transaction import EndTxnRequest

from tests.conformance.kafka_rig import create, kafka_settings, own_topics
from worker.core.errors import ConfigError, PublishFailed, RecordsTooLarge
from worker.core.records import Outgoing, Partition, Position, Record, Route
from worker.transport.kafka_ends import KafkaTail
from worker.transport.kafka_offsets import Committed
from worker.transport.kafka_security import Credentials
from worker.transport.kafka_transactions import PartitionWriter
from worker.transport.settings import KafkaSettings, TopicSettings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(60)]


class Bed:
    """One input partition on topics of its own, and the writers that fight over it."""

    def __init__(self, settings: KafkaSettings, topics: TopicSettings) -> None:
        self.settings, self.topics = settings, topics
        self.writers: list[PartitionWriter] = []
        self.members: set[int] = set()  # indices of the writers that the group counts on

    def writer(self) -> PartitionWriter:
        """A writer that is a member until `members` says otherwise."""
        index = len(self.writers)
        self.members.add(index)

        async def holds() -> bool:
            return index in self.members

        partition = Partition(self.topics.events, 0)
        self.writers.append(PartitionWriter(self.settings, Credentials(self.settings).options, partition, holds))
        return self.writers[-1]

    def targets(self, first: int, count: int, by: bytes = b"", size: int = 0) -> dict[TopicPartition, list[Outgoing]]:
        """Decisions of offsets `first` and on, marked with who wrote them."""
        some = [
            Outgoing(Route.ALLOW, b"k", b"%d%s%s" % (i, by, b"x" * size), (), Position(self.topics.events, 0, i))
            for i in range(first, first + count)
        ]
        return {TopicPartition(self.topics.allow, 0): some}

    async def committed_until(self, last: bytes) -> list[bytes | None]:
        """What a read-committed reader finds, up to `last`."""
        reader = KafkaTail(self.settings, [self.topics.allow])
        await reader.start()
        found: list[Record] = []
        while not found or found[-1].value != last:
            found += await reader.read(max_records=100, timeout_s=0.5)
        await reader.stop()
        return [record.value for record in found]


@pytest.fixture
async def bed(kafka: str) -> AsyncIterator[Bed]:
    """Fresh topics, a fresh group; its writers are closed at the end."""
    topics = own_topics()
    await create(kafka, [topics.events, *topics.outputs], partitions=1)
    made = Bed(kafka_settings(kafka, transaction_timeout_ms=5_000), topics)
    await coordinated(Bed(made.settings, own_topics()).writer())
    yield made
    for writer in made.writers:
        await writer.close(1.0)


async def coordinated(writer: PartitionWriter) -> None:
    """A broker that has just started makes its coordinators when they are first asked for."""
    while True:
        try:
            await writer.open()
        except PublishFailed:
            continue
        await writer.close(1.0)
        return


def values(first: int, count: int, by: bytes = b"") -> list[bytes]:
    return [b"%d%s" % (i, by) for i in range(first, first + count)]


async def test_a_zombies_transaction_is_refused_and_nothing_of_it_is_seen(bed: Bed) -> None:
    """The heir fences before it reads the offset; the zombie, no member any more, gives up without fencing back."""
    old, heir = bed.writer(), bed.writer()
    await old.open()
    assert await old.publish(bed.targets(0, 3, b"old"), 3)
    assert await heir.open() == Committed(3, "")
    bed.members.discard(0)
    with pytest.raises(PublishFailed):
        await old.publish(bed.targets(3, 3, b"old"), 6)
    assert not await old.publish(bed.targets(3, 3, b"old"), 6)
    assert await heir.publish(bed.targets(3, 3, b"heir"), 6)
    assert await bed.committed_until(b"5heir") == values(0, 3, b"old") + values(3, 3, b"heir")


async def test_two_who_both_believe_in_themselves_still_write_each_decision_once(bed: Bed) -> None:
    """Fencing each other in turn: what one has committed the other leaves out, to the record."""
    one, other = bed.writer(), bed.writer()
    await one.open()
    await other.open()  # one is fenced
    with pytest.raises(PublishFailed):
        await one.publish(bed.targets(0, 4, b"a"), 4)
    assert await one.publish(bed.targets(0, 4, b"a"), 4)  # and fences the other
    with pytest.raises(PublishFailed):
        await other.publish(bed.targets(0, 6, b"b"), 6)
    assert await other.publish(bed.targets(0, 6, b"b"), 6)
    assert await bed.committed_until(b"5b") == values(0, 4, b"a") + values(4, 2, b"b")


async def test_a_crash_between_sending_and_committing_leaves_nothing(bed: Bed) -> None:
    """The heir's fence aborts what the dead one left open; its readers never see it, and the offset has not moved."""
    topics, settings = bed.topics, bed.settings
    dead = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers, transactional_id=f"{settings.group_id}-{topics.events}-0"
    )
    await dead.start()
    await dead.begin_transaction()
    await dead.send_and_wait(topics.allow, b"0dead", partition=0)
    await dead.send_offsets_to_transaction({TopicPartition(topics.events, 0): 1}, settings.group_id)
    await dead.client.close()  # no abort, no farewell
    heir = bed.writer()
    assert await heir.open() == Committed(None, "")
    assert await heir.publish(bed.targets(0, 2), 2)
    assert await bed.committed_until(b"1") == values(0, 2)
    dead._closed = True
    dead._sender.sender_task.cancel()


async def test_a_deserted_transaction_is_aborted_by_the_broker_in_time(bed: Bed, kafka: str) -> None:
    """Nobody takes over, and readers are held back no longer than transaction.timeout.ms and the broker's round."""
    deserter = AIOKafkaProducer(
        bootstrap_servers=kafka, transactional_id=f"d-{uuid.uuid4()}", transaction_timeout_ms=500
    )
    await deserter.start()
    await deserter.begin_transaction()
    await deserter.send_and_wait(bed.topics.allow, b"never", partition=0)
    writer = bed.writer()
    await writer.open()
    await writer.publish(bed.targets(0, 1), 1)  # stands behind the open transaction
    assert await bed.committed_until(b"0") == [b"0"]
    deserter._closed = True
    deserter._sender.sender_task.cancel()
    await deserter.client.close()


@pytest.mark.parametrize("reached", [True, False], ids=["committed", "not-committed"])
async def test_a_commit_whose_answer_is_lost_is_neither_lost_nor_repeated(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    """The outcome is unknown: a new producer and a fresh look at the offset settle it, and the same publish stands."""
    lose_one(monkeypatch, EndTxnRequest, reached=reached)
    writer = bed.writer()
    await writer.open()
    with pytest.raises(PublishFailed):
        await writer.publish(bed.targets(0, 3), 3)
    assert await writer.publish(bed.targets(0, 3), 3)
    assert await writer.publish(bed.targets(3, 1), 4)
    assert await bed.committed_until(b"3") == values(0, 4)


def lose_one(monkeypatch: pytest.MonkeyPatch, kind: type, *, reached: bool) -> None:
    """The next request of `kind` breaks its connection, before or after the broker has done what it asks."""
    send: Callable[..., Any] = AIOKafkaClient.send
    lost: list[object] = []

    async def lossy(client: AIOKafkaClient, node: int, request: object, **group: object) -> object:
        if not isinstance(request, kind) or lost:
            return await send(client, node, request, **group)
        lost.append(request)
        if reached:
            await send(client, node, request, **group)
        raise KafkaConnectionError("the connection broke")

    monkeypatch.setattr(AIOKafkaClient, "send", lossy)


async def test_a_refused_batch_commits_nothing_of_its_transaction(kafka: str, bed: Bed) -> None:
    """aiokafka would commit the offset without it: the neighbours in other topics do not stand either."""
    topics = own_topics()
    await create(kafka, [topics.flag], partitions=1, configs={"max.message.bytes": "2000"})
    writer = bed.writer()
    await writer.open()
    fine = bed.targets(0, 2)
    large = {TopicPartition(topics.flag, 0): bed.targets(1, 1, size=5_000)[TopicPartition(bed.topics.allow, 0)]}
    with pytest.raises(RecordsTooLarge):
        await writer.publish({**fine, **large}, 2)
    assert await bed.writer().open() == Committed(None, "")
    assert await bed.writers[-1].publish(fine, 2)
    assert await bed.committed_until(b"1") == values(0, 2)


async def test_a_mark_stands_beside_the_offset_and_moves_with_it(bed: Bed) -> None:
    """Also when the offset stays: a mark alone is a transaction of its own."""
    writer = bed.writer()
    await writer.open()
    nothing: dict[TopicPartition, Sequence[Outgoing]] = {}
    assert await writer.publish(nothing, 5, "first")
    assert await writer.publish(nothing, 5, "second")
    assert await bed.writer().open() == Committed(5, "second")


async def test_a_closed_writer_publishes_nothing(bed: Bed) -> None:
    """After a revoke there is no output, and no error either: the heir reads it again."""
    writer = bed.writer()
    await writer.open()
    await writer.close(1.0)
    assert not await writer.publish(bed.targets(0, 1), 1)
    assert await bed.writer().open() == Committed(None, "")


async def test_a_timeout_over_the_brokers_is_a_configuration_error(bed: Bed) -> None:
    """Waiting cannot mend it, so the message names the setting."""
    bed.settings = bed.settings.model_copy(update={"transaction_timeout_ms": 10**9})
    with pytest.raises(ConfigError, match=r"transaction\.timeout\.ms 1000000000 is over the broker's"):
        await bed.writer().open()
