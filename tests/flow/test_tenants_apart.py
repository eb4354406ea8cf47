"""Tenants apart: what one sends, is told, or writes into its policy is nowhere in what another sees."""

from __future__ import annotations

import base64
import random
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import structlog
from prometheus_client import generate_latest

from tests.flow.conftest import Bench, event
from tests.flow.test_bad_input import noise, png
from worker.score.profile import Models
from worker.settings import Settings, load

SECRET = "zebra-quartz"  # in everything that one tenant sends or writes
TOLERANCE = 1e-3  # of a score, between alone and among any neighbours
WATCHED = {
    "plain": "have a nice day, see you at the river",
    "threat": "I will find you and I will kill you tonight",
    "own": "selling my maxed account, fifty dollars, message me",
    "edge": "honestly you people are the worst and everybody knows it",
}


def child(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "version": "1", "extends": "base", **more}


def write(folder: Path, name: str, tree: Any) -> None:
    (folder / f"{name}.json").write_bytes(orjson.dumps(tree))


@pytest.fixture
def two(tmp_path: Path) -> Settings:
    """Tenants a and b: one parent, each with a category `own` that means something else, lists and conditions."""
    folder = tmp_path / "two"
    folder.mkdir()
    base = {"id": "base", "version": "1", "categories": {"own": {"flag": 0.5, "block": 0.9}}}
    write(folder, "base", base)
    for tenant, word in (("a", SECRET), ("b", "cobalt-finch")):
        terms = [{"words": [word], "match": "word", "category": "own", "action": "block"}]
        when = [{"if": f"context.attributes.level == '{word}'", "set": {"own": {"flag": 0.1}}}]
        write(folder, tenant, child(tenant, terms=terms, when=when))
    write(folder, "tenants", {f"{SECRET}-tenant": "a", "b": "b"})
    return load(None, {"policies": folder, "models.profile": "words"})


def hostile(n: int) -> list[bytes]:
    """What the first tenant sends: good, bad and broken, its secret in every place that takes a text."""
    tenant = f"{SECRET}-tenant"
    deep: dict[str, Any] = {"attributes": {SECRET: SECRET, "level": SECRET}, "actor": SECRET, "channel": SECRET}
    whole = event(f"{SECRET}-{n}", SECRET, tenant=tenant, context=deep, stream={"id": SECRET, "speaker": SECRET})
    picture = {"type": "image", "data": base64.b64encode(png(noise(16)) + SECRET.encode()).decode(), "mime": SECRET}
    broken = {"type": "image", "data": base64.b64encode(b"\x89PNG\r\n\x1a\n" + SECRET.encode() * 9).decode()}
    elsewhere = {"type": "image", "ref": {"url": f"https://{SECRET}.example/{SECRET}", "sha256": SECRET, "bytes": 7}}
    odd = {"type": SECRET, SECRET: SECRET}
    parts = orjson.dumps({"id": f"{SECRET}-p{n}", "tenant": tenant, "parts": [picture, broken, elsewhere, odd]})
    return [
        whole,
        parts,
        whole[:-9],
        f"{SECRET} is no JSON".encode(),
        whole.replace(b'"text"', f'"{SECRET}"'.encode(), 1),
    ]


async def test_nothing_of_one_tenant_is_in_what_another_is_told(two: Settings) -> None:
    """Decisions, their headers, dead letters, logs, metrics and /status, after a run of both, interleaved."""
    bench = Bench(two, partitions=1)
    mine = [
        event(f"b-{n}", "cobalt-finch" if n % 2 else "good morning", tenant="b", context={"actor": "u"})
        for n in range(20)
    ]
    theirs = [value for n in range(4) for value in hostile(n)]
    with structlog.testing.capture_logs() as lines:
        async with bench.running():
            for one, other in zip(mine, theirs, strict=True):
                bench.send([one, other])
            await bench.until(40)
            status = orjson.dumps(bench.worker.health.status(), default=str).decode()
    told = bench.out("allow", "flag", "block", "dead_letter")
    assert len(told) == 40
    own = [record for record in told if dict(record.headers).get("tenant") == b"b"]
    assert len(own) == 20
    for record in own:
        assert SECRET.encode() not in (record.value or b"") + b"".join(value for _, value in record.headers)
    assert sorted(orjson.loads(r.value or b"")["action"] for r in own) == ["allow"] * 10 + ["block"] * 10
    metrics = generate_latest(bench.worker.metrics.registry).decode()
    for place, said in (("metrics", metrics), ("logs", str(lines))):
        assert SECRET not in said, place
    assert "cobalt" not in status
    decided = [orjson.loads(record.value or b"") for record in bench.out()]
    reasons = [problem["reason"] for decision in decided for problem in decision["degraded"] or ()]
    assert reasons
    assert SECRET not in str(reasons)  # not even what its own tenant is told holds content


