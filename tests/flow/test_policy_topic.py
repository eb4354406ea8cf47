"""A whole worker whose policies come from a topic of its own queue, and whose status goes to another."""

from __future__ import annotations

from pathlib import Path

import orjson

from tests.flow.conftest import POLICY, event
from worker.app import Outside, Worker, load_models, make_sender, make_tail, make_transport, running
from worker.core.clock import SystemClock
from worker.core.records import Draft, Record
from worker.services import make_status_feed
from worker.settings import Settings, load


async def put(settings: Settings, topic: str, values: dict[str, bytes]) -> None:
    sender = make_sender(settings, (topic,))
    await sender.start()
    await sender.send([Draft(topic, key.encode(), value) for key, value in values.items()])
    await sender.stop()


async def records(settings: Settings, topics: tuple[str, ...], count: int) -> list[Record]:
    tail = make_tail(settings, topics, from_beginning=True)
    await tail.start()
    found: list[Record] = []
    while len(found) < count:
        found += await tail.read(max_records=100, timeout_s=0.5)
    await tail.stop()
    return found


async def test_policies_come_and_change_over_the_queue(tmp_path: Path) -> None:
    """The first set before the first event, a change while events flow, and a bad one told with its place."""
    settings = load(
        None,
        {
            "transport": "sqlite",
            "sqlite.path": tmp_path / "q.db",
            "models.profile": "words",
            "policies": "topic:moderation.policies",
            "topics.status": "moderation.status",
        },
    )
    files = {"words.json": orjson.dumps(POLICY), "tenants.json": b'{"*": "words"}'}
    await put(settings, "moderation.policies", files)
    clock = SystemClock()
    outside = Outside(tmp_path / "state", make_status_feed(settings, clock))
    models = load_models(settings.models.model_dump())
    worker = Worker(settings, make_transport(settings, clock), models, outside=outside)
    outputs = settings.topics.outputs
    async with running(worker):
        await put(settings, settings.topics.events, {"k": event("1", "free coins")})
        (first,) = await records(settings, outputs, 1)
        (status,) = await records(settings, ("moderation.status",), 1)
        await put(settings, "moderation.policies", {"words.json": orjson.dumps(POLICY | {"version": "2"})})
        (_, second) = await records(settings, ("moderation.status",), 2)
        await put(settings, "moderation.policies", {"words.json": b"{"})
        (_, _, third) = await records(settings, ("moderation.status",), 3)
        await put(settings, settings.topics.events, {"k": event("2", "free coins")})
        decisions = [orjson.loads(record.value or b"") for record in await records(settings, outputs, 2)]
    said = [orjson.loads(record.value or b"") for record in (status, second, third)]
    assert orjson.loads(first.value or b"")["action"] == "flag"
    assert [record.key for record in (status, second, third)] == [b"words"] * 3
    assert [(one["version"], one["code"]) for one in said] == [("1", None), ("2", None), ("2", "policy_rejected")]
    assert said[2]["errors"][0]["location"]["file"] == "words.json"
    assert sorted(decision["policy"]["version"] for decision in decisions) == ["1", "2"]
    assert (tmp_path / "state" / "policies" / "last-good.json").is_file()
