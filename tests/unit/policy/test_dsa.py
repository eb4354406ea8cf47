"""Statements of reasons: inherited down the tree and by `extends`, strict in their words, whole in what ships."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policy.building import POLICIES, policy, source
from worker.core.errors import PolicyRejected
from worker.policy.compile import CompiledPolicy, compile_policy
from worker.policy.dsa import Dsa
from worker.policy.reading import read_policy
from worker.policy.resolve import resolve
from worker.score.profile import Models

STATEMENT: dict[str, Any] = {
    "category": "STATEMENT_CATEGORY_VIOLENCE",
    "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
    "incompatible_content_ground": "rule 1",
    "incompatible_content_explanation": "because",
}


def shipped(name: str) -> CompiledPolicy:
    sources = {n: read_policy((POLICIES / f"{n}.json").read_bytes(), f"{n}.json") for n in ("default", name)}
    return compile_policy(resolve(sources[name], sources), POLICIES, Models().concepts)


@pytest.mark.parametrize("name", ["default", "kids-game", "news-forum"])
def test_every_category_that_ships_has_a_whole_statement(name: str) -> None:
    """So that an export never lacks a field that the Transparency Database needs."""
    compiled = shipped(name)
    for category in compiled.categories:
        statement = compiled.dsa(category)
        assert statement is not None, category
        assert statement.missing() is None, category


def test_each_field_is_inherited_by_itself() -> None:
    """From the nearest ancestor that has it, through `extends` too."""
    base = {"id": "base", "categories": {"a": {"dsa": STATEMENT, "children": {"b": {"children": {"c": {}}}}}, "d": {}}}
    child = {
        "id": "child",
        "extends": "base",
        "categories": {"a": {"children": {"b": {"dsa": {"incompatible_content_ground": "rule 2"}}}}},
    }
    compiled = policy(base, child)
    found = {path: compiled.dsa(path) for path in compiled.categories}
    assert found["d"] is None
    assert found["a/b"] == found["a/b/c"] == Dsa(**STATEMENT | {"incompatible_content_ground": "rule 2"})
    assert found["a"] == Dsa(**STATEMENT)


@pytest.mark.parametrize(
    ("changed", "lacks"),
    [
        ({}, None),
        ({"category": None}, "category"),
        ({"decision_ground": None}, "decision_ground"),
        ({"decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT"}, "illegal_content_legal_ground"),
        ({"incompatible_content_explanation": None}, "incompatible_content_explanation"),
        ({"decision_visibility": ["DECISION_VISIBILITY_OTHER"]}, "decision_visibility_other"),
    ],
)
def test_what_a_statement_lacks_is_said(changed: dict[str, Any], lacks: str | None) -> None:
    """By the rules of the database: each ground needs its own texts."""
    assert Dsa(**STATEMENT | changed).missing() == lacks


@pytest.mark.parametrize(
    "wrong",
    [
        {"category": "VIOLENCE"},
        {"category_specification": ["KEYWORD_VIOLENCE"]},
        {"territorial_scope": ["UK"]},
        {"decision_visibility": []},
        {"decision_ground_reference_url": "rules"},
        {"incompatible_content_explanation": "x" * 2001},
        {"explanation": "x"},
    ],
)
def test_words_that_the_database_does_not_know_are_refused(wrong: dict[str, Any]) -> None:
    """When the file is read, with the place."""
    with pytest.raises(PolicyRejected, match=r"categories\.a\.dsa"):
        source({"categories": {"a": {"dsa": STATEMENT | wrong}}})
