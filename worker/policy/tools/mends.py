"""How to mend what stands in a policy file, from what was written and what is expected there."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any

from pydantic_core import ErrorDetails

_EXPECTED = "write what is expected here"
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+")
_NOT_A_NAME = re.compile(r"[^a-z0-9_-]+")
_PER_CENT = 100
_CATEGORIES = '{"name": {"definition": "…", "flag": 0.5}}'
_SHAPES = MappingProxyType(
    {
        "categories": _CATEGORIES,
        "children": _CATEGORIES,
        "context": '{"audience": "kids"}',
        "examples": '{"violating": ["…"], "allowed": ["…"]}',
        "images": '[{"list": "lists/…", "category": "…", "action": "block"}]',
        "limits": '{"text_chars": 20000}',
        "on": '{"audio": {"block": 0.95}}',
        "otherwise": '{"failed": "flag"}',
        "set": '{"category": {"flag": 0.3}}',
        "terms": '[{"words": ["…"], "category": "…", "action": "flag"}]',
        "tests": '[{"name": "…", "text": "…", "expect": "flag"}]',
        "violating": '["…", "…"]',
        "allowed": '["…", "…"]',
        "when": '[{"if": "context.audience == \'kids\'", "set": {"category": {"flag": 0.3}}}]',
        "words": '["…", "…"]',
    }
)


def mend_json(text: str, at: int) -> str:
    """How to mend a text that stops being JSON at the character `at`."""
    rest, before = text[at:], text[:at].rstrip()
    if rest.startswith(("//", "/*", "#")):
        return "take it out: JSON has no comments; `description` is for people"
    if rest[:1] in ("'", "‘", "’", "“", "”"):
        return f'write " for {rest[0]}'
    if before.endswith(",") and rest[:1] in ("}", "]"):
        return "take out the comma before it"
    return "look at this place and right before it: a comma, a quote or a bracket is missing or too many"


def mend_value(details: ErrorDetails) -> str:
    """How to mend a value of the wrong kind."""
    kind, given, name = details["type"], details.get("input"), str(details["loc"][-1]) if details["loc"] else ""
    if kind in ("dict_type", "model_type", "model_attributes_type", "list_type") and name in _SHAPES:
        return f"write it like {_SHAPES[name]}"
    if kind == "string_pattern_mismatch" and "[key]" in details["loc"]:
        return f'write "{_NOT_A_NAME.sub("-", str(given).lower()).strip("-") or "name"}"'
    if kind == "string_type" and _is_number(given):
        return f'write "{given}"'
    if kind == "threshold" and isinstance(given, str) and _NUMBER.fullmatch(given):
        return f"write {given} without quotes"
    if kind == "threshold" and isinstance(given, int) and 1 < given <= _PER_CENT:
        return f"write {given / _PER_CENT:g} for {given:g} %"
    return _EXPECTED


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)
