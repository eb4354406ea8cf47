"""The state of conversations on a real Kafka, through SIGKILL: the decisions are those of an undisturbed worker."""

from __future__ import annotations

import asyncio
import base64
import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from ops.chaos.tones import sound
from tests.flow.conftest import event
from tests.flow.test_kafka_worker import Process, settings_on
from worker.app import make_sender, make_tail
from worker.core.records import Draft
from worker.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

WORDS = ["free", "coins", "i will", "hurt you", "hello", "lol", "see you", "ok"]
ROOMS, CALLS = 12, 6
COMPARED = ("id", "source", "action", "reasons", "overrides", "hits", "call")
QUICK = {"session_timeout_ms": 2_000, "heartbeat_interval_ms": 300}


@pytest.fixture
def watched(policies: Path) -> Path:
    """A cooldown that messages a few milliseconds apart can outlast, so that states come and go."""
    policy = orjson.loads((policies / "words.json").read_bytes())
    policy["calls"] = {"cooldown_s": 0, "of": 3, "escalate": 2, "expire_s": 600}
    (policies / "words.json").write_bytes(orjson.dumps(policy))
    return policies


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Starts workers, and kills what a test leaves running."""
    started: list[Process] = []

    def one(settings: Settings) -> Process:
        started.append(Process(settings, tmp_path, "ops.chaos.tones"))
        return started[-1]

    yield one
    for process in started:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


def chunks() -> Iterator[list[bytes]]:
    """Second by second, a chunk of each of a few calls with two speakers."""
    random = Random(1)
    for second in itertools.count():
        found = []
        for call in range(CALLS):
            word = random.choices([None, "hello", "free", "coins", "i will hurt you"], [6, 4, 2, 2, 1])[0]
            pcm = (sound([word]) * 32_767).astype("<i2").tobytes()
            part = {"type": "audio", "data": base64.b64encode(pcm).decode(), "encoding": "pcm16", "rate": 16_000}
            stream = {"id": f"call-{call // 2}", "offset_ms": second * 1_000, "speaker": f"s{call % 2}"}
            body = {"id": f"a{second:03}-{call}", "tenant": "acme", "parts": [part], "stream": stream}
            found.append(orjson.dumps(body))
        yield found


def messages(first: int, count: int, spoken: Iterator[list[bytes]]) -> list[bytes]:
    """Of two speakers in each of a few rooms, split at every word; with every tenth a second of all calls."""
    random, found = Random(first), []
    for number in range(first, first + count):
        if number % 10 == 0:
            found += next(spoken)
        stream = {"id": f"room-{random.randrange(ROOMS)}", "seq": number, "speaker": random.choice(["ann", "bob"])}
        found.append(event(f"{number:05}", random.choice(WORDS), stream=stream))
    return found


async def send(settings: Settings, values: list[bytes]) -> None:
    sender = make_sender(settings)
    await sender.start()
    try:
        for value in [values[at : at + 25] for at in range(0, len(values), 25)]:
            keys = [orjson.loads(one)["stream"]["id"].encode() for one in value]
            drafts = [Draft(settings.topics.events, key, one) for key, one in zip(keys, value, strict=True)]
            await sender.send(drafts)
    finally:
        await sender.stop()


async def decided(settings: Settings, count: int) -> dict[str, Any]:
    """By event, what is decided, the first of each; waits until so many are there."""
    topics = settings.topics
    tail = make_tail(settings, (topics.allow, topics.flag, topics.block, topics.dead_letter), from_beginning=True)
    await tail.start()
    found: dict[str, Any] = {}
    try:
        async with asyncio.timeout(150):
            while len(found) < count:
                for record in await tail.read(max_records=5_000, timeout_s=0.3):
                    body = orjson.loads(record.value or b"")
                    said = {
                        name: body[name] for name in ("id", "source", "action", "reasons", "overrides", "hits", "call")
                    }
                    found.setdefault(body["event_id"], said)
    finally:
        await tail.stop()
    return found


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
async def test_workers_that_die_in_mid_conversation_change_no_decision(
    kafka: str, watched: Path, start: Any, delivery: str
) -> None:
    """One is killed, two take over, one of them is killed: repeats dropped, all as if nobody had been."""
    hurt = await settings_on(kafka, watched, delivery, "calls")
    hurt = hurt.model_copy(update={"kafka": hurt.kafka.model_copy(update=QUICK)})
    calm = await settings_on(kafka, watched, "at-least-once", events=hurt.topics.events)
    undisturbed, first, spoken = start(calm), start(hurt), chunks()
    await asyncio.gather(undisturbed.ready(), first.ready())
    await send(hurt, messages(0, 300, spoken))
    await decided(hurt, 400)
    first.end(signal.SIGKILL)
    second, third = start(hurt), start(hurt)
    await send(hurt, messages(300, 200, spoken))
    await asyncio.gather(second.ready(), third.ready())
    await decided(hurt, 650)
    second.end(signal.SIGKILL)
    await send(hurt, messages(500, 100, spoken))
    count = 600 + 60 * CALLS
    found, expected = await asyncio.gather(decided(hurt, count), decided(calm, count))
    different = {
        name: {field: (found[name][field], said) for field, said in one.items() if found[name][field] != said}
        for name, one in expected.items()
        if found[name] != one
    }
    assert not different, orjson.dumps(sorted(different.items())[:3]).decode()
    changes = [(change["kind"], change["cause"]) for one in expected.values() for change in one["call"]["changed"]]
    assert {("call", "agreed"), ("call", "cleared"), ("speaker", "agreed"), ("exchange", "agreed")} <= set(changes)
    assert "escalated" in {cause for _, cause in changes}
    acted = [one for one in expected.values() if any(o["cause"] == "call_state" for o in one["overrides"])]
    assert len(acted) > 20
    assert third.end(signal.SIGTERM) == 0
    assert "streams.restored" in third.log.read_text()
