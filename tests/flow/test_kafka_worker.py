"""Real worker processes on a real Kafka: killed, shared, drained; nothing lost."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ops.kafka.broker import Broker
from ops.kafka.nodes import free_port
from tests.flow.conftest import event
from worker.app import make_sender, make_tail
from worker.core.records import Draft
from worker.settings import Settings, load

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


@pytest.fixture
async def on_kafka(kafka: str, policies: Path) -> Settings:
    """Settings of a worker on topics of its own, which exist."""
    return await settings_on(kafka, policies)


async def settings_on(
    kafka: str, policies: Path, delivery: str = "at-least-once", *more: str, events: str | None = None
) -> Settings:
    """Topics of its own, and one for each role in `more`; `events` reads somebody else's input."""
    name = uuid.uuid4().hex[:8]
    topics = {role: f"{name}.{role}" for role in ("events", "allow", "flag", "block", "dead_letter", *more)}
    topics["events"] = events or topics["events"]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 4, 1) for topic in topics.values() if topic != events])
    await admin.close()
    return load(
        None,
        {
            "policies": policies,
            "delivery": delivery,
            "models.profile": "words",
            "kafka.bootstrap_servers": kafka,
            "kafka.group_id": name,
            "kafka.session_timeout_ms": 6_000,
            "kafka.heartbeat_interval_ms": 1_000,
            **{f"topics.{role}": topic for role, topic in topics.items()},
        },
    )


class Process:
    """`tidegate run` in a process of its own; `root` has another version's `worker/`."""

    def __init__(
        self, settings: Settings, folder: Path, module: str = "worker", root: Path | None = None, **kafka_more: str
    ) -> None:
        self.port = free_port()
        config = folder / f"{self.port}.toml"
        kafka, topics = settings.kafka, settings.topics
        lines = [
            f'policies = "{settings.policies}"',
            f'delivery = "{settings.delivery}"',
            "[kafka]",
            f'"bootstrap.servers" = "{kafka.bootstrap_servers}"',
            f'"group.id" = "{kafka.group_id}"',
            f'"session.timeout.ms" = {kafka.session_timeout_ms}',
            f'"heartbeat.interval.ms" = {kafka.heartbeat_interval_ms}',
            *(f'"{name.replace("_", ".")}" = "{value}"' for name, value in kafka_more.items()),
            "[topics]",
            *(f'{role} = "{name}"' for role, name in topics.model_dump(exclude_none=True).items()),
            "[models]",
            'profile = "words"',
            "[http]",
            f"port = {self.port}",
        ]
        config.write_text("\n".join(lines))
        self.log = folder / f"{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, "run", "-c", str(config)],
                stderr=log,
                cwd=root,
                env={**os.environ, "PYTHONPATH": str(root)} if root else os.environ,
            )

    async def ready(self) -> None:
        """Wait until `/readyz` says so."""
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while True:
                assert self.process.poll() is None, self.log.read_text()
                try:
                    answer = await client.get(f"http://127.0.0.1:{self.port}/readyz")
                except httpx.TransportError:
                    answer = None
                if answer is not None and answer.status_code == 200:
                    return
                await asyncio.sleep(0.1)

    def end(self, how: signal.Signals) -> int:
        """Signal the process and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(30)


@pytest.fixture
def start(on_kafka: Settings, tmp_path: Path) -> Iterator[Any]:
    """Starts workers, and kills what a test leaves running."""
    started: list[Process] = []

    def one() -> Process:
        started.append(Process(on_kafka, tmp_path))
        return started[-1]

    yield one
    for process in started:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Any]:
    """Collects every terminal record of the outputs until a count of different events is there."""
    topics = settings.topics
    tail = make_tail(settings, (topics.allow, topics.flag, topics.block, topics.dead_letter), from_beginning=True)
    await tail.start()
    found: list[dict[str, Any]] = []

    async def until(different: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(60):
            while len({d["id"] for d in found}) < different:
                found.extend(orjson.loads(r.value or b"") for r in await tail.read(max_records=5_000, timeout_s=0.5))
        return found

    try:
        yield until
    finally:
        await tail.stop()


async def send(settings: Settings, first: int, count: int) -> None:
    sender = make_sender(settings)
    await sender.start()
    await sender.send(
        [
            Draft(
                settings.topics.events,
                f"acme/u{i % 17}".encode(),
                event(f"{i:06}", "hello there", context={"actor": f"u{i % 17}"}),
            )
            for i in range(first, first + count)
        ]
    )
    await sender.stop()


async def test_nothing_is_lost_when_workers_are_killed_under_load(on_kafka: Settings, start: Any) -> None:
    """SIGKILL in mid-stream: the next worker goes on from the commit, and every event has its decision, in order."""
    first = start()
    await first.ready()
    async with reading(on_kafka) as until:
        await send(on_kafka, 0, 4_000)
        await until(500)
        first.end(signal.SIGKILL)
        second, third = start(), start()
        await send(on_kafka, 4_000, 2_000)
        found = await until(6_000)
        assert second.process.poll() is None
        assert third.process.poll() is None
    seen: dict[str, list[str]] = {}
    ids = set()
    for decision in found:
        if decision["id"] not in ids:  # a reader keeps the first
            ids.add(decision["id"])
            seen.setdefault(f"u{int(decision['event_id']) % 17}", []).append(decision["event_id"])
    assert sum(map(len, seen.values())) == 6_000
    assert all(order == sorted(order) for order in seen.values())


async def test_sigterm_drains_and_the_next_worker_repeats_nothing(on_kafka: Settings, start: Any) -> None:
    """What was published is committed before the process ends with 0."""
    first = start()
    await first.ready()
    async with reading(on_kafka) as until:
        await send(on_kafka, 0, 1_000)
        await until(1_000)
        assert first.end(signal.SIGTERM) == 0
        second = start()
        await second.ready()
        await send(on_kafka, 1_000, 100)
        found = await until(1_100)
    assert len(found) == 1_100


async def test_a_broker_that_goes_away_in_the_middle_costs_time_and_no_event(policies: Path, tmp_path: Path) -> None:
    """The worker stays, says that it is not ready, and goes on when the broker is back."""
    with Broker(own=True) as broker:
        settings = await settings_on(broker.bootstrap, policies)
        worker = Process(settings, tmp_path)
        try:
            await worker.ready()
            await send(settings, 0, 1_000)
            async with reading(settings) as until:
                await until(1_000)
            broker.kill()
            async with asyncio.timeout(30), httpx.AsyncClient() as client:
                while (await client.get(f"http://127.0.0.1:{worker.port}/readyz")).status_code == 200:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
                assert (await client.get(f"http://127.0.0.1:{worker.port}/healthz")).status_code == 200
            broker.start()
            await send(settings, 1_000, 500)
            async with reading(settings) as until:
                found = await until(1_500)
        finally:
            worker.end(signal.SIGKILL)
    assert {decision["event_id"] for decision in found} == {f"{i:06}" for i in range(1_500)}