async def test_one_tenants_conditions_and_lists_say_nothing_of_anothers_events(two: Settings) -> None:
    """The same words and attributes, from each of the two: each is judged by its own policy alone."""
    bench = Bench(two, partitions=1)
    sent = [
        event(f"{who}-{word}-{level}", word, tenant=tenant, context={"attributes": {"level": level}})
        for who, tenant in (("a", f"{SECRET}-tenant"), ("b", "b"))
        for word in (SECRET, "cobalt-finch")
        for level in (SECRET, "cobalt-finch")
    ]
    random.Random(3).shuffle(sent)
    async with bench.running():
        bench.send(sent * 3)
        await bench.until(24)
    for decision in bench.decisions():
        who, word = decision["event_id"][0], decision["event_id"][2:].startswith(SECRET)
        assert decision["action"] == ("block" if (who == "a") == word else "allow"), decision["event_id"]


@pytest.fixture
def sold(tmp_path: Path) -> Settings:
    """Two tenants whose `own` category has one name and two meanings, under real models."""
    folder = tmp_path / "sold"
    folder.mkdir()
    trade = {
        "definition": "Offers to sell game accounts for real money",
        "examples": {
            "violating": ["selling maxed acct 50$ dm", "account for sale, pay by card"],
            "allowed": ["I sold my old console"],
        },
        "flag": 0.5,
    }
    ducks = {
        "definition": "Talks about ducks and rivers",
        "examples": {"violating": ["we fed the ducks by the river"]},
        "flag": 0.5,
    }
    write(folder, "a", {"id": "a", "version": "1", "categories": {"own": trade}})
    write(folder, "b", {"id": "b", "version": "1", "categories": {"own": ducks}})
    default = Path(__file__).parents[2] / "policies" / "default.json"
    (folder / "default.json").write_bytes(default.read_bytes())
    write(folder, "tenants", {"a": "a", "b": "b", "*": "default"})
    return load(None, {"policies": folder})


async def scores(bench: Bench, sent: list[bytes]) -> dict[str, dict[str, Any]]:
    async with bench.running():
        bench.send(sent)
        await bench.until(len(sent))
    return {decision["event_id"]: decision for decision in bench.decisions()}


def crowd(seed: int, count: int) -> list[bytes]:
    """Neighbours from three tenants, made to disturb: very long, empty, of other scripts, repeated, full of markers."""
    draw = random.Random(seed)
    kinds = [
        lambda: "kill " * draw.randint(1, 400),
        lambda: "".join(chr(draw.randint(0x20, 0x2FFF)) for _ in range(draw.randint(1, 300))),
        lambda: "\u200b" * draw.randint(0, 50),
        lambda: draw.choice(list(WATCHED.values())) + " " * draw.randint(0, 9),
        lambda: "[CLS] [SEP] [PAD] [MASK] " * draw.randint(1, 60),
        lambda: "a" * draw.randint(1, 3_000),
    ]
    tenants = ("a", "b", "someone")
    return [event(f"x{seed}-{n}", draw.choice(kinds)(), tenant=draw.choice(tenants)) for n in range(count)]


@pytest.mark.models
async def test_a_score_does_not_change_with_other_tenants_in_its_batch(sold: Settings, embedded: Models) -> None:
    """Alone and among neighbours made to disturb, within `TOLERANCE`, and never to another action."""
    watched = [event(f"{t}/{n}", text, tenant=t) for t in ("a", "b", "someone") for n, text in WATCHED.items()]
    alone: dict[str, dict[str, Any]] = {}
    for sent in watched:
        alone |= await scores(Bench(sold, partitions=1, models=embedded), [sent])
    worst = 0.0
    for seed in range(2):
        around = crowd(seed, 60)
        for sent in watched:
            around.insert(random.Random(seed).randrange(len(around)), sent)
        together = await scores(Bench(sold, partitions=1, models=embedded), around)
        for id, before in alone.items():
            now = together[id]
            assert (now["action"], now["scores"].keys()) == (before["action"], before["scores"].keys())
            worst = max(worst, *(abs(now["scores"][c] - before["scores"][c]) for c in before["scores"]))
    assert worst <= TOLERANCE, worst


@pytest.mark.models
async def test_categories_of_one_name_are_scored_by_their_own_tenants_meaning(sold: Settings, embedded: Models) -> None:
    """The same text in one batch: what one tenant's definition and examples say is not what the other's say."""
    texts = ["selling maxed account for 50$", "we fed the ducks by the river yesterday"]
    sent = [event(f"{t}{n}", text, tenant=t) for n, text in enumerate(texts) for t in ("a", "b")]
    found = await scores(Bench(sold, partitions=1, models=embedded), sent * 4)
    own = {id: decision["scores"]["own"] for id, decision in found.items()}
    assert own["a0"] > own["b0"] + 0.2
    assert own["b1"] > own["a1"] + 0.2
    assert np.isfinite(list(own.values())).all()
