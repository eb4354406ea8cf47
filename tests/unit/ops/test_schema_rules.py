"""Schemas change by rules: what was valid stays valid, what readers rely on stays, as of the last release."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.schema_rules import Side, breaks

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"
SIDES: dict[str, Side] = {"event": "written", "policy": "written", "decision": "read", "deadletter": "read"}


def schema(name: str, *, released: bool = False) -> dict[str, Any]:
    folder = SCHEMAS / "released" if released else SCHEMAS
    found: dict[str, Any] = json.loads((folder / f"{name}.v1.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", SIDES)
def test_todays_schemas_keep_to_the_last_releases(name: str) -> None:
    """A line here is a new major version, or a change to take back."""
    assert breaks(schema(name, released=True), schema(name), SIDES[name]) == []


def test_every_schema_that_was_released_is_still_there() -> None:
    """And whether others write it or read it is stated."""
    assert {path.name.split(".")[0] for path in (SCHEMAS / "released").glob("*.json")} == SIDES.keys()


def changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    made = copy.deepcopy(BASE)
    change(made)
    return made


BASE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "maxLength": 10},
        "action": {"enum": ["allow", "flag"]},
        "score": {"type": ["number", "null"]},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}},
    },
    "$defs": {"part": {"type": "object", "properties": {"kind": {"type": "string"}}}},
}
_FIELDS = "properties"


@pytest.mark.parametrize(
    ("change", "written", "read"),
    [
        (lambda s: s["required"].append("action"), "$.action: required", None),
        (lambda s: s["required"].clear(), None, "$.id: required"),
        (lambda s: s[_FIELDS].pop("action"), "$.action: the field", None),
        (lambda s: s[_FIELDS].update(new={"type": "string"}), None, None),
        (lambda s: s[_FIELDS]["id"].update(maxLength=5), "$.id: maxLength", None),
        (lambda s: s[_FIELDS]["id"].update(maxLength=20), None, "$.id: maxLength"),
        (lambda s: s[_FIELDS]["action"]["enum"].append("block"), None, "$.action: values"),
        (lambda s: s[_FIELDS]["action"]["enum"].pop(), "$.action: values", None),
        (lambda s: s[_FIELDS]["score"].update(type="number"), "$.score: type null", None),
        (lambda s: s["$defs"]["part"][_FIELDS]["kind"].update(type="integer"), "$.parts[].kind", "$.parts[].kind"),
    ],
)
def test_the_rules_find_what_a_change_breaks(
    change: Callable[[dict[str, Any]], None], written: str | None, read: str | None
) -> None:
    """For those who write by the old schema, and for those who read by it."""
    sides: tuple[tuple[Side, str | None], ...] = (("written", written), ("read", read))
    for side, said in sides:
        found = breaks(BASE, changed(change), side)
        assert bool(found) == (said is not None), (side, found)
        assert said is None or found[0].startswith(said), found
