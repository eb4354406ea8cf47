"""A policy file with some values changed: its layout stays where only values that stand there change. Pure."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from worker.core.errors import PolicyRejected
from worker.policy.reading import Source
from worker.policy.tools.textmap import TextMap

Thresholds = Mapping[str, Mapping[str, float | None]]  # by category path: `flag`, `block`; None takes it out


def patch_of(thresholds: Thresholds) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) that sets thresholds by category path."""
    patch: dict[str, Any] = {}
    for path, fields in thresholds.items():
        place = patch.setdefault("categories", {})
        first, *below = path.split("/")
        node = place.setdefault(first, {})
        for name in below:
            node = node.setdefault("children", {}).setdefault(name, {})
        node.update(fields)
    return patch


def patched(source: Source, patch: Mapping[str, Any]) -> str:
    """The file's text under a merge patch."""
    text = source.text
    for path, value in _leaves(patch, ()):
        spans = TextMap(text)
        if path in spans.spans and value is not None:
            text = spans.replaced(spans.spans[path].value, json.dumps(value, ensure_ascii=False))
        else:
            return json.dumps(merged(source.tree, patch), indent=2, ensure_ascii=False) + "\n"
    return text


def merged(tree: Any, patch: Mapping[str, Any]) -> Any:
    """RFC 7396."""
    found = copy.deepcopy(tree) if isinstance(tree, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping):
            found[name] = merged(found.get(name), value)
        else:
            found[name] = value
    return found


def next_version(version: str, now: datetime) -> str:
    """`2026-11-25.1`, counted up within a day."""
    day = now.date().isoformat()
    written, _, number = version.rpartition(".")
    return f"{day}.{int(number) + 1}" if written == day and number.isdecimal() else f"{day}.1"


def thresholds_in(said: Any) -> Thresholds:
    """
    Thresholds as a page sends them.

    Raises:
        PolicyRejected: not an object of objects with `flag` and `block`, numbers or null.
    """
    if not isinstance(said, dict):
        raise PolicyRejected("thresholds: an object by category path is expected")
    for path, fields in said.items():
        right = isinstance(fields, dict) and fields.keys() <= {"flag", "block"}
        numbers = right and all(one is None or (type(one) in (int, float) and 0 <= one <= 1) for one in fields.values())
        if not path or not numbers:
            raise PolicyRejected(f"thresholds of {path!r}: `flag` and `block` are numbers from 0 to 1, or null")
    return said


def _leaves(tree: Mapping[str, Any], at: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, value in tree.items():
        found += _leaves(value, (*at, name)) if isinstance(value, Mapping) and value else [((*at, name), value)]
    return found
