"""Shedding through a whole worker: lists still decide, models are not asked, and the decision says so."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from tests.flow.conftest import Bench, event
from worker.app import Worker
from worker.core.clock import Clock, FakeClock
from worker.core.ports import CategorySpec
from worker.core.views import Concepts, Floats, ModelRef, View, ViewKind
from worker.score.batch import BatchLimits
from worker.score.profile import Models
from worker.settings import load
from worker.transport.memory import MemoryLog, MemoryTransport

DIGEST = "sha256:" + "0" * 64


class Words:
    """A tokenizer of one token a word."""

    window_tokens = 128

    def encode(self, texts: Sequence[str]) -> list[tuple[Any, Any]]:
        found = []
        for text in texts:
            ends = [i for i, c in enumerate(text + " ") if c == " "]
            starts = [0, *[end + 1 for end in ends[:-1]]]
            offsets = np.array(list(zip(starts, ends, strict=True)), np.int32).reshape(-1, 2)
            found.append((np.arange(len(ends), dtype=np.int32), offsets))
        return found


class Calm:
    """A scorer that finds harm in seven words and more, counts what it was asked, and waits for its gate."""

    ref = ModelRef("calm", "1", DIGEST)
    kind = ViewKind.TEXT

    def __init__(self) -> None:
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()

    def score(self, views: Sequence[View], concepts: Sequence[Concepts]) -> list[Floats]:
        self.gate.wait(20)
        self.asked += len(views)
        return [
            np.full(int(count), 0.95 if len(view.content) >= 7 else 0.01, np.float32)
            for view, count in zip(views, concepts, strict=True)
        ]


class Everything:
    """Every policy looks for something."""

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        return {"calm": len(categories)}

    def points(self, categories: Sequence[CategorySpec]) -> None:
        return None


@pytest.fixture
def calm() -> Calm:
    return Calm()


def bench(
    calm: Calm, folder: Path, late: str | None, clock: Clock | None = None, rates: Any = None, **limits: float
) -> Bench:
    """A worker whose one policy has a list that blocks and a scorer, and whose decisions are sampled."""
    folder.mkdir(exist_ok=True)
    policy: dict[str, Any] = {
        "id": "p",
        "version": "1",
        "categories": {"scam": {"definition": "fraud", "flag": 0.5, "block": 0.9}},
        "terms": [{"words": ["i will hurt you"], "match": "word", "category": "scam", "action": "block"}],
        "limits": limits,
    }
    if late is not None:
        policy["otherwise"] = {"late": late}
    (folder / "p.json").write_bytes(orjson.dumps(policy))
    (folder / "tenants.json").write_bytes(orjson.dumps({"*": "p"}))
    settings = load(None, {"policies": str(folder), "topics.review": "moderation.review", **(rates or {})})
    models = Models(Words(), {"calm": calm}, {}, Everything(), {"calm": BatchLimits(8, 1_000)})
    made = Bench(settings, models=models)
    if clock is not None:
        made.log = MemoryLog(2, clock)
        made.transport = MemoryTransport(made.log, settings.topics)
        made.worker = Worker(settings, made.transport, models, clock=clock)
    return made


@pytest.mark.parametrize(("late", "action"), [("flag", "flag"), ("allow", "allow"), ("block", "block")])
async def test_past_the_limit_lists_decide_and_no_model_is_asked(
    calm: Calm, tmp_path: Path, late: str, action: str
) -> None:
    """Flooding is no way past a list's block, and what no model saw has the tenant's own fallback."""
    worker = bench(calm, tmp_path / "policies", late, events_per_s=10)
    flood = [event(f"e{i}", "i will hurt you" if i % 10 == 9 else "good morning") for i in range(60)]
    async with worker.running():
        worker.send(flood)
        await worker.until(60)
    decisions = worker.decisions()
    shed = [one for one in decisions if one["degraded"]]
    assert calm.asked == len(decisions) - len(shed) <= 20
    assert {one["degraded"][0]["code"] for one in shed} == {"over_rate"}
    assert {one["degraded"][0]["rule"] for one in shed} == {"late"}
    assert {one["event_id"] for one in decisions if one["action"] == "block" and one["hits"]} == {
        f"e{i}" for i in range(9, 60, 10)
    }
    assert {one["action"] for one in shed if not one["hits"]} == {action}


async def test_a_tenant_that_did_not_choose_to_shed_is_scored_whatever_it_sends(calm: Calm, tmp_path: Path) -> None:
    """The default: late is better than unseen."""
    worker = bench(calm, tmp_path / "policies", None, events_per_s=1)
    async with worker.running():
        worker.send([event(f"e{i}", "good morning", deadline_ms=0) for i in range(40)])
        await worker.until(40)
    assert calm.asked == 40
    assert [one["degraded"] for one in worker.decisions()] == [None] * 40


async def test_what_becomes_late_while_it_waits_is_not_scored_any_more(calm: Calm, tmp_path: Path) -> None:
    """A batch holds the model; the asks behind it pass their deadline and leave without it, marked once."""
    clock = FakeClock()
    worker = bench(calm, tmp_path / "policies", "flag", clock=clock)
    device = worker.worker._device
    calm.gate.clear()
    async with worker.running():
        worker.send([event(f"first{i}", "good morning", deadline_ms=60_000) for i in range(8)])
        worker.send([event(f"e{i}", "good morning", deadline_ms=150) for i in range(8)])
        async with asyncio.timeout(20):
            while device.waiting + device._out < 16:  # noqa: ASYNC110  # the device has no event for it
                await asyncio.sleep(0)
        clock.advance(1)
        calm.gate.set()
        await worker.until(16)
    late = [one for one in worker.decisions() if one["degraded"]]
    assert calm.asked == 8
    assert {one["event_id"] for one in late} == {f"e{i}" for i in range(8)}
    assert [[d["code"] for d in one["degraded"]] for one in late] == [["late"]] * 8
    assert {one["action"] for one in late} == {"flag"}


async def test_samples_of_decisions_stand_in_the_review_topic(calm: Calm, tmp_path: Path) -> None:
    """Each is the decision with its probability; the decisions themselves are where they were."""
    worker = bench(calm, tmp_path / "policies", "flag", rates={"review.allow": 0.5, "review.block": 1.0})
    async with worker.running():
        worker.send([event(f"e{i}", "i will hurt you" if i < 5 else "good morning") for i in range(105)])
        await worker.until(105)
    samples = [orjson.loads(record.value or b"") for record in worker.out("review")]
    decisions = {one["id"]: one for one in worker.decisions()}
    assert len(decisions) == 105
    for sample in samples:
        probability = sample.pop("review")["probability"]
        assert probability == {"allow": 0.5, "block": 1.0}[sample["action"]]
        assert decisions[sample["id"]] == sample
    assert sum(sample["action"] == "block" for sample in samples) == 5
    assert 25 <= sum(sample["action"] == "allow" for sample in samples) <= 75


async def test_a_shed_picture_is_marked_as_shed_and_as_nothing_else(calm: Calm, tmp_path: Path) -> None:
    """No complaint that nobody looks at it: that is what shedding means."""
    worker = bench(calm, tmp_path / "policies", "flag", events_per_s=10)
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    part = {"type": "image", "data": base64.b64encode(picture.getvalue()).decode()}
    text = {"type": "text", "text": "i will hurt you"}
    async with worker.running():
        worker.send([orjson.dumps({"id": f"e{i}", "tenant": "acme", "parts": [text, part]}) for i in range(40)])
        await worker.until(40)
    codes = Counter(tuple(d["code"] for d in one["degraded"]) for one in worker.decisions())
    assert codes.keys() == {("nobody_looks",), ("over_rate",)}
    assert codes["over_rate",] >= 20
    assert {one["action"] for one in worker.decisions()} == {"block"}


async def test_a_jump_of_blocks_opens_the_breaker_and_people_see_it(calm: Calm, tmp_path: Path) -> None:
    """From none in 250 to three in four: flags with their cause, `/status`, the gauge, and all of them in review."""
    clock = FakeClock()
    rates = {"breaker.min_events": 50, "breaker.min_blocks": 10}
    worker = bench(calm, tmp_path / "policies", None, clock=clock, rates=rates)
    bad = "one two three four five six seven"

    def events(mark: str, count: int, harmful: int) -> list[bytes]:
        texts = [bad if i < harmful else "good morning" for i in range(count)]
        return [event(f"{mark}{i}", text, context={"actor": f"{mark}{i}"}) for i, text in enumerate(texts)]

    async with worker.running():
        worker.send(events("calm", 250, 0))
        await worker.until(250)
        clock.advance(61)
        worker.send(events("jump", 200, 150))
        await worker.until(450)
        status = worker.worker.health.status()["breaker"]
        gauge = worker.worker.metrics.registry.get_sample_value("tidegate_breaker_open_nodes")
    demoted = [one for one in worker.decisions() if one["overrides"]]
    assert ([(row["category"], row["phase"]) for row in status], gauge) == ([("scam", "open")], 1)
    assert len(demoted) >= 50
    assert {(one["action"], one["overrides"][0]["cause"]) for one in demoted} == {("flag", "breaker")}
    assert {one["reasons"][0]["action"] for one in demoted} == {"block"}
    samples = {orjson.loads(record.value or b"")["id"] for record in worker.out("review")}
    assert {one["id"] for one in demoted} <= samples
