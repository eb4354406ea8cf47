"""What stands at a node under chosen condition outcomes: steps 2 to 5, one node at a time, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from worker.core.decisions import Action
from worker.core.events import PART_TYPES
from worker.core.ports import OPERATING_POINTS, Point
from worker.core.views import Thresholds
from worker.policy.conditions import Outcome
from worker.policy.document import When
from worker.policy.resolve import Resolved
from worker.policy.tree import ANY, Candidates, Node, Slot, fields_of, flatten, own_fields

Said = Mapping[int, Outcome]  # outcome by number of the condition; one that is not named is false
Own = Mapping[Slot, Candidates]

ENFORCED, SHADOW, OFF = 0.0, 1.0, 2.0
PARTS: tuple[int, ...] = tuple(int(part) for part in PART_TYPES)
_UNSET: Candidates = (None,)


@dataclass(frozen=True, slots=True)
class Stand:
    """
    A node's thresholds for one type, as float32 compares them: `inf` is none, NaN an operating point whose number is
    not known here. *_from is "policy:path".
    """

    flag: float
    block: float
    mode: float
    flag_from: str | None
    block_from: str | None

    def threshold(self, action: Action) -> float:
        """The lowest score that gives at least `action`."""
        return self.block if action is Action.BLOCK else lowest((self.flag, self.block))

    def source(self, action: Action) -> str | None:
        """Where `threshold(action)` stands."""
        by_block = action is Action.BLOCK or self.block < self.flag
        return self.block_from if by_block else self.flag_from

    @property
    def enforced(self) -> bool:
        return self.mode == ENFORCED


class Tree:
    """
    A resolved policy's nodes and conditions, to be asked node by node.

    points: float64 [3, T, C], what operating points stand for (NaN: never reached); None where no model is at hand.
    """

    def __init__(self, resolved: Resolved, points: Thresholds | None = None) -> None:
        self.resolved, self._points = resolved, points
        self.nodes: tuple[Node, ...] = flatten(resolved.document.categories)
        self.index = {node.path: i for i, node in enumerate(self.nodes)}
        self.whens: tuple[When, ...] = tuple(resolved.document.when or ())
        self.own = own_fields(resolved, self.nodes)
        self._whens_from = resolved.origin(("when",))

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Each node's children."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            if node.parent >= 0:
                found[node.parent].append(index)
        return tuple(map(tuple, found))

    def ancestors(self, index: int) -> list[int]:
        """The node itself, its parent, and so on to the root."""
        line = [index]
        while (parent := self.nodes[line[-1]].parent) >= 0:
            line.append(parent)
        return line

    def below(self, index: int) -> list[int]:
        """The node itself and all its descendants."""
        found = [index]
        for node in found:
            found += self.children[node]
        return found

    def touching(self, nodes: Iterable[int]) -> tuple[int, ...]:
        """Numbers of the conditions that set anything at `nodes`."""
        paths = {self.nodes[i].path for i in nodes}
        return tuple(number for number, when in enumerate(self.whens) if paths & when.set_.keys())

    def own_under(self, said: Said, leave_out: Slot | None = None, leave_out_of: int | None = None) -> Own:
        """
        Each node's own fields with what the conditions set, in order; a failed one adds a candidate.

        leave_out: a field to do without, in the tree, or in the setting of condition `leave_out_of`.
        """
        own = dict(self.own)
        if leave_out is not None and leave_out_of is None:
            own.pop(leave_out, None)
        for number, when in enumerate(self.whens):
            outcome = said.get(number, False)
            if outcome is False:
                continue
            for path, setting in when.set_.items():
                for slot, value, inside in fields_of(self.index.get(path, -1), setting):
                    if slot == leave_out and number == leave_out_of:
                        continue
                    where = ".".join((f"{self._whens_from}:when[{number}]", path, *inside[:-1]))
                    before = own.get(slot, _UNSET) if outcome is None else ()
                    own[slot] = (*before, (value, where))
        return own

    def stand(self, index: int, part: int, own: Own) -> Stand:
        """What stands at a node for a type of part."""
        flag, flag_from = self._field(index, "flag", part, own)
        block, block_from = self._field(index, "block", part, own)
        mode = min(ENFORCED if value is None else float(value[0]) for value in self.may(index, "mode", part, own))
        return Stand(_compared(flag), _compared(block), mode, flag_from, block_from)

    def may(self, index: int, name: str, part: int, own: Own) -> Candidates:
        """All that may stand in a field, as written: None for nothing at all; several where a condition failed."""
        line = self.ancestors(index)
        found = _look(own, line, name, part)
        return (*found[:-1], *_look(own, line, name, ANY)) if found[-1] is None else found

    def _field(self, index: int, name: str, part: int, own: Own) -> tuple[float, str | None]:
        """The strictest number that may stand in a threshold, and its place."""
        found = [(self._number(v[0], part, index), v[1]) for v in self.may(index, name, part, own) if v is not None]
        unknown = next((value for value in found if value[0] != value[0]), None)
        return unknown or min(found, default=(math.inf, None), key=lambda value: (value[0], value[1] or ""))

    def _number(self, written: float | Point, part: int, index: int) -> float:
        if not isinstance(written, str):
            return written
        if self._points is None:
            return math.nan
        number = float(self._points[OPERATING_POINTS.index(written), part, index])
        return math.inf if math.isnan(number) else number

    def rolls(self, index: int, stand: Stand) -> bool:
        """True when the node's score counts for its parent."""
        node = self.nodes[index]
        return node.parent >= 0 and stand.enforced and node.spec.rollup is not False

    def chain(self, index: int, part: int, own: Own) -> list[tuple[int, Stand]]:
        """The enforced nodes that a score at `index` can act at: itself, and what it rolls up into."""
        found: list[tuple[int, Stand]] = []
        for node in self.ancestors(index):
            stand = self.stand(node, part, own)
            if stand.enforced:
                found.append((node, stand))
            if not self.rolls(node, stand):
                break
        return found

    def trigger(self, index: int, part: int, action: Action, own: Own) -> float:
        """The lowest score of the node, by itself, that gives an event at least `action`; `inf` for none."""
        return lowest(stand.threshold(action) for _, stand in self.chain(index, part, own))

    def scored(self, index: int) -> bool:
        """True when the policy says something that a scorer could go by."""
        spec = self.nodes[index].spec
        return bool(spec.definition or (spec.examples and spec.examples.violating) or spec.detectors)

    def listed(self) -> frozenset[str]:
        """Paths of the categories that a list names."""
        document = self.resolved.document
        return frozenset(listed.category for listed in (*(document.terms or ()), *(document.images or ())))


def _look(own: Own, line: Sequence[int], name: str, part: int) -> Candidates:
    """A field along a line of ancestors, up to the nearest that surely sets it; None last where none does."""
    found: Candidates = ()
    for node in line:
        candidates = own.get((node, name, part), _UNSET)
        found += tuple(value for value in candidates if value is not None)
        if None not in candidates:
            return found
    return (*found, None)


def lowest(thresholds: Iterable[float]) -> float:
    """The minimum; NaN, not known, as soon as one of them is."""
    found = math.inf
    for value in thresholds:
        if math.isnan(value):
            return value
        found = min(found, value)
    return found


def _compared(value: float) -> float:
    """A threshold as it is compared with scores: rounded to float32."""
    return float(np.float32(value))
