"""
Proofs over all possible scores.

Roll-up takes maxima and a node acts from a threshold upwards, so an event gets at least an action exactly when one
score by itself does: when it reaches the lowest threshold of the node and of those it rolls up into. Each (type,
category) is therefore an interval with one end, and claims compare ends: for every combination of outcomes that the
conditions at these nodes can have. Scores are float32 from 0 to 1 or absent; the ends are the float32 values compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from worker.core.decisions import Action
from worker.core.events import PART_TYPES
from worker.core.ports import OPERATING_POINTS
from worker.core.views import Thresholds
from worker.policy.compile import CompiledPolicy
from worker.policy.conditions import compile_condition
from worker.policy.resolve import Resolved
from worker.policy.tools.claims import EXHAUSTED, Counterexample, Meeting, Proof, Search, Side
from worker.policy.tools.prove_lists import check_lists
from worker.policy.tools.standing import PARTS, Tree
from worker.policy.tools.worlds import Case

_SCORED_BY = ("definition", "examples", "detectors")
_RULES = ("failed", "late", "language", "too_long")


def side(resolved: Resolved, policy: CompiledPolicy, points: Thresholds | None = None, name: str | None = None) -> Side:
    """
    A policy ready to be reasoned about.

    policy: `resolved` compiled. points: what its operating points stand for; without them they are never reached.
    name: what claims call it, if not its id.
    """
    shape = (len(OPERATING_POINTS), len(PARTS), len(policy.categories))
    tree = Tree(resolved, np.full(shape, np.nan) if points is None else points)
    conditions = [compile_condition(when.if_, number, resolved) for number, when in enumerate(tree.whens)]
    return Side(name or policy.id, tree, policy, conditions)


def prove(one: Side, other: Side | None = None) -> Iterator[Proof]:
    """Every claim about `one` alone, or about `other` beside it: that it is never laxer."""
    if other is not None:
        yield _at_least(one, other, Action.BLOCK, f"{other.id} blocks everything that {one.id} blocks")
        yield _at_least(one, other, Action.FLAG, f"{other.id} flags or blocks everything that {one.id} flags")
        yield _fallbacks(one, other)
    for each in (one,) if other is None else (one, other):
        yield _no_child_looser(each)


def _at_least(one: Side, other: Side, action: Action, claim: str) -> Proof:
    """`other` gives at least `action` wherever `one` does."""
    search = Search(claim, _differing(one, other))
    meeting = Meeting((one, other))
    for index, node in enumerate(one.tree.nodes):
        there = other.tree.index.get(node.path)
        if not one.tree.scored(index):
            continue  # it has no score of its own, ever
        lines = (one.tree.ancestors(index), [] if there is None else other.tree.ancestors(there))
        for part in PARTS:
            if search.is_over:
                break
            sources, found = meeting.cases(lines, part)
            if not found.complete:
                search.unknown(EXHAUSTED)
                continue
            for case in found.cases:
                _compare(search, meeting, (one, other), sources, case, (index, there, part), action)
    if not search.is_over:
        check_lists(search, meeting, one, other, action)
    return search.proof()


def _compare(
    search: Search,
    meeting: Meeting,
    sides: tuple[Side, Side],
    sources: Sequence[str],
    case: Case,
    place: tuple[int, int | None, int],
    action: Action,
) -> None:
    """One (type, category) under one combination of outcomes: where does each side begin to act?"""
    one, other = sides
    index, there, part = place
    owns = [side.tree.own_under(meeting.said(side, sources, case.outcomes)) for side in sides]
    begins = one.tree.trigger(index, part, action, owns[0])
    if begins > 1 or search.is_over:
        return
    needs = math.inf
    if there is not None and other.tree.scored(there):
        needs = other.tree.trigger(there, part, action, owns[1])
    if needs <= begins:
        return
    path = one.tree.nodes[index].path
    actions = (action, action)
    if case.world is not None:
        actions = (one.act(part, path, begins, case.world), other.act(part, path, begins, case.world))
    confirmed = case.world is not None and actions[0] >= action > actions[1]
    by_policy = {one.id: actions[0].label, other.id: actions[1].label} if confirmed else {}
    said = dict(zip(sources, case.outcomes, strict=True))
    search.found(Counterexample(PART_TYPES[part].label, path, _short(begins), case.world, said, by_policy, confirmed))


def _no_child_looser(one: Side) -> Proof:
    """A score in a child gets at least what the same score in its parent would."""
    search = Search(f"in {one.id} no child is looser than its parent")
    meeting = Meeting((one,))
    tree = one.tree
    for index, node in enumerate(tree.nodes):
        if node.parent < 0:
            continue
        for part in PARTS:
            sources, found = meeting.cases((tree.ancestors(index),), part)
            if not found.complete:
                search.unknown(EXHAUSTED)
                continue
            for case in found.cases:
                _child_and_parent(search, meeting, one, sources, case, index, part)
    return search.proof()


def _child_and_parent(
    search: Search, meeting: Meeting, one: Side, sources: Sequence[str], case: Case, index: int, part: int
) -> None:
    tree = one.tree
    child, parent = tree.nodes[index].path, tree.nodes[tree.nodes[index].parent].path
    own = tree.own_under(meeting.said(one, sources, case.outcomes))
    for action in (Action.BLOCK, Action.FLAG):
        begins = tree.trigger(tree.nodes[index].parent, part, action, own)
        if search.is_over or begins > 1 or tree.trigger(index, part, action, own) <= begins:
            continue
        actions = (action, action)
        if case.world is not None:
            actions = (
                one.act(part, child, begins, case.world, suppose=True),
                one.act(part, parent, begins, case.world, suppose=True),
            )
        by_node = {child: actions[0].label, parent: actions[1].label}
        confirmed = case.world is not None and actions[1] >= action > actions[0]
        said = dict(zip(sources, case.outcomes, strict=True))
        search.found(
            Counterexample(
                PART_TYPES[part].label, child, _short(begins), case.world, said, by_node if confirmed else {}, confirmed
            )
        )


def _fallbacks(one: Side, other: Side) -> Proof:
    """Step 7: what cannot be judged is treated as strictly."""
    laxer = [rule for rule in _RULES if _strict(other.policy.otherwise(rule)) < _strict(one.policy.otherwise(rule))]
    claim = f"{other.id} is as strict as {one.id} with what cannot be judged"
    if not laxer:
        return Proof(claim, "true")
    said = [
        f"otherwise.{rule} is {other.policy.otherwise(rule)} and not {one.policy.otherwise(rule)}" for rule in laxer
    ]
    return Proof(claim, "false", because="; ".join(said))


def _strict(fallback: str) -> Action:
    return Action.ALLOW if fallback == "score" else Action.parse(fallback)


def _differing(one: Side, other: Side) -> list[str]:
    """What the comparison takes for granted: that a category's score is the same in both."""
    differ = []
    for node in one.tree.nodes:
        there = other.tree.index.get(node.path)
        if there is not None:
            theirs = other.tree.nodes[there].spec
            if any(getattr(node.spec, name) != getattr(theirs, name) for name in _SCORED_BY):
                differ.append(node.path)
    if not differ:
        return []
    names = ", ".join(differ[:5]) + (f" and {len(differ) - 5} more" if len(differ) > 5 else "")
    return [f"equal scores, though {names} differ in definition, examples or detectors"]


def _short(value: float) -> float:
    """The number with the fewest digits that is this float32."""
    return float(str(np.float32(value)))
