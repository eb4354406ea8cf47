"""One queue of each kind, with topics of its own, as the conformance suite needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.core.clock import SystemClock
from worker.core.ports import NO_MARKS, Sender, Tail, Transport
from worker.core.records import Draft, Order, Outgoing, Partition, Record, Route
from worker.transport.memory import MemoryLog, MemorySender, MemoryTail, MemoryTransport
from worker.transport.settings import SqliteSettings, TopicSettings
from worker.transport.sqlite import SqliteTransport
from worker.transport.sqlite_ends import SqliteSender, SqliteTail

PARTITIONS = 4


@dataclass
class Rig:
    """A queue whose topics have `PARTITIONS` partitions each, and ways to make what meets at it."""

    topics: TopicSettings
    worker: Callable[[], Transport]
    sender: Callable[[], Sender]
    tail: Callable[[Sequence[str]], Tail]


def memory_rig() -> Rig:
    """A queue in memory."""
    log, topics = MemoryLog(PARTITIONS), TopicSettings(review="moderation.review", calls="moderation.calls")
    return Rig(
        topics,
        worker=lambda: MemoryTransport(log, topics),
        sender=lambda: MemorySender(log),
        tail=lambda names: MemoryTail(log, names),
    )


def sqlite_rig(folder: Path) -> Rig:
    """A queue in a new file of `folder`."""
    settings = SqliteSettings(path=folder / "q.db", partitions=PARTITIONS, heartbeat_ms=50)
    topics, clock = TopicSettings(review="moderation.review", calls="moderation.calls"), SystemClock()
    return Rig(
        topics,
        worker=lambda: SqliteTransport(settings, topics, clock),
        sender=lambda: SqliteSender(settings, [topics.events, *topics.outputs], clock),
        tail=lambda names: SqliteTail(settings, names),
    )


async def join(rig: Rig, started: list[Transport]) -> Transport:
    """A worker that lets partitions go at once."""

    async def let_go(partitions: frozenset[Partition]) -> None:
        return None

    worker = rig.worker()
    started.append(worker)
    await worker.start(let_go)
    return worker


async def send(rig: Rig, drafts: Sequence[Draft]) -> None:
    """Append `drafts`."""
    sender = rig.sender()
    await sender.start()
    try:
        await sender.send(drafts)
    finally:
        await sender.stop()


async def append_events(rig: Rig, count: int) -> list[Draft]:
    """Append `count` events, spread over the partitions in turn, and return them."""
    drafts = [Draft(rig.topics.events, b"k%d" % i, b"v%d" % i, partition=i % PARTITIONS) for i in range(count)]
    await send(rig, drafts)
    return drafts


async def take(worker: Transport, count: int, most: int = 1_000) -> list[Record]:
    """Poll until `count` records have come."""
    found: list[Record] = []
    while len(found) < count:
        found += await worker.poll(max_records=min(most, count - len(found)), timeout_s=0.5)
    return found


async def written(rig: Rig, topics: Sequence[str], count: int) -> list[Record]:
    """Read the first `count` records of `topics`."""
    tail = rig.tail(topics)
    await tail.start()
    found: list[Record] = []
    try:
        while len(found) < count:
            found += await tail.read(max_records=1_000, timeout_s=0.5)
    finally:
        await tail.stop()
    return found


async def finish(
    worker: Transport,
    records: Sequence[Record],
    route: Route = Route.ALLOW,
    marks: Mapping[Partition, str] = NO_MARKS,
) -> None:
    """Publish each record's own bytes as its decision, and store that it is finished."""
    nexts = {record.position.of: record.position.offset + 1 for record in records}
    outgoing = [Outgoing(route, r.key, r.value, r.headers, r.position) for r in records]
    if worker.order is Order.BY_PARTITION:
        await worker.publish(outgoing, nexts, marks)
    else:
        await worker.publish(outgoing, {})
    await worker.commit(nexts, marks)


async def mark(worker: Transport, offsets: Mapping[Partition, int], marks: Mapping[Partition, str]) -> None:
    """Store marks beside `offsets`, with nothing published."""
    if worker.order is Order.BY_PARTITION:
        await worker.publish([], offsets, marks)
    else:
        await worker.commit(offsets, marks)
