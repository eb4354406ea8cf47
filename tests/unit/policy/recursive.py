"""
A careful recursive evaluator of compiled trees, in plain Python: the oracle of the tests and the rival of the bench.

It walks each type's tree once, children before their parent, with thresholds as Python floats, and makes reasons only
for what matched. It shares the compiled thresholds with the product and nothing of how they are compared. A type that
the event does not have is not walked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from worker.core.decisions import Action, Findings, Reason, Verdict
from worker.core.events import PART_TYPES
from worker.core.views import Evidence
from worker.policy.compile import CompiledPolicy
from worker.policy.evaluate import Judge

_NOWHERE = (None, None, Evidence())
Scored = tuple[float, int]  # the score after roll-up, and whose it is


@dataclass(frozen=True, slots=True)
class Branch:
    """A node with its children, for one type of part."""

    index: int
    path: str
    flag: float
    block: float
    lowest: float  # of flag and block; inf when the node does not act
    shadow: bool
    rolls: bool
    flag_from: Any
    block_from: Any
    children: tuple[Branch, ...]


def branches(judge: Judge) -> list[tuple[Branch, ...]]:
    """The roots for each type of part, each with its tree."""
    by_parent: dict[int, list[int]] = {}
    for index, node in enumerate(judge.nodes):
        by_parent.setdefault(node.parent, []).append(index)

    def grow(index: int, part: int) -> Branch:
        arrays = judge.arrays
        flag, block = float(arrays.flag[part, index]), float(arrays.block[part, index])
        acts = bool(arrays.enforced[part, index] or arrays.shadow[part, index])
        return Branch(
            index,
            judge.nodes[index].path,
            flag,
            block,
            min(flag, block) if acts else math.inf,
            bool(arrays.shadow[part, index]),
            bool(arrays.rolls[part, index]),
            arrays.flag_from[part][index],
            arrays.block_from[part][index],
            tuple(grow(child, part) for child in by_parent.get(index, ())),
        )

    return [tuple(grow(root, int(part)) for root in by_parent.get(-1, ())) for part in PART_TYPES]


class RecursiveEvaluator:
    """Decides one event after the other; trees are grown once for each set of condition outcomes."""

    def __init__(self) -> None:
        self._trees: dict[int, tuple[Judge, list[tuple[Branch, ...]]]] = {}

    def decide(self, policy: CompiledPolicy, found: Findings) -> Verdict:
        """The verdict on scores alone; hits are not its subject."""
        judge = policy.judge(found)
        if judge is None or found.scores is None:
            return Verdict(Action.ALLOW)
        grown = self._trees.get(id(judge))
        if grown is None:
            grown = self._trees[id(judge)] = (judge, branches(judge))
        matched: list[tuple[int, int, Branch, Scored]] = []
        for part, roots in enumerate(grown[1]):
            row = found.scores[part].tolist()
            if all(score != score for score in row):
                continue
            for root in roots:
                self._visit(root, part, row, matched)
        if not matched:
            return judge.clear
        matched.sort(key=lambda one: one[:2])
        reasons = [(branch.shadow, _reason(part, branch, scored, found, judge)) for part, _, branch, scored in matched]
        acted = sorted((reason for shadow, reason in reasons if not shadow), key=_rank)
        shadow = sorted((reason for shadow, reason in reasons if shadow), key=_rank)
        return Verdict(acted[0].action if acted else Action.ALLOW, tuple(acted), tuple(shadow), judge.clear.notes)

    def _visit(
        self, branch: Branch, part: int, row: list[float], matched: list[tuple[int, int, Branch, Scored]]
    ) -> Scored:
        best, giver = row[branch.index], branch.index
        for child in branch.children:
            score, whose = self._visit(child, part, row, matched)
            if child.rolls and (score > best or (best != best and score == score)):
                best, giver = score, whose
        if best >= branch.lowest:
            matched.append((part, branch.index, branch, (best, giver)))
        return best, giver


def _reason(part: int, branch: Branch, scored: Scored, found: Findings, judge: Judge) -> Reason:
    score, giver = scored
    blocks = score >= branch.block
    standing = branch.block_from if blocks else branch.flag_from
    view, model, evidence = found.sources.get((part, giver), _NOWHERE)
    return Reason(
        category=branch.path,
        type=PART_TYPES[part].label,
        action=Action.BLOCK if blocks else Action.FLAG,
        score=float(str(found.scores[part, giver])) if found.scores is not None else None,
        threshold=standing and standing[0],
        threshold_from=standing and standing[1],
        scored_by=judge.nodes[giver].path if giver != branch.index else None,
        view=view,
        model=model,
        evidence=evidence,
    )


def _rank(reason: Reason) -> tuple[int, bool, float]:
    return -reason.action, reason.scored_by is not None, -(reason.score or 0.0)
