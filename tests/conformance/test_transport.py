"""What every transport promises: one suite over memory, SQLite and a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.conformance.rigs import PARTITIONS, Rig, memory_rig, sqlite_rig
from worker.core.errors import PublishFailed, TransportUnavailable
from worker.core.ports import Transport
from worker.core.records import Draft, Order, Outgoing, Partition, Record, Route

pytestmark = pytest.mark.timeout(60)
KINDS = ["memory", "sqlite", pytest.param("kafka", marks=pytest.mark.kafka)]


@pytest.fixture(params=KINDS)
async def rig(request: pytest.FixtureRequest) -> Rig:
    """A fresh queue of each kind."""
    return await make(request)


@pytest.fixture(params=KINDS[1:])
async def shared(request: pytest.FixtureRequest) -> Rig:
    """A fresh queue of each kind that several workers may share: one in memory has one worker."""
    return await make(request)


async def make(request: pytest.FixtureRequest) -> Rig:
    """The queue that a fixture's parameter names."""
    if request.param == "memory":
        return memory_rig()
    if request.param == "sqlite":
        return sqlite_rig(request.getfixturevalue("tmp_path"))
    from tests.conformance.kafka_rig import kafka_rig

    return await kafka_rig(request.getfixturevalue("kafka"))


@pytest.fixture
async def started() -> AsyncIterator[list[Transport]]:
    """Workers that a test started through `join`; stopped at its end."""
    workers: list[Transport] = []
    yield workers
    for worker in workers:
        await worker.stop()


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


async def events(rig: Rig, count: int) -> list[Draft]:
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


async def finish(worker: Transport, records: Sequence[Record], route: Route = Route.ALLOW) -> None:
    """Publish each record's own bytes as its decision, and store that it is finished."""
    nexts = {record.position.of: record.position.offset + 1 for record in records}
    outgoing = [Outgoing(route, r.key, r.value, r.headers, r.position) for r in records]
    await worker.publish(outgoing, nexts if worker.order is Order.BY_PARTITION else {})
    await worker.commit(nexts)


async def test_records_of_a_partition_come_in_the_order_they_were_sent(rig: Rig, started: list[Transport]) -> None:
    """Small polls, many partitions: offsets rise by one and values keep their order."""
    drafts = await events(rig, 60)
    found = await take(await join(rig, started), 60, most=7)
    for number in range(PARTITIONS):
        mine = [record for record in found if record.position.partition == number]
        assert [record.position.offset for record in mine] == list(range(15))
        assert [record.value for record in mine] == [d.value for d in drafts if d.partition == number]


async def test_a_poll_gives_no_more_than_it_was_asked_for(rig: Rig, started: list[Transport]) -> None:
    """Credits are a ceiling."""
    await events(rig, 20)
    worker = await join(rig, started)
    sizes: list[int] = []
    while sum(sizes) < 20:
        sizes.append(len(await worker.poll(max_records=3, timeout_s=0.5)))
    assert max(sizes) == 3


async def test_bytes_pass_unchanged_in_and_out(rig: Rig, started: list[Transport]) -> None:
    """Null, empty and binary keys, values and headers, repeated and non-ASCII header names."""
    headers = (("a", b"1"), ("a", b"\x00\xff"), ("ü-☃", b""))
    cases = [(None, None), (b"", b""), (b"\x00k", b"\xff\x00"), (None, b"v"), (b"tombstone", None)]
    topic = rig.topics.events
    await send(rig, [Draft(topic, key, value, headers if i % 2 else (), 0) for i, (key, value) in enumerate(cases)])
    worker = await join(rig, started)
    found = await take(worker, len(cases))
    await finish(worker, found)
    for records in (found, await written(rig, [rig.topics.allow], len(cases))):
        assert [(record.key, record.value) for record in records] == cases
        assert [record.headers for record in records] == [headers if i % 2 else () for i in range(len(cases))]


async def test_outputs_stand_in_the_partition_of_their_input_and_the_topic_of_their_route(
    rig: Rig, started: list[Transport]
) -> None:
    """One record of each partition to each route."""
    await events(rig, PARTITIONS)
    worker = await join(rig, started)
    found = await take(worker, PARTITIONS)
    for route in Route:
        await finish(worker, found, route)
    for topic in rig.topics.outputs:
        out = await written(rig, [topic], PARTITIONS)
        assert {(r.position.partition, r.value) for r in out} == {(r.position.partition, r.value) for r in found}


async def test_what_is_published_keeps_its_order_over_many_publishes(rig: Rig, started: list[Transport]) -> None:
    """Ten publishes of one partition read back in the order they were made."""
    await send(rig, [Draft(rig.topics.events, b"k", b"%d" % i, partition=1) for i in range(50)])
    worker = await join(rig, started)
    found = await take(worker, 50)
    for start in range(0, 50, 5):
        await finish(worker, found[start : start + 5])
    out = await written(rig, [rig.topics.allow], 50)
    assert [record.value for record in out] == [b"%d" % i for i in range(50)]


async def test_a_restarted_worker_goes_on_after_what_was_finished(rig: Rig, started: list[Transport]) -> None:
    """Finished records do not come again, later ones all do."""
    await events(rig, 20)
    first = await join(rig, started)
    found = await take(first, 20)
    done = [record for record in found if record.position.offset < 3]
    await finish(first, done)
    await first.stop()
    again = await take(await join(rig, started), 8)
    assert sorted(r.position for r in again) == sorted({r.position for r in found} - {r.position for r in done})


