"""`tidegate deadletter` and the worker: parked, mended, sent back, decided once, marked so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from typer.testing import CliRunner, Result

from tests.flow.conftest import POLICY, event
from tests.flow.test_kafka_worker import settings_on
from tests.logging_back import log_put_back
from worker.app import Worker, load_models, make_sender, make_tail, make_transport, running
from worker.cli import app
from worker.core.clock import SystemClock
from worker.core.records import Draft, Record
from worker.core.schema_decision import deadletter_schema, decision_schema
from worker.settings import Settings, load

LONELY = "no policy for the event's tenant"


@pytest.fixture
def config(policies: Path, tmp_path: Path) -> Path:
    """Settings of lists alone over a SQLite file whose dead letters are pointers when over 2,000 bytes."""
    path = tmp_path / "lists.toml"
    path.write_text(
        f'transport = "sqlite"\npolicies = "{policies}"\n[sqlite]\npath = "{tmp_path / "queue.db"}"\n'
        '[models]\nprofile = "words"\n[http]\nport = 0\n[flow]\ndead_letter_bytes = 2000\n'
    )
    return path


def tidegate(*words: object) -> Result:
    """Run a verb in this process."""
    with log_put_back():
        return CliRunner().invoke(app, ["deadletter", *map(str, words)], env={"COLUMNS": "120"})


async def send(settings: Settings, drafts: list[Draft]) -> None:
    sender = make_sender(settings)
    await sender.start()
    await sender.send(drafts)
    await sender.stop()


async def decide(settings: Settings, count: int) -> None:
    """Run a worker until it has read `count` records and finished them."""
    worker = Worker(settings, make_transport(settings, SystemClock()), load_models(settings.models.model_dump()))
    async with asyncio.timeout(30), running(worker):
        read = worker.metrics.registry.get_sample_value
        while read("tidegate_records_total") != count or worker.flow.credits.held[0]:
            worker.flow.settled.clear()
            await worker.flow.settled.wait()


async def read_all(settings: Settings, *routes: str) -> list[Record]:
    tail = make_tail(settings, [getattr(settings.topics, route) for route in routes], from_beginning=True)
    await tail.start()
    found: list[Record] = []
    while not await tail.caught_up():
        found += await tail.read(max_records=1_000, timeout_s=0.5)
    await tail.stop()
    return found


def strangers(settings: Settings, count: int) -> list[Draft]:
    """Events of a tenant without a policy, of three actors; the last one is large."""
    texts = ["hello"] * (count - 1) + ["hello " * 1_000]
    return [
        Draft(
            settings.topics.events,
            b"u%d" % (i % 3),
            event(f"{i:02}", text, tenant="later", context={"actor": f"u{i % 3}"}),
            (("theirs", b"kept"),),
            i % 3,
        )
        for i, text in enumerate(texts)
    ]


def welcome(policies: Path) -> None:
    """Give the tenant a policy."""
    (policies / "tenants.json").write_bytes(orjson.dumps({"acme": "words", "later": "words"}))


async def check_redriven(settings: Settings, count: int) -> None:
    """Every event has one decision, marked with where it was first read, in the order of its key."""
    decisions = [orjson.loads(record.value or b"") for record in await read_all(settings, "allow")]
    assert sorted(d["event_id"] for d in decisions) == [f"{i:02}" for i in range(count)]
    for decision in decisions:
        jsonschema.validate(decision, decision_schema(), jsonschema.Draft202012Validator)
        number = int(decision["event_id"])
        first, source = decision["first"], decision["source"]
        assert first == {"topic": settings.topics.events, "partition": number % 3, "offset": number // 3}
        assert (source["partition"], source["offset"] > first["offset"]) == (number % 3, True)
    for actor in range(3):
        theirs = [d["event_id"] for d in decisions if int(d["event_id"]) % 3 == actor]
        assert theirs == sorted(theirs)
    for letter in await read_all(settings, "dead_letter"):
        if letter.value is not None:  # not a marker
            names = {name: content.decode() for name, content in letter.headers}
            jsonschema.validate(names, deadletter_schema(), jsonschema.Draft202012Validator)


async def through_the_command(config: Path, settings: Settings, policies: Path) -> None:
    """List, show, dry run, mend, redrive, decide, and again."""

    async def command(*words: object) -> Any:
        result = await asyncio.to_thread(tidegate, *words, "-c", config)
        assert result.exit_code == 0, result.output
        return orjson.loads(result.stdout) if "--json" in words else result.stdout

    await send(settings, strangers(settings, 10))
    await decide(settings, 10)
    (row,) = (await command("list", "--json"))["waiting"]
    assert (row["code"], row["count"], row["tenants"]) == ("unknown_tenant", 10, ["later"])
    assert "unknown_tenant" in await command("list")
    shown = await command("show", "0:0", "--json")
    assert (shown["source"], shown["attempts"], shown["stage"]) == (f"{settings.topics.events}:0:0", 1, "envelope")
    assert LONELY in shown["reason"]
    assert "hello" not in orjson.dumps(shown).decode()
    assert "hello" in (await command("show", "0:0", "--json", "--content"))["content"]
    large = await command("show", "0:3", "--json", "--content")
    assert large["pointer_sha256"]
    assert "hello hello" in large["content"]
    dry = await command("redrive", "--all", "--dry-run", "--json")
    assert (dry["chosen"], dry["sent"]) == (10, 0)
    welcome(policies)
    one = await command("redrive", "0:0", "--json")
    assert (one["chosen"], one["sent"]) == (1, 1)
    rest = await command("redrive", "--code", "unknown_tenant", "--since", "1h", "--rate", "1000", "--json")
    assert (rest["chosen"], rest["sent"]) == (9, 9)
    again = await command("redrive", "--all", "--json")
    assert (again["chosen"], again["sent"]) == (0, 0)
    assert "10 were sent back before" in await command("list")
    await decide(settings, 10)
    await check_redriven(settings, 10)


@pytest.mark.timeout(60)
async def test_a_redrive_over_sqlite(config: Path, policies: Path) -> None:
    """The whole way, over a file."""
    await through_the_command(config, load(config), policies)


@pytest.mark.kafka
@pytest.mark.timeout(120)
async def test_a_redrive_over_kafka(kafka: str, policies: Path, tmp_path: Path) -> None:
    """The whole way, over a real broker."""
    made = await settings_on(kafka, policies)
    config = tmp_path / "kafka.toml"
    topics = "\n".join(f'{role} = "{topic}"' for role, topic in made.topics.model_dump().items() if topic)
    config.write_text(
        f'policies = "{policies}"\n[topics]\n{topics}\n[models]\nprofile = "words"\n[flow]\ndead_letter_bytes = 2000\n'
        f'[kafka]\n"bootstrap.servers" = "{kafka}"\n"group.id" = "{made.kafka.group_id}"\n'
    )
    await through_the_command(config, load(config), policies)


async def test_one_that_fails_again_keeps_its_first_position_and_counts_its_rounds(config: Path) -> None:
    """Nothing was mended: the second letter says so."""
    settings = load(config)
    await send(settings, strangers(settings, 2)[:1])
    await decide(settings, 1)
    for round in (1, 2):
        assert (await asyncio.to_thread(tidegate, "redrive", "--all", "-c", config)).exit_code == 0
        await decide(settings, 1)
        result = await asyncio.to_thread(tidegate, "show", "0:0", "--json", "-c", config)
        shown = orjson.loads(result.stdout)
        assert (shown["first_read_at"], shown["redrives"]) == (f"{settings.topics.events}:0:0", round)
        assert shown["source"] == f"{settings.topics.events}:0:{round}"
        assert shown["own_headers"] == {"theirs": 4}


def test_what_cannot_be_done_is_said(config: Path) -> None:
    """2 for what makes no sense, 1 for a letter that is not there."""
    nothing = tidegate("redrive", "-c", config)
    assert "nothing is chosen" in str(nothing.exception)
    assert "is no position" in str(tidegate("show", "x", "-c", config).exception)
    assert "is no time" in str(tidegate("redrive", "--since", "soon", "-c", config).exception)
    gone = tidegate("show", "0:5", "-c", config)
    assert (gone.exit_code, "no letter" in gone.output) == (1, True)
    assert tidegate("redrive", "0:5", "-c", config).exit_code == 1


def test_the_policy_of_these_tests_knows_one_tenant() -> None:
    """Else nothing here would be parked."""
    assert POLICY["id"] == "words"
