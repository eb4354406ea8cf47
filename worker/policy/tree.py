"""
The tree as flat arrays: inheritance (step 3), `on` (step 4) and what rolls up (step 5), for one set of `when` outcomes.

A node's own field is a tuple of candidates. One candidate is the usual case; a condition that failed at run time leaves
two, and the strictest that is possible counts. The candidate `None` means "not set here": look at the parent.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from worker.core.events import PART_TYPES
from worker.core.views import Floats
from worker.policy.document import Category, Override, Setting
from worker.policy.resolve import Resolved

Bools = npt.NDArray[np.bool_]
Value = tuple[float, str]  # a threshold, or a mode's looseness, and the "policy:path" it stands at
Standing = list[list[Value | None]]
Candidates = tuple[Value | None, ...]
Slot = tuple[int, str, int]  # node, field, type of part or ANY
Own = Mapping[Slot, Candidates]
_Effective = tuple[Value | None, bool]  # strictest value, and whether looking further up is still possible

ANY = -1
FIELDS = ("flag", "block", "mode")
_LOOSENESS = {"enforce": 0.0, "shadow": 1.0, "off": 2.0}
_UNSET: Candidates = (None,)
_FALL_THROUGH: _Effective = (None, True)


@dataclass(frozen=True, slots=True)
class Node:
    """A category with its place in the tree."""

    path: str
    parent: int  # -1 for a root
    depth: int
    spec: Category


@dataclass(frozen=True, slots=True)
class Arrays:
    """
    What deciding needs, for one set of condition outcomes; T = 3 types of part, C categories.

    flag, block: float32 [T, C], `inf` for no threshold. *_from: as written and where, by [type][category].
    enforced, shadow: bool [T, C]. rolls: bool [T, C], the node counts for its parent. lowest: float32 [T, 1], no score
    below it can match anything.
    """

    flag: Floats
    block: Floats
    flag_from: Standing
    block_from: Standing
    enforced: Bools
    shadow: Bools
    rolls: Bools
    lowest: Floats


def flatten(categories: Mapping[str, Category | None] | None) -> tuple[Node, ...]:
    """All nodes, parents before children, in the document's order."""
    nodes: list[Node] = []

    def walk(children: Mapping[str, Category | None] | None, prefix: str, parent: int, depth: int) -> None:
        for name, spec in (children or {}).items():
            if spec is not None:
                nodes.append(Node(prefix + name, parent, depth, spec))
                walk(spec.children, f"{prefix}{name}/", len(nodes) - 1, depth + 1)

    walk(categories, "", -1, 0)
    return tuple(nodes)


def document_path(category: str) -> tuple[str, ...]:
    """`hate/threatening` as a path in the document: categories, hate, children, threatening."""
    steps = category.split("/")
    return ("categories", *itertools.chain.from_iterable((step, "children") for step in steps[:-1]), steps[-1])


def own_fields(resolved: Resolved, nodes: Sequence[Node]) -> dict[Slot, Candidates]:
    """What each node sets by itself, before any condition."""
    own: dict[Slot, Candidates] = {}
    for index, node in enumerate(nodes):
        path = document_path(node.path)
        for slot, value, inside in fields_of(index, node.spec):
            policy = resolved.origin((*path, *inside))
            own[slot] = ((value, f"{policy}:{node.path}{_on(inside)}"),)
    return own


def fields_of(node: int, spec: Category | Setting) -> list[tuple[Slot, float, tuple[str, ...]]]:
    """The fields that `spec` names: slot, value, and where it stands inside the node."""
    found: list[tuple[Slot, float, tuple[str, ...]]] = []
    found += [((node, name, ANY), value, (name,)) for name, value in _values(spec)]
    for part in PART_TYPES:
        if override := (spec.on or {}).get(part.label):  # type: ignore[call-overload]
            found += [((node, name, int(part)), value, ("on", part.label, name)) for name, value in _values(override)]
    return found


def _on(inside: tuple[str, ...]) -> str:
    return "." + ".".join(inside[:-1]) if len(inside) > 1 else ""


def _values(spec: Category | Setting | Override) -> list[tuple[str, float]]:
    mode = None if spec.mode is None else _LOOSENESS[spec.mode]
    named = (("flag", spec.flag), ("block", spec.block), ("mode", mode))
    return [(name, value) for name, value in named if value is not None]


def build(nodes: Sequence[Node], own: Own) -> Arrays:
    """Effective thresholds and modes of every node and type."""
    shape = (len(PART_TYPES), len(nodes))
    values = {name: np.full(shape, np.inf, dtype=np.float32) for name in ("flag", "block")}
    values["mode"] = np.zeros(shape, dtype=np.float32)
    origins: dict[str, Standing] = {f: [[None] * len(nodes) for _ in PART_TYPES] for f in FIELDS}
    for field in FIELDS:
        plain = _inherited(nodes, own, field, ANY)
        for part in PART_TYPES:
            override = _inherited(nodes, own, field, int(part))
            for index in range(len(nodes)):
                value, _ = _strictest(override[index], plain[index])
                if value is not None:
                    values[field][part, index] = value[0]
                    origins[field][part][index] = value
    enforced, shadow = values["mode"] == _LOOSENESS["enforce"], values["mode"] == _LOOSENESS["shadow"]
    rolls = enforced & np.array([node.spec.rollup is not False and node.parent >= 0 for node in nodes], dtype=np.bool_)
    active = np.where(enforced | shadow, np.minimum(values["flag"], values["block"]), np.inf)
    lowest = active.min(axis=1, keepdims=True, initial=np.inf).astype(np.float32)
    return Arrays(values["flag"], values["block"], origins["flag"], origins["block"], enforced, shadow, rolls, lowest)


def _inherited(nodes: Sequence[Node], own: Own, field: str, part: int) -> list[_Effective]:
    """One field of every node, from itself or its nearest ancestor that has it."""
    found: list[_Effective] = []
    for index, node in enumerate(nodes):
        candidates = own.get((index, field, part), _UNSET)
        above = found[node.parent] if node.parent >= 0 else _FALL_THROUGH
        set_here = min((c for c in candidates if c is not None), default=None)
        found.append(_strictest((set_here, None in candidates), above))
    return found


def _strictest(here: _Effective, above: _Effective) -> _Effective:
    """`here`, and where it may be unset also what stands above: the strictest of what is possible."""
    value, is_open = here
    if not is_open:
        return here
    further, further_open = above
    possible = [v for v in (value, further) if v is not None]
    return (min(possible) if possible else None), further_open
