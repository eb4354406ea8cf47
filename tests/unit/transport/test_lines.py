"""The lines transport: order, blank lines, the end of the lines, and none at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from worker.core.records import Outgoing, Partition, Record, Route
from worker.transport.lines import TOPIC, LinesTransport

PARTITION = Partition(TOPIC, 0)


async def nobody(partitions: frozenset[Partition]) -> None:
    """Lines are never revoked."""


async def read_all(transport: LinesTransport, most: int) -> list[Record]:
    """Every record, in polls of at most `most`."""
    found: list[Record] = []
    while records := await transport.poll(max_records=most, timeout_s=0):
        assert len(records) <= most
        found += records
    return found


def answers(records: Sequence[Record]) -> list[Outgoing]:
    return [Outgoing(Route.ALLOW, None, record.value, (), record.position) for record in records]


@given(
    lines=st.lists(st.sampled_from([b"a\n", b"\n", b"  \r\n", b"b\r\n", b"", b" c \n"]), max_size=30),
    most=st.integers(1, 7),
)
def test_lines_come_in_order_without_blank_ones_and_are_answered_in_order(lines: list[bytes], most: int) -> None:
    """Offsets are the numbers of the lines, line ends are gone, and the last answer alone sets `finished`."""

    async def go() -> None:
        answered: list[Outgoing] = []
        transport = LinesTransport(iter(lines), answered.append)
        await transport.start(nobody)
        found = await read_all(transport, most)
        wanted = [line.rstrip(b"\r\n") for line in lines if line.strip()]
        assert [record.value for record in found] == wanted
        assert [record.position.offset for record in found] == [i for i, line in enumerate(lines) if line.strip()]
        for answer in answers(found):
            assert not transport.finished.is_set()
            await transport.publish([answer], {PARTITION: answer.source.offset + 1})
        assert transport.finished.is_set()
        assert [record.value for record in answered] == wanted
        await transport.stop()

    asyncio.run(go())


async def test_no_lines_at_all_are_finished_at_the_first_poll() -> None:
    """Nobody waits for an answer that cannot come."""
    transport = LinesTransport(iter([]), lambda _: None)
    assert await transport.poll(max_records=10, timeout_s=0) == []
    assert transport.finished.is_set()


async def test_answers_before_the_end_is_known_do_not_finish() -> None:
    """All that was read so far is answered, and there may be more to read."""
    transport = LinesTransport(iter([b"1", b"2", b"3"]), lambda _: None)
    first = await transport.poll(max_records=2, timeout_s=0)
    await transport.publish(answers(first), {PARTITION: 2})
    assert not transport.finished.is_set()
    last = await transport.poll(max_records=2, timeout_s=0)
    await transport.publish(answers(last), {PARTITION: 3})
    assert await transport.poll(max_records=2, timeout_s=0) == []
    assert transport.finished.is_set()


async def test_a_poll_for_nothing_reads_nothing() -> None:
    """Without credits the lines wait."""
    read: list[int] = []

    def lines() -> Iterator[bytes]:
        read.append(1)
        yield b"1"

    transport = LinesTransport(lines(), lambda _: None)
    assert await transport.poll(max_records=0, timeout_s=0) == []
    assert read == []
    assert not transport.finished.is_set()


async def test_a_line_that_never_ends_does_not_hold_the_loop() -> None:
    """Lines are read in a thread: a pipe that says nothing holds up nobody else."""
    told, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> bytes:
        loop.call_soon_threadsafe(told.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)
        return b"late\n"

    transport = LinesTransport((slow() for _ in range(1)), lambda _: None)
    poll = asyncio.create_task(transport.poll(max_records=1, timeout_s=0))
    await told.wait()
    assert not poll.done()
    release.set()
    assert [record.value for record in await poll] == [b"late"]
