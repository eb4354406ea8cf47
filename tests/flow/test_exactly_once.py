"""Real worker processes, exactly once, on a real Kafka: killed, frozen, scaled; nothing lost and nothing twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.flow.test_kafka_worker import Process, send, settings_on
from worker.app import make_tail
from worker.core.records import Record
from worker.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


@pytest.fixture
async def exact(kafka: str, policies: Path) -> Settings:
    """Settings of an exactly-once worker on topics of its own, which exist."""
    settings = await settings_on(kafka, policies, "exactly-once")
    quick = {"session_timeout_ms": 2_000, "heartbeat_interval_ms": 300}
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=quick)})


@pytest.fixture
def start(exact: Settings, tmp_path: Path) -> Iterator[Any]:
    """Starts workers, and kills what a test leaves running."""
    started: list[Process] = []

    def one() -> Process:
        started.append(Process(exact, tmp_path))
        return started[-1]

    yield one
    for process in started:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


async def read(settings: Settings, most: int, *, until_quiet_s: float = 0.0) -> list[Record]:
    """What a read-committed reader finds until `most` are there and, then, for so many quiet seconds."""
    topics = settings.topics
    tail = make_tail(settings, (topics.allow, topics.flag, topics.block, topics.dead_letter), from_beginning=True)
    await tail.start()
    found: list[Record] = []
    try:
        async with asyncio.timeout(60):
            while len(found) < most:
                found += await tail.read(max_records=5_000, timeout_s=0.5)
        while until_quiet_s and (more := await tail.read(max_records=5_000, timeout_s=until_quiet_s)):
            found += more
    finally:
        await tail.stop()
    return found


def each_once_in_order(found: list[Record], count: int) -> None:
    """`count` events, none twice, and in each partition in the order of the input."""
    decisions = [orjson.loads(record.value or b"") for record in found]
    assert sorted(d["event_id"] for d in decisions) == [f"{i:06}" for i in range(count)]
    for number in {d["source"]["partition"] for d in decisions}:
        offsets = [d["source"]["offset"] for d in decisions if d["source"]["partition"] == number]
        assert offsets == sorted(offsets)


async def test_a_killed_and_a_frozen_worker_leave_neither_gap_nor_repeat(exact: Settings, start: Any) -> None:
    """SIGKILL in mid-stream; SIGSTOP past the session, and on: whoever reads committed sees every event once."""
    first = start()
    await first.ready()
    await send(exact, 0, 4_000)
    await read(exact, 300)
    first.end(signal.SIGKILL)
    second, third = start(), start()
    await asyncio.gather(second.ready(), third.ready())
    await send(exact, 4_000, 4_000)
    await read(exact, 4_500)
    second.process.send_signal(signal.SIGSTOP)
    await send(exact, 8_000, 1_000)
    await read(exact, 9_000)  # the other takes over when the session of the frozen one is over
    second.process.send_signal(signal.SIGCONT)
    await send(exact, 9_000, 500)
    each_once_in_order(await read(exact, 9_500, until_quiet_s=1.0), 9_500)
    assert second.end(signal.SIGTERM) == 0
    assert third.end(signal.SIGTERM) == 0
