"""A record that kills the process, on a real Kafka: convicted after three or four deaths, and nobody else is."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import orjson
import pytest

from tests.flow.conftest import event
from tests.flow.killing import DEADLY
from tests.flow.test_kafka_worker import Process, settings_on
from worker.app import make_sender, make_tail
from worker.core.records import Draft, Record

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]
EVENTS = 2_000


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
async def test_a_record_that_kills_the_process_holds_nobody_up(
    kafka: str, policies: Path, tmp_path: Path, delivery: str
) -> None:
    """Restarted as by a supervisor: the killer is parked unread; without repeats each other one is decided once."""
    settings = (await settings_on(kafka, policies)).model_copy(update={"delivery": delivery})
    names = [f"{DEADLY if i == 1_100 else 'ok'}-{i:04}" for i in range(EVENTS)]
    drafts = [
        Draft(settings.topics.events, b"u%d" % (i % 13), event(name, "hello", context={"actor": f"u{i % 13}"}))
        for i, name in enumerate(names)
    ]
    sender = make_sender(settings)
    await sender.start()
    await sender.send(drafts)
    await sender.stop()
    tail = make_tail(settings, (settings.topics.allow, settings.topics.dead_letter), from_beginning=True)
    await tail.start()
    worker, deaths = Process(settings, tmp_path, "tests.flow.killing", group_instance_id="one"), 0
    found: list[Record] = []
    try:
        while len({_source(record) for record in found}) < EVENTS:
            if worker.process.poll() is not None:
                assert worker.process.returncode == -signal.SIGKILL, worker.log.read_text()
                deaths += 1
                assert deaths <= 4  # a window that had grown takes one more
                worker = Process(settings, tmp_path, "tests.flow.killing", group_instance_id="one")
            found += await tail.read(max_records=5_000, timeout_s=0.2)
            await asyncio.sleep(0)
    finally:
        await tail.stop()
        if worker.process.poll() is None:
            worker.end(signal.SIGTERM)
    assert deaths in (3, 4)
    parked = [
        (_source(record), dict(record.headers)["tidegate-code"])
        for record in found
        if record.position.topic == settings.topics.dead_letter
    ]
    if delivery == "at-least-once":  # a dead letter may come again, as a decision may
        parked = list(dict.fromkeys(parked))
    assert [code for _, code in parked] == [b"kills_worker"]
    decided: dict[str, list[str]] = {}
    seen = set()
    for record in found:
        if record.position.topic == settings.topics.allow and _source(record) not in seen:
            seen.add(_source(record))
            decided.setdefault((record.key or b"").decode(), []).append(orjson.loads(record.value or b"")["event_id"])
    assert sorted(name for names in decided.values() for name in names) == sorted(
        name for name in names if not name.startswith(DEADLY)
    )
    assert all(order == sorted(order) for order in decided.values())


def _source(record: Record) -> tuple[int, int]:
    headers = dict(record.headers)
    if "__connect.errors.offset" in headers:
        return int(headers["__connect.errors.partition"]), int(headers["__connect.errors.offset"])
    source = orjson.loads(record.value or b"")["source"]
    return source["partition"], source["offset"]
