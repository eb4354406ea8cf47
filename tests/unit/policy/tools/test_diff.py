"""The structural diff: what differs as it stands after merging, and nothing that does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.policy.building import policy, source
from worker.policy.resolve import Resolved, resolve
from worker.policy.tools.diff import differences, other_contents

BASE: dict[str, Any] = {
    "categories": {"a": {"definition": "one", "flag": 0.5, "children": {"x": {}}}, "b": {"block": 0.9}},
    "terms": [{"words": ["spam"], "category": "b", "action": "flag"}],
    "when": [{"if": "context.audience == 'kids'", "set": {"a": {"flag": 0.2}}}, {"if": "'image' in parts", "set": {}}],
    "limits": {"parts": 3},
}


def merged(tree: Mapping[str, Any]) -> Resolved:
    one = source(tree)
    return resolve(one, {one.document.id: one})


def told(**changed: Any) -> list[tuple[str, str, str, str]]:
    """Kind, group, place and field of each difference to `BASE`."""
    found = differences(merged(BASE), merged(BASE | changed))
    return [(one.kind, one.group, one.where, one.field) for one in found]


def categories(**nodes: Any) -> dict[str, Any]:
    return {"categories": BASE["categories"] | nodes}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"version": "7", "description": "words"}, []),
        (categories(b={"block": 0.8}), [("changed", "categories", "b", "block")]),
        (categories(c={}), [("added", "categories", "c", "")]),
        (categories(b=None), [("removed", "categories", "b", "")]),
        (
            categories(a={"definition": "two", "flag": 0.5, "children": {"x": {}}}),
            [("changed", "categories", "a", "definition")],
        ),
        (
            categories(a={"definition": "one", "flag": 0.6, "children": {"x": {}}}),
            [("changed", "categories", "a", "flag"), ("changed", "categories", "a/x", "flag")],
        ),
        (
            categories(b={"block": 0.9, "on": {"audio": {"block": 0.95}}}),
            [("changed", "categories", "b", "block on audio")],
        ),
        (categories(b={"block": 0.9, "mode": "shadow"}), [("changed", "categories", "b", "mode")]),
        (
            {"terms": [{"words": ["spam"], "category": "b", "action": "block"}]},
            [("changed", "terms", "words spam", "action")],
        ),
        ({"terms": []}, [("removed", "terms", "words spam", "b")]),
        ({"when": BASE["when"][:1]}, [("removed", "when", "'image' in parts", "")]),
        ({"when": BASE["when"][::-1]}, [("changed", "when", "", "order")]),
        (
            {"when": [{"if": "context.audience == 'kids'", "set": {}}, BASE["when"][1]]},
            [("changed", "when", "context.audience == 'kids'", "set")],
        ),
        ({"limits": {"parts": 4}}, [("changed", "limits", "parts", "")]),
        ({"otherwise": {"failed": "block"}}, [("added", "otherwise", "failed", "")]),
    ],
)
def test_what_differs_is_named(changed: dict[str, Any], expected: list[tuple[str, str, str, str]]) -> None:
    """Each part of a document, and an inherited threshold at every node where it stands."""
    if "categories" in changed and changed["categories"].get("b", 0) is None:
        changed = {"categories": {name: node for name, node in changed["categories"].items() if node is not None}}
    assert told(**changed) == expected


def test_a_parents_change_shows_in_its_child() -> None:
    """What is compared is what is in force, wherever it was written."""
    child = {"id": "child", "version": "1", "extends": "p"}
    found = []
    for flag in (0.5, 0.6):
        sources = {one.document.id: one for one in (source({"categories": {"a": {"flag": flag}}}), source(child))}
        found.append(resolve(sources["child"], sources))
    assert [(one.where, one.before, one.after) for one in differences(*found)] == [("a", 0.5, 0.6)]


def test_a_list_of_the_same_name_with_other_entries_differs() -> None:
    """By the digest of its content."""
    before, after = (
        policy({"categories": {"a": {}}, "terms": [{"words": words, "category": "a", "action": "flag"}]}).lists
        for words in (["x"], ["x", "y"])
    )
    assert [one.where for one in other_contents(before, after)] == ["terms[0]"]
    assert other_contents(before, before) == []
