"""
The tree as flat arrays: inheritance (step 3), `on` (step 4) and what rolls up (step 5), for one set of `when` outcomes.

A node's own field is a tuple of candidates. One candidate is the usual case; a condition that failed at run time leaves
two, and the strictest that is possible counts. The candidate `None` means "not set here": look at the parent.

An operating point is inherited as it is written and becomes a number at each node, by that node's own calibration; at
a node that no model scores it is never reached.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from worker.core.events import PART_TYPES
from worker.core.ports import OPERATING_POINTS, Point
from worker.core.views import Floats, Thresholds
from worker.policy.document import Category, Override, Setting
from worker.policy.resolve import Resolved

Bools = npt.NDArray[np.bool_]
Value = tuple[float | Point, str]  # a threshold as written, or a mode's looseness, and the "policy:path" it stands at
Stood = tuple[float, str, Point | None]  # a threshold as a number, where it stands, the operating point it was
Standing = list[list[Stood | None]]
Candidates = tuple[Value | None, ...]
Slot = tuple[int, str, int]  # node, field, type of part or ANY
Own = Mapping[Slot, Candidates]
_Chain = tuple[Candidates, ...]  # by node: what may stand there, None last where nothing may

ANY = -1
FIELDS = ("flag", "block", "mode")
_LOOSENESS = {"enforce": 0.0, "shadow": 1.0, "off": 2.0}
_UNSET: Candidates = (None,)
_REMEMBERED = 65_536
_ROLLING, _ALONE = Category(), Category(rollup=False)


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

    flag, block: float32 [T, C], `inf` for no threshold. *_from: the number, where it stands and the operating point it
    was, by [type][category]. enforced, shadow: bool [T, C]. rolls: bool [T, C], the node counts for its parent.
    """

    flag: Floats
    block: Floats
    flag_from: Standing
    block_from: Standing
    enforced: Bools
    shadow: Bools
    rolls: Bools


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


def bare(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes without what only compiling needs: thousands of policies keep theirs in memory."""
    return tuple(Node(n.path, n.parent, n.depth, _ALONE if n.spec.rollup is False else _ROLLING) for n in nodes)


def has_points(own: Own, settings: Iterable[Setting]) -> bool:
    """True when an operating point stands anywhere."""
    written = [value[0] for candidates in own.values() for value in candidates if value is not None]
    written += [value for setting in settings for _, value, _ in fields_of(0, setting)]
    return any(isinstance(value, str) for value in written)


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
            own[slot] = _candidates(value, f"{policy}:{node.path}{_on(inside)}")
    return own


# Tenants that extend one policy have most of their thresholds in common: one object for all of them.
@lru_cache(maxsize=_REMEMBERED)
def _candidates(value: float | Point, where: str) -> Candidates:
    return ((value, where),)


@lru_cache(maxsize=_REMEMBERED)
def _stood(value: float, where: str) -> Stood:
    return value, where, None


def fields_of(node: int, spec: Category | Setting) -> list[tuple[Slot, float | Point, tuple[str, ...]]]:
    """The fields that `spec` names: slot, value, and where it stands inside the node."""
    found: list[tuple[Slot, float | Point, tuple[str, ...]]] = []
    found += [((node, name, ANY), value, (name,)) for name, value in _values(spec)]
    for part in PART_TYPES:
        if override := (spec.on or {}).get(part.label):  # type: ignore[call-overload]
            found += [((node, name, int(part)), value, ("on", part.label, name)) for name, value in _values(override)]
    return found


def _on(inside: tuple[str, ...]) -> str:
    return "." + ".".join(inside[:-1]) if len(inside) > 1 else ""


def _values(spec: Category | Setting | Override) -> list[tuple[str, float | Point]]:
    mode = None if spec.mode is None else _LOOSENESS[spec.mode]
    named = (("flag", spec.flag), ("block", spec.block), ("mode", mode))
    return [(name, value) for name, value in named if value is not None]


def build(nodes: Sequence[Node], own: Own, points: Thresholds | None = None) -> Arrays:
    """
    Effective thresholds and modes of every node and type.

    points: float64 [3, T, C], the numbers that operating points stand for; NaN, or None for all, where there is none.
    """
    values: dict[str, Floats] = {}
    origins: dict[str, Standing] = {}
    for field in FIELDS:
        rows = _rows(nodes, own, field, points)
        unset = 0.0 if field == "mode" else math.inf  # without a mode a node is enforced
        numbers = [[unset if stood is None else stood[0] for stood in row] for row in rows]
        values[field] = np.array(numbers, np.float32).reshape(len(PART_TYPES), len(nodes))
        origins[field] = rows
    enforced, shadow = values["mode"] == _LOOSENESS["enforce"], values["mode"] == _LOOSENESS["shadow"]
    rolls = enforced & np.array([node.spec.rollup is not False and node.parent >= 0 for node in nodes], dtype=np.bool_)
    return Arrays(values["flag"], values["block"], origins["flag"], origins["block"], enforced, shadow, rolls)


def _rows(nodes: Sequence[Node], own: Own, field: str, points: Thresholds | None) -> Standing:
    """What stands in one field of every node, by type of part; one row for all of them where they do not differ."""
    plain = _inherited(nodes, own, field, ANY)
    if points is None and not any(name == field and part != ANY for _, name, part in own):
        return [[_strictest(may, field, None, 0, 0) for may in plain]] * len(PART_TYPES)
    rows: Standing = []
    for part in PART_TYPES:
        override = _inherited(nodes, own, field, int(part))
        may_stand = [_first(here, plainly) for here, plainly in zip(override, plain, strict=True)]
        rows.append([_strictest(may, field, points, int(part), index) for index, may in enumerate(may_stand)])
    return rows


def _inherited(nodes: Sequence[Node], own: Own, field: str, part: int) -> _Chain:
    """What may stand in one field of every node, from itself or its nearest ancestor that has it."""
    found: list[Candidates] = []
    for index, node in enumerate(nodes):
        above = found[node.parent] if node.parent >= 0 else _UNSET
        own_here = own.get((index, field, part))
        found.append(above if own_here is None else _first(own_here, above))
    return tuple(found)


def _first(here: Candidates, above: Candidates) -> Candidates:
    """`here`, and where that may be unset also what may stand above."""
    return (*(value for value in here if value is not None), *above) if None in here else here


def _strictest(may: Candidates, field: str, points: Thresholds | None, part: int, node: int) -> Stood | None:
    """The lowest of what may stand at a node, in numbers; None when it is never reached."""
    if field == "mode" and None in may:
        return None  # where nothing may be set a node is enforced, the strictest there is
    found: Stood | None = None
    for value in may:
        if value is None:
            continue
        written, where = value
        if isinstance(written, str):
            number = math.nan if points is None else float(points[OPERATING_POINTS.index(written), part, node])
            stood: Stood = (number, where, written)
        else:
            stood = _stood(written, where)
        if stood[0] == stood[0] and (found is None or stood[:2] < found[:2]):  # NaN is not equal to itself
            found = stood
    return found
