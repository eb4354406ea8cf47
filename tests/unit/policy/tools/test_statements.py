"""Statements of reasons: golden files, the database's own rules, and no statement that would be a guess."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.policy.compile import CompiledPolicy
from worker.policy.tools.loading import by_digest, open_folder
from worker.policy.tools.plain_words import plain_words
from worker.policy.tools.statement import Statement
from worker.policy.tools.statements import NoStatement, batches, statement_of

GOLDEN = Path(__file__).parent / "golden_dsa"


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CompiledPolicy]:
    folder = tmp_path_factory.mktemp("policies")
    shutil.copy(GOLDEN / "policy.json", folder / "acme.json")
    return by_digest([open_folder(folder)])


def reason(category: str, score: float | None, threshold: float = 0.5, **more: Any) -> dict[str, Any]:
    said = {"category": category, "type": "text", "action": "block", "view": "parts/0", **more}
    if score is None:
        return said | {"list": "lists/terror.txt"}
    return said | {"score": score, "threshold": threshold, "threshold_from": f"acme:{category}", "model": "minilm"}


def decision(policies: dict[str, CompiledPolicy], *reasons: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A block just after midnight of an event that waited since the day before."""
    (digest,) = policies
    return {
        "id": "d-0123456789abcdef",
        "event_id": "user-4711-message-9",
        "tenant": "acme",
        "time": "2026-11-25T00:00:01.000Z",
        "types": ["text"],
        "action": "block",
        "reasons": list(reasons),
        "overrides": [],
        "context": {"language": "de-AT", "actor": "user-4711"},
        "policy": {"id": "acme", "version": "7", "digest": digest},
        "models": [{"name": "minilm", "version": "2", "digest": "sha256:0"}],
        "latency_ms": {"queue": 2_000, "score": 10, "total": 2_010},
        **more,
    }


CASES: dict[str, Any] = {
    "score": [reason("hate", 0.91, 0.8)],
    "list": [reason("terror", None), reason("hate", 0.99, 0.8)],
    "two": [reason("hate", 0.85, 0.8), reason("terror", 0.9)],
}


@pytest.mark.parametrize("name", CASES)
def test_a_statement_is_the_golden_one(policies: dict[str, CompiledPolicy], name: str) -> None:
    """Field by field; the folder's files are what the database is sent."""
    types = ["audio", "image", "text"] if name == "two" else ["text"]
    found = statement_of(decision(policies, *CASES[name], types=types), policies)
    assert isinstance(found, Statement)
    assert found.as_json() == orjson.loads((GOLDEN / f"{name}.json").read_bytes())


def test_how_it_was_found_and_who_decided_are_not_mixed_up(policies: dict[str, CompiledPolicy]) -> None:
    """Found by automated means: Yes. Decided without a person: fully automated. On the provider's own initiative."""
    found = statement_of(decision(policies, *CASES["score"]), policies)
    assert isinstance(found, Statement)
    assert (found.automated_detection, found.automated_decision) == ("Yes", "AUTOMATED_DECISION_FULLY")
    assert (found.source_type, found.source_identity) == ("SOURCE_VOLUNTARY", None)


def test_nothing_of_the_person_stands_in_it(policies: dict[str, CompiledPolicy]) -> None:
    """Neither event nor actor; Article 24(5)."""
    found = statement_of(decision(policies, *CASES["list"]), policies)
    assert isinstance(found, Statement)
    assert b"4711" not in orjson.dumps(found.as_json())


@pytest.mark.parametrize("action", ["allow", "flag"])
def test_only_a_block_restricts(policies: dict[str, CompiledPolicy], action: str) -> None:
    """A flag waits for a person, who states the reasons then."""
    assert statement_of(decision(policies, *CASES["score"], action=action), policies) is None


