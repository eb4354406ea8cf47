"""A text in a language that the text model does not read is left to the policy, and the decision says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.flow.conftest import Bench, event
from worker.score.profile import Models
from worker.settings import load

GERMAN = "Ich habe gestern meinen Schlüssel im Büro vergessen."


async def decided(models: Models, tmp_path: Path, language: str | None, *events: bytes) -> list[dict[str, Any]]:
    """Decisions under a policy with this `otherwise.language`."""
    policy: dict[str, Any] = {
        "id": "p",
        "version": "1",
        "categories": {"threat": {"definition": "A threat to hurt somebody.", "flag": 0.9}},
        "terms": [{"words": ["schlüssel"], "match": "word", "category": "threat", "action": "block"}],
    }
    if language is not None:
        policy["otherwise"] = {"language": language}
    folder = tmp_path / "policies"
    folder.mkdir(exist_ok=True)
    (folder / "p.json").write_bytes(orjson.dumps(policy))
    (folder / "tenants.json").write_bytes(b'{"*": "p"}')
    bench = Bench(load(None, {"policies": folder}), models=models)
    async with bench.running():
        bench.send(events)
        await bench.until(len(events))
    return bench.decisions()


@pytest.mark.models
async def test_a_foreign_text_is_left_to_the_policy(embedded: Models, tmp_path: Path) -> None:
    """Flagged without a score, with its code and rule; an English neighbour is scored as ever."""
    foreign = GERMAN.replace("Schlüssel", "Hut")
    found = {
        one["event_id"]: one
        for one in await decided(embedded, tmp_path, "flag", event("de", foreign), event("en", "see you tomorrow then"))
    }
    assert found["de"]["action"] == "flag"
    assert found["de"]["scores"] == {}
    assert [(one["code"], one["rule"]) for one in found["de"]["degraded"]] == [("foreign_language", "language")]
    assert found["en"]["action"] == "allow"
    assert found["en"]["degraded"] is None
    assert found["en"]["scores"]


@pytest.mark.models
async def test_by_default_it_is_scored_and_marked(embedded: Models, tmp_path: Path) -> None:
    """The score stands, and the decision says what it is worth."""
    (found,) = await decided(embedded, tmp_path, None, event("de", GERMAN.replace("Schlüssel", "Hut")))
    assert found["scores"]
    assert found["degraded"][0]["code"] == "foreign_language"


@pytest.mark.models
async def test_lists_know_every_language(embedded: Models, tmp_path: Path) -> None:
    """And what they say is not loosened."""
    (found,) = await decided(embedded, tmp_path, "allow", event("de", GERMAN))
    assert found["action"] == "block"


@pytest.mark.models
async def test_a_foreign_part_is_not_scored_by_the_joint_view(embedded: Models, tmp_path: Path) -> None:
    """The other part is scored by itself."""
    parts = [
        {"type": "text", "text": GERMAN.replace("Schlüssel", "Hut")},
        {"type": "text", "text": "nice hat you have there"},
    ]
    two = orjson.dumps({"id": "two", "tenant": "acme", "parts": parts})
    (found,) = await decided(embedded, tmp_path, "flag", two)
    assert found["action"] == "flag"
    assert found["scores"]
    assert len(found["degraded"]) == 1
