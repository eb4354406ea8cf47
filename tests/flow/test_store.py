"""A store fills from the topics, goes on where it left off, and is read by the verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from tests.flow.conftest import event
from worker.app import Worker, load_models, make_sender, make_transport, running
from worker.cli import app
from worker.core.clock import SystemClock
from worker.core.records import Draft
from worker.services import fill_store
from worker.settings import Settings, load
from worker.store.reading import DecisionStore, Query

TEXTS = ["hello", "free coins", "I will hurt you", "see you"]


@pytest.fixture
def queue(policies: Path, tmp_path: Path) -> Settings:
    """A queue in a file, a store beside it, and topics for appeals and reviews."""
    config = tmp_path / "tidegate.toml"
    config.write_text(
        f'transport = "sqlite"\npolicies = "{policies}"\n[sqlite]\npath = "{tmp_path / "queue.db"}"\n'
        f'[store]\npath = "{tmp_path / "store"}"\n[models]\nprofile = "words"\n'
        '[topics]\nappeals = "moderation.appeals"\nreviews = "moderation.reviews"\n'
    )
    return load(config)


async def send(settings: Settings, topic: str, *values: bytes) -> None:
    sender = make_sender(settings, (topic, *settings.topics.outputs, "moderation.appeals", "moderation.reviews"))
    await sender.start()
    await sender.send([Draft(topic, None, value) for value in values])
    await sender.stop()


async def judge(settings: Settings, numbers: range) -> None:
    """Events through a worker, until each has its decision."""
    await send(settings, settings.topics.events, *(event(str(n), TEXTS[n % 4]) for n in numbers))
    worker = Worker(settings, make_transport(settings, SystemClock()), load_models(settings.models.model_dump()))
    async with running(worker):
        while decided(worker) < len(numbers):
            worker.flow.settled.clear()
            await worker.flow.settled.wait()


def decided(worker: Worker) -> float:
    """How many decisions the queue has acknowledged."""
    families = worker.metrics.registry.collect()
    return sum(one.value for family in families for one in family.samples if one.name == "tidegate_decisions_total")


async def test_filling_goes_on_where_it_left_off(queue: Settings) -> None:
    """Every decision once, over two fills; an appeal stands beside its decision."""
    await judge(queue, range(8))
    assert await fill_store(queue, until_end=True) == 8
    assert await fill_store(queue, until_end=True) == 0
    store = DecisionStore(queue.store.path or Path())
    row = store.get("1")
    assert row is not None
    appeal = {"decision": row.id, "tenant": "acme", "outcome": "upheld", "time": "2026-11-25T10:00:00Z"}
    await send(queue, "moderation.appeals", orjson.dumps(appeal), b"no appeal")
    await judge(queue, range(8, 12))
    assert await fill_store(queue, until_end=True) == 4
    assert sorted(row.event_id for row in store.find(Query())) == sorted(map(str, range(12)))
    (kept,) = store.remarks("appeal", decision=row.id)
    assert orjson.loads(kept.value) == appeal


async def test_the_verbs_read_a_store(queue: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """status, log, audit verify and head; an edit ends with 1."""
    await judge(queue, range(4))
    await fill_store(queue, until_end=True)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, [*words, "--store", str(queue.store.path)])

    assert run("store", "status").stdout.startswith("acme: 4 decisions, 20")
    lines = run("store", "log", "--action", "block").stdout.splitlines()
    assert [orjson.loads(line)["event_id"] for line in lines] == ["2"]
    assert run("audit", "head").exit_code != 0
    head = run("audit", "head", "--seal").stdout.strip()
    assert head.startswith("1:")
    good = run("audit", "verify", "--head", head)
    assert (good.exit_code, "nothing was changed" in good.stdout) == (0, True)
    bad = run("audit", "verify", "--head", f"1:{'0' * 64}")
    assert (bad.exit_code, "another digest" in bad.stdout) == (1, True)


async def test_a_policy_is_tried_on_a_store(queue: Settings, policies: Path) -> None:
    """As on a log of lines."""
    await judge(queue, range(8))
    await fill_store(queue, until_end=True)
    words = ["policy", "backtest", "--log", str(queue.store.path), "--policies", str(policies), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    found = orjson.loads(result.stdout)
    assert (found["decisions"], found["changed"]["count"]) == (8, 0)