@pytest.mark.parametrize(
    ("reasons", "more", "why"),
    [
        ([reason("spam", 0.9)], {}, "category spam of acme has no dsa: write it"),
        ([reason("other", 0.9)], {}, "is needed: say what the decision does"),
        ([], {"overrides": [{"cause": "degraded"}]}, r"no category asked for the block \(degraded\)"),
        (CASES["score"], {"policy": {"id": "old", "version": "1", "digest": "sha256:1"}}, "old 1 is not at hand"),
    ],
)
def test_what_is_missing_is_named_and_never_made_up(
    policies: dict[str, CompiledPolicy], reasons: list[Any], more: dict[str, Any], why: str
) -> None:
    """No statement is better than a wrong one."""
    found = statement_of(decision(policies, *reasons, **more), policies)
    assert isinstance(found, NoStatement)
    assert re.search(why, found.why), found.why


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"puid": "a b"}, "puid"),
    ({"puid": "x" * 501}, "puid"),
    ({"decision_visibility": None}, "decision_visibility"),
    ({"decision_visibility": ["DECISION_VISIBILITY_OTHER"]}, "decision_visibility_other"),
    ({"decision_visibility": ["REMOVED"]}, "decision_visibility"),
    ({"decision_monetary": "DECISION_MONETARY_OTHER"}, "decision_monetary_other"),
    ({"decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT"}, "illegal_content_legal_ground"),
    ({"incompatible_content_ground": None}, "incompatible_content_ground"),
    ({"illegal_content_explanation": "x"}, "illegal_content_explanation"),
    ({"incompatible_content_explanation": "x" * 2001}, "incompatible_content_explanation"),
    ({"decision_ground_reference_url": "rules"}, "decision_ground_reference_url"),
    ({"content_type": []}, "content_type"),
    ({"content_type": ["CONTENT_TYPE_OTHER"]}, "content_type_other"),
    ({"category": "STATEMENT_CATEGORY_SPAM"}, "category"),
    ({"category_addition": ["STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH"]}, "category_addition"),
    ({"category_specification": ["KEYWORD_OTHER"]}, "category_specification_other"),
    ({"territorial_scope": ["US"]}, "territorial_scope"),
    ({"content_language": "de"}, "content_language"),
    ({"application_date": "2026-11-23"}, "application_date"),
    ({"decision_facts": ""}, "decision_facts"),
    ({"decision_facts": "x" * 5001}, "decision_facts"),
    ({"source_type": "VOLUNTARY"}, "source_type"),
    ({"source_identity": "somebody"}, "source_identity"),
    ({"automated_detection": "no"}, "automated_detection"),
    ({"automated_decision": "Yes"}, "automated_decision"),
    ({"content_id": {"EAN-13": "12"}}, "content_id"),
    ({"email": "a@example.org"}, "email"),
]


@pytest.mark.parametrize(
    ("change", "field"), WRONG, ids=[f"{number}-{field}" for number, (_, field) in enumerate(WRONG)]
)
def test_the_databases_rules_are_kept(change: dict[str, Any], field: str) -> None:
    """Each field's own, and those between fields."""
    good = orjson.loads((GOLDEN / "score.json").read_bytes())
    Statement.model_validate_json(orjson.dumps(good))
    with pytest.raises(ValidationError, match=field):
        Statement.model_validate_json(orjson.dumps({k: v for k, v in (good | change).items() if v is not None}))


@given(st.integers(0, 350))
def test_a_batch_has_at_most_a_hundred(count: int) -> None:
    """And together they have all, in order."""
    one = Statement.model_validate_json((GOLDEN / "score.json").read_bytes())
    made = [one.model_copy(update={"puid": f"d-{number}"}) for number in range(count)]
    found = list(batches(made))
    assert all(0 < len(batch["statements"]) <= 100 for batch in found)
    assert [one["puid"] for batch in found for one in batch["statements"]] == [one.puid for one in made]


def test_the_person_reads_rule_place_and_what_to_do(policies: dict[str, CompiledPolicy]) -> None:
    """No score, model or threshold."""
    (policy,) = policies.values()
    acting = [reason("hate", 0.91, 0.8, evidence={"span": [11, 40]}), reason("spam", 0.7, type="audio")]
    acting[1]["evidence"] = {"t": [3.2, 5.0]}
    said = decision(policies, *acting, types=["audio", "text"], degraded=None)
    stated = {path: dsa for path in policy.categories if (dsa := policy.dsa(path)) is not None}
    assert plain_words(said, stated, "You can appeal") == (
        "Your recording and message of 25 November 2026 was not published. The rule is “Rule 3”. "
        "It attacks people for who they are. Our rules on spam do not allow it. "
        "It was found in the text, characters 12 to 40; in what is said from second 3 to 5. "
        "An automated system found it and decided; no person took part. You can appeal."
    )


def test_the_person_is_told_when_nothing_was_found(policies: dict[str, CompiledPolicy]) -> None:
    """In one sentence more."""
    said = decision(policies, action="allow", degraded=None)
    assert plain_words(said, {}).endswith("was published. Nothing was found in it that our rules do not allow.")
