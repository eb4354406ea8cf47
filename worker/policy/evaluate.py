"""
Deciding (step 6): a batch of events, each under its own policy, in one comparison; reasons only for what matched.

Roll-up takes maxima, so a node reaches a threshold exactly when some score at it, or below it by an unbroken chain of
rolling nodes, does. `Judge.trigger` holds, for each node, the lowest threshold that its own score can reach anywhere up
that chain: one vector comparison finds every score that matters, and only those are walked upwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from worker.core.decisions import Action, Findings, Hit, Reason, Verdict
from worker.core.events import PartType
from worker.core.views import Evidence, Floats
from worker.policy.tree import Arrays, Node

ALLOW = Verdict(Action.ALLOW)
_NOWHERE = (None, None, Evidence())

Cell = tuple[int, int]  # type of part, node
Reasons = list[tuple[bool, Reason]]  # each with whether it is a shadow's


@dataclass(frozen=True, slots=True)
class Level:
    """The nodes of one depth, and the parent of each."""

    nodes: np.ndarray[tuple[int], np.dtype[np.intp]]
    parents: np.ndarray[tuple[int], np.dtype[np.intp]]


def levels(nodes: Sequence[Node]) -> tuple[Level, ...]:
    """The tree by depth, parents before children, roots left out."""
    by_depth: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        if node.parent >= 0:
            by_depth.setdefault(node.depth, []).append(index)
    return tuple(
        Level(np.array(members, np.intp), np.array([nodes[i].parent for i in members], np.intp))
        for _, members in sorted(by_depth.items())
    )


def triggers(arrays: Arrays, tree: Sequence[Level]) -> Floats:
    """float32 [T, C]: the lowest threshold a node's own score can reach, its own or that of a node it rolls up into."""
    lowest = np.where(arrays.enforced | arrays.shadow, np.minimum(arrays.flag, arrays.block), np.float32(np.inf))
    for level in tree:
        above = np.where(arrays.rolls[:, level.nodes], lowest[:, level.parents], np.float32(np.inf))
        lowest[:, level.nodes] = np.minimum(lowest[:, level.nodes], above)
    return lowest


@dataclass(frozen=True, slots=True)
class Judge:
    """One compiled tree under one set of condition outcomes."""

    nodes: Sequence[Node]
    index: Mapping[str, int]
    arrays: Arrays
    trigger: Floats
    clear: Verdict = ALLOW  # the verdict when nothing matched: its notes stand even then

    def of_scores(self, found: Findings, cells: Sequence[Cell]) -> Reasons:
        """
        Reasons for the scores at `cells`, those at or over their trigger, in order.

        A node that several scores reach is answered by the highest; of equal ones by its own, else the first below it.
        """
        assert found.scores is not None
        arrays = self.arrays
        best: dict[Cell, tuple[Floats, int]] = {}
        for part, giver in cells:
            score, node = found.scores[part, giver], giver
            while True:
                if score >= arrays.flag[part, node] or score >= arrays.block[part, node]:
                    before = best.get((part, node))
                    if before is None or score > before[0]:
                        best[part, node] = (score, giver)
                if not arrays.rolls[part, node]:
                    break
                node = self.nodes[node].parent
        active = arrays.enforced | arrays.shadow
        return [
            (bool(arrays.shadow[cell]), self._reason(cell, score, giver, found))
            for cell, (score, giver) in sorted(best.items(), key=lambda item: item[0])
            if active[cell]
        ]

    def _reason(self, cell: Cell, score: Floats, giver: int, found: Findings) -> Reason:
        part, node = cell
        blocks = bool(score >= self.arrays.block[cell])
        standing = (self.arrays.block_from if blocks else self.arrays.flag_from)[part][node]
        view, model, evidence = found.sources.get((part, giver), _NOWHERE)
        return Reason(
            category=self.nodes[node].path,
            type=PartType(part).label,
            action=Action.BLOCK if blocks else Action.FLAG,
            score=float(str(score)),  # the shortest digits that are this float32
            threshold=standing and standing[0],
            threshold_from=standing and standing[1],
            point=standing and standing[2],
            scored_by=self.nodes[giver].path if giver != node else None,
            view=view,
            model=model,
            evidence=evidence,
        )

    def of_hits(self, hits: Sequence[Hit]) -> Reasons:
        """Reasons for list hits; a hit at a node that is off is none."""
        found = []
        for hit in hits:
            node = self.index[hit.category]
            shadow = bool(self.arrays.shadow[hit.type, node])
            if shadow or self.arrays.enforced[hit.type, node]:
                reason = Reason(
                    hit.category, hit.type.label, hit.action, view=hit.view, list=hit.list_name, evidence=hit.evidence
                )
                found.append((shadow, reason))
        return found

    def verdict(self, found: Reasons) -> Verdict:
        """The strictest of the enforced reasons; all of them, strictest first."""
        if not found:
            return self.clear
        acted = sorted((reason for is_shadow, reason in found if not is_shadow), key=_strictest_first)
        shadow = sorted((reason for is_shadow, reason in found if is_shadow), key=_strictest_first)
        action = acted[0].action if acted else Action.ALLOW
        return Verdict(action, tuple(acted), tuple(shadow), self.clear.notes)


Scored = tuple[int, Judge, Floats]  # an event's place in the batch, its judge and its scores


def decide(judges: Sequence[Judge | None], findings: Sequence[Findings]) -> list[Verdict]:
    """
    Verdicts of a batch, `findings[i]` by `judges[i]`, each as it would be alone. Policies may differ. Pure.

    A judge of None allows: nothing was found that it could act on.
    """
    reasons: dict[int, tuple[Judge, Reasons]] = {}
    scored: list[Scored] = []
    verdicts: list[Verdict] = []
    for i, (judge, found) in enumerate(zip(judges, findings, strict=True)):
        if judge is None:
            verdicts.append(ALLOW)
            continue
        verdicts.append(judge.clear)
        if found.hits:
            reasons[i] = (judge, judge.of_hits(found.hits))
        if found.scores is not None:
            scored.append((i, judge, found.scores))
    for (i, judge, _), cells in _over(scored):
        reasons.setdefault(i, (judge, []))[1].extend(judge.of_scores(findings[i], cells))
    for i, (judge, what) in reasons.items():
        verdicts[i] = judge.verdict(what)
    return verdicts


def _over(scored: Sequence[Scored]) -> Iterator[tuple[Scored, list[Cell]]]:
    """The events with at least one score at or over its trigger, and where."""
    if not scored:
        return
    # Side by side, not stacked: policies differ in their number of categories.
    own = np.concatenate([scores for _, _, scores in scored], axis=1)
    parts, columns = np.nonzero(own >= np.concatenate([judge.trigger for _, judge, _ in scored], axis=1))
    if not parts.size:
        return
    ends = np.cumsum([scores.shape[1] for _, _, scores in scored])
    events = np.searchsorted(ends, columns, side="right")
    nodes = columns - np.concatenate(([0], ends))[events]
    by_event: dict[int, list[Cell]] = {}
    for event, part, node in zip(events.tolist(), parts.tolist(), nodes.tolist(), strict=True):
        by_event.setdefault(event, []).append((part, node))
    for event, cells in by_event.items():
        yield scored[event], cells


def _strictest_first(reason: Reason) -> tuple[int, bool, float]:
    """Strictest action first, then what scored or matched by itself, then a hit, then the highest score."""
    return -reason.action, reason.scored_by is not None, -(2.0 if reason.score is None else reason.score)
