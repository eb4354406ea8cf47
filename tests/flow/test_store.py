"""A store fills from the topics, goes on where it left off, and is read by the verbs."""

from __future__ import annotations

import asyncio
import shutil
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


async def test_an_upheld_appeal_counts_and_becomes_a_case(queue: Settings, policies: Path, tmp_path: Path) -> None:
    """By node, list and language; its text is read from the input topic, never of a restricted category."""
    document = orjson.loads((policies / "words.json").read_bytes())
    document["categories"]["threat"]["restricted"] = True
    (policies / "words.json").write_bytes(orjson.dumps(document))
    await judge(queue, range(8))
    await fill_store(queue, until_end=True)
    store = DecisionStore(queue.store.path or Path())
    said = {"1": "upheld", "5": "rejected", "2": "upheld"}
    found = {event_id: store.get(event_id) for event_id in said}
    appeals = [
        {"decision": row.id, "tenant": "acme", "outcome": said[event_id], "time": "2026-11-25T10:00:00Z"}
        | {"language": "en"}
        for event_id, row in found.items()
        if row is not None
    ]
    await send(queue, "moderation.appeals", *map(orjson.dumps, appeals))
    await fill_store(queue, until_end=True)
    config = ["-c", str(tmp_path / "tidegate.toml")]
    rates = orjson.loads(CliRunner().invoke(app, ["appeals", "rates", *config, "--json"]).stdout)
    assert (rates["all"]["count"], rates["all"]["of"]) == (2, 3)
    assert (rates["node"]["scam"]["count"], rates["node"]["scam"]["of"]) == (1, 2)
    assert rates["language"]["en"]["of"] == 3
    words = ["appeals", "tests", *config, "--policies", str(policies)]
    result = await asyncio.to_thread(CliRunner().invoke, app, words)  # it has a loop of its own
    assert [(case["text"], case["expect"]) for case in orjson.loads(result.stdout)] == [("free coins", "allow")]
    assert "1 upheld appeals make no case: its category is restricted" in result.stderr


async def test_a_decision_is_explained_to_whoever_asks(queue: Settings, policies: Path, tmp_path: Path) -> None:
    """Plain words for its author, the tree for a reviewer, everything and its place in the chain for an auditor."""
    await judge(queue, range(4))
    await fill_store(queue, until_end=True)

    def ask(reader: str) -> str:
        words = ["explain", "2", "--for", reader, "-c", str(tmp_path / "tidegate.toml"), "--policies", str(policies)]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        return result.stdout

    user = ask("user")
    assert "was not published. Our rules on threat do not allow it. It was found in the text, characters" in user
    assert "hit of threat" in ask("reviewer") or "threat" in ask("reviewer")
    document = orjson.loads(ask("auditor"))
    assert document["decision"]["event_id"] == "2"
    assert (document["tree"]["action"], document["store"]["seal"]) == ("block", None)


async def test_statements_are_written_in_batches_and_what_lacks_is_said(
    queue: Settings, policies: Path, tmp_path: Path
) -> None:
    """Exit code 1 while a block has no statement."""
    document = orjson.loads((policies / "words.json").read_bytes())
    document["categories"]["threat"]["dsa"] = {
        "category": "STATEMENT_CATEGORY_VIOLENCE",
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": "Rule 1",
        "incompatible_content_explanation": "It threatens somebody.",
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
    }
    before = Path(shutil.copytree(policies, tmp_path / "before"))
    (policies / "words.json").write_bytes(orjson.dumps(document))
    await judge(queue, range(8))
    await fill_store(queue, until_end=True)
    words = ["export", "dsa", str(tmp_path / "out"), "-c", str(tmp_path / "tidegate.toml"), "--policies"]
    good = CliRunner().invoke(app, [*words, str(policies)])
    assert (good.exit_code, good.stdout) == (0, f"2 statements in 1 files in {tmp_path / 'out'}\n")
    batch = orjson.loads((tmp_path / "out" / "dsa-0001.json").read_bytes())
    assert [one["content_type"] for one in batch["statements"]] == [["CONTENT_TYPE_TEXT"]] * 2
    bad = CliRunner().invoke(app, [*words, str(before)])
    assert (bad.exit_code, "policy words 1 is not at hand" in bad.stderr) == (1, True)