async def test_what_was_only_polled_is_read_again(rig: Rig, started: list[Transport]) -> None:
    """Nothing counts as finished by being read."""
    await events(rig, 12)
    first = await join(rig, started)
    before = await take(first, 12)
    await first.stop()
    after = await take(await join(rig, started), 12)
    assert sorted(before) == sorted(after)


async def test_without_credits_nothing_comes_and_the_partitions_stay(rig: Rig, started: list[Transport]) -> None:
    """max_records=0 is a way to wait: the same records come afterwards, in order and once."""
    await events(rig, 8)
    worker = await join(rig, started)
    first = await take(worker, 2)
    for _ in range(5):
        assert not await worker.poll(max_records=0, timeout_s=0.05)
    assert len(worker.health().partitions) == PARTITIONS
    rest = await take(worker, 6)
    assert len({record.position for record in (*first, *rest)}) == 8
    assert not await worker.poll(max_records=10, timeout_s=0.1)


async def test_a_record_that_comes_while_polling_is_given(rig: Rig, started: list[Transport]) -> None:
    """A waiting poll sees what is appended later."""
    worker = await join(rig, started)
    polling = asyncio.create_task(take(worker, 1))
    await events(rig, 1)
    assert (await polling)[0].value == b"v0"


async def test_stop_ends_a_waiting_poll_and_may_be_called_twice(rig: Rig, started: list[Transport]) -> None:
    """Nobody waits for a queue that is left."""
    worker = await join(rig, started)
    polling = asyncio.create_task(worker.poll(max_records=1, timeout_s=30))
    await asyncio.sleep(0)
    await worker.stop()
    assert not await polling
    await worker.stop()
    assert not worker.health().connected
    assert not worker.health().partitions


async def test_a_stopped_worker_neither_publishes_nor_commits(rig: Rig, started: list[Transport]) -> None:
    """Both say so with an error that can be tried again."""
    await events(rig, 1)
    worker = await join(rig, started)
    found = await take(worker, 1)
    await worker.stop()
    with pytest.raises((PublishFailed, TransportUnavailable)):
        await finish(worker, found)
    again = await take(await join(rig, started), 1)
    assert again[0].position == found[0].position


async def test_lag_is_what_lies_behind_the_last_read_record(rig: Rig, started: list[Transport]) -> None:
    """Five of one partition, two read: three behind."""
    await send(rig, [Draft(rig.topics.events, b"k", b"v", partition=2) for _ in range(5)])
    worker = await join(rig, started)
    await take(worker, 2)
    while worker.health().lag.get(Partition(rig.topics.events, 2)) != 3:
        await worker.poll(max_records=0, timeout_s=0.05)
    assert worker.health().connected


class Drainer:
    """A worker that finishes what it has read when partitions are revoked."""

    def __init__(self, rig: Rig) -> None:
        self.transport = rig.worker()
        self.open: dict[Partition, list[Record]] = {}
        self.revoked: list[frozenset[Partition]] = []
        self.releasing = asyncio.Event()
        self.release = asyncio.Event()

    async def on_revoked(self, partitions: frozenset[Partition]) -> None:
        self.revoked.append(partitions)
        self.releasing.set()
        await self.release.wait()
        for partition in partitions:
            if records := self.open.pop(partition, []):
                await finish(self.transport, records)

    async def poll(self) -> list[Record]:
        found = await self.transport.poll(max_records=100, timeout_s=0.1)
        for record in found:
            self.open.setdefault(record.position.of, []).append(record)
        return list(found)


async def test_partitions_pass_to_another_worker_only_when_they_are_drained(
    shared: Rig, started: list[Transport]
) -> None:
    """While on_revoked runs the newcomer gets nothing of them; afterwards it goes on where the drain ended."""
    await events(shared, 40)
    old = Drainer(shared)
    started.append(old.transport)
    await old.transport.start(old.on_revoked)
    while sum(map(len, old.open.values())) < 40:
        await old.poll()
    newcomer = Drainer(shared)
    newcomer.release.set()
    started.append(newcomer.transport)
    joining = asyncio.create_task(newcomer.transport.start(newcomer.on_revoked))
    while not old.releasing.is_set():
        await old.poll()
    assert not newcomer.open
    old.release.set()
    await asyncio.gather(joining, keep_polling(old, newcomer))
    assert {len(w.transport.health().partitions) for w in (old, newcomer)} == {PARTITIONS // 2}
    await events(shared, 8)
    found: list[Record] = []
    while len(found) < 8:
        found += await newcomer.poll() + await old.poll()
    gained = newcomer.transport.health().partitions
    assert {p for group in old.revoked for p in group} >= set(gained)
    assert min(r.position.offset for r in found if r.position.of in gained) == 10
    assert len(await written(shared, [shared.topics.allow], 10 * len(gained))) >= 10 * len(gained)


async def keep_polling(*workers: Drainer) -> None:
    """Poll until the workers hold equal shares."""
    while {len(w.transport.health().partitions) for w in workers} != {PARTITIONS // len(workers)}:
        for worker in workers:
            await worker.poll()


async def test_a_revoke_that_fails_is_raised_by_the_next_poll(shared: Rig, started: list[Transport]) -> None:
    """A worker that could not drain must not go on as if it had."""

    async def refuse(partitions: frozenset[Partition]) -> None:
        raise RuntimeError("cannot drain")

    worker = shared.worker()
    started.append(worker)
    await worker.start(refuse)
    joining = asyncio.create_task(join(shared, started))

    async def poll_on() -> None:
        while True:
            await worker.poll(max_records=1, timeout_s=0.1)

    with pytest.raises(RuntimeError, match="cannot drain"):
        await poll_on()
    await worker.stop()
    await joining
