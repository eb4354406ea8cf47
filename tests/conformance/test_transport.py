"""What every transport promises: one suite over memory, SQLite and a real Kafka."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.rigs import PARTITIONS, Rig, append_events, finish, join, mark, send, take, written
from worker.core.errors import PublishFailed, TransportUnavailable
from worker.core.ports import Transport
from worker.core.records import Draft, Partition, Route
from worker.transport.settings import topic_of

pytestmark = pytest.mark.timeout(60)


async def test_records_of_a_partition_come_in_the_order_they_were_sent(rig: Rig, started: list[Transport]) -> None:
    """Small polls, many partitions: offsets rise by one and values keep their order."""
    drafts = await append_events(rig, 60)
    found = await take(await join(rig, started), 60, most=7)
    for number in range(PARTITIONS):
        mine = [record for record in found if record.position.partition == number]
        assert [record.position.offset for record in mine] == list(range(15))
        assert [record.value for record in mine] == [d.value for d in drafts if d.partition == number]


async def test_a_poll_gives_no_more_than_it_was_asked_for(rig: Rig, started: list[Transport]) -> None:
    """Credits are a ceiling."""
    await append_events(rig, 20)
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
    await append_events(rig, PARTITIONS * len(Route))
    worker = await join(rig, started)
    found = sorted(await take(worker, PARTITIONS * len(Route)), key=lambda r: r.position.offset)
    for i, route in enumerate(Route):
        mine = found[i * PARTITIONS : (i + 1) * PARTITIONS]
        await finish(worker, mine, route)
        out = await written(rig, [topic_of(rig.topics, route)], PARTITIONS)
        assert {(r.position.partition, r.value) for r in out} == {(r.position.partition, r.value) for r in mine}


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
    await append_events(rig, 20)
    first = await join(rig, started)
    found = await take(first, 20)
    done = [record for record in found if record.position.offset < 3]
    await finish(first, done)
    await first.stop()
    again = await take(await join(rig, started), 8)
    assert sorted(r.position for r in again) == sorted({r.position for r in found} - {r.position for r in done})


async def test_what_was_only_polled_is_read_again(rig: Rig, started: list[Transport]) -> None:
    """Nothing counts as finished by being read."""
    await append_events(rig, 12)
    first = await join(rig, started)
    before = await take(first, 12)
    await first.stop()
    after = await take(await join(rig, started), 12)
    assert sorted(before) == sorted(after)


async def test_a_mark_stands_beside_the_offset_for_whoever_reads_next(rig: Rig, started: list[Transport]) -> None:
    """It comes with the partition, an offset stored again with another mark has that one, and without one none."""
    await append_events(rig, 12)
    first = await join(rig, started)
    assert not any(first.marks().values())
    found = await take(first, 12)
    done = [record for record in found if record.position.offset == 0]
    zero, one = Partition(rig.topics.events, 0), Partition(rig.topics.events, 1)
    long = "ü" * 500
    await finish(first, done, marks={zero: "first", one: long, Partition(rig.topics.events, 2): "gone"})
    await mark(first, {zero: 1, Partition(rig.topics.events, 2): 1}, {zero: "second"})
    await first.stop()
    second = await join(rig, started)
    again = await take(second, 8)
    assert min(record.position.offset for record in again) == 1
    assert {p.number: text for p, text in second.marks().items() if text} == {0: "second", 1: long}


async def test_without_credits_nothing_comes_and_the_partitions_stay(rig: Rig, started: list[Transport]) -> None:
    """max_records=0 is a way to wait: the same records come afterwards, in order and once."""
    await append_events(rig, 8)
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
    await append_events(rig, 1)
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
    await append_events(rig, 1)
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
