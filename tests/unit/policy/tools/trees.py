"""Random small policies, with every kind of field and condition."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXACT = ["context.audience == 'kids'", "context.audience != 'kids'", "context.attributes.level > 3", "'audio' in parts"]
OPAQUE = "context.audience.startsWith('k')"
GRID = (0.0, 0.2, 0.5, 0.8, 1.0)

LAW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

_thresholds = st.sampled_from((None, *GRID))
_modes = st.sampled_from((None, None, None, "enforce", "shadow", "off"))


@st.composite
def overrides(draw: st.DrawFn) -> dict[str, Any]:
    return told({"flag": draw(_thresholds), "block": draw(_thresholds), "mode": draw(_modes)})


@st.composite
def categories(draw: st.DrawFn, depth: int = 3) -> dict[str, Any]:
    found = {}
    for name in draw(st.lists(st.sampled_from("ab"), unique=True, min_size=1 if depth == 3 else 0)):
        node = draw(overrides())
        if draw(st.booleans()):
            node["definition"] = f"what {name} is"
        if draw(st.integers(0, 3)) == 0:
            node["on"] = {"audio": draw(overrides())}
        if draw(st.integers(0, 3)) == 0:
            node["rollup"] = False
        if depth > 1 and (children := draw(categories(depth - 1))):
            node["children"] = children
        found[name] = node
    return found


@st.composite
def documents(draw: st.DrawFn, name: str, conditions: list[str]) -> dict[str, Any]:
    """A policy's JSON with up to two conditions."""
    tree: dict[str, Any] = {"id": name, "version": "1", "categories": draw(categories())}
    paths = [path for path in ("a", "b", "a/a", "a/b", "b/a") if _has(tree["categories"], path)]
    tree["when"] = [
        {"if": draw(st.sampled_from(conditions)), "set": {draw(st.sampled_from(paths)): draw(overrides())}}
        for _ in range(draw(st.integers(0, 2)))
    ]
    return tree


def told(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value is not None}


def _has(tree: dict[str, Any], path: str) -> bool:
    *above, last = path.split("/")
    for step in above:
        tree = tree.get(step, {}).get("children", {})
    return last in tree
