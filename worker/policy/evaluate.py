"""Deciding (step 6): whole batches against flat arrays, and reasons only for what matched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from worker.core.decisions import Action, Findings, Hit, Reason, Verdict
from worker.core.events import PartType
from worker.core.views import Evidence, Floats
from worker.policy.tree import Arrays, Node

ALLOW = Verdict(Action.ALLOW)
_NOWHERE = (None, None, Evidence())


@dataclass(frozen=True, slots=True)
class Level:
    """The nodes of one depth, siblings together: `starts` is where each family begins, `parents` whose it is."""

    nodes: np.ndarray[tuple[int], np.dtype[np.intp]]
    starts: np.ndarray[tuple[int], np.dtype[np.intp]]
    parents: np.ndarray[tuple[int], np.dtype[np.intp]]


def levels(nodes: Sequence[Node]) -> tuple[Level, ...]:
    """The tree by depth, deepest first, roots left out."""
    by_depth: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        if node.parent >= 0:
            by_depth.setdefault(node.depth, []).append(index)
    found = []
    for depth in sorted(by_depth, reverse=True):
        members = sorted(by_depth[depth], key=lambda i: (nodes[i].parent, i))
        parents = [nodes[i].parent for i in members]
        starts = [i for i, parent in enumerate(parents) if i == 0 or parents[i - 1] != parent]
        found.append(
            Level(
                np.array(members, np.intp), np.array(starts, np.intp), np.array([parents[i] for i in starts], np.intp)
            )
        )
    return tuple(found)


def roll_up(scores: Floats, arrays: Arrays, tree: Sequence[Level]) -> Floats:
    """
    Step 5. float32 [N, T, C] of own scores to the same with each node at least its rolling children's; NaN is no score.
    """
    rolled = scores.copy()
    for level in tree:
        counted = np.where(arrays.rolls[:, level.nodes], rolled[:, :, level.nodes], np.float32(np.nan))
        rolled[:, :, level.parents] = np.fmax(
            rolled[:, :, level.parents], np.fmax.reduceat(counted, level.starts, axis=2)
        )
    return rolled


@dataclass(frozen=True, slots=True)
class Judge:
    """One compiled tree under one set of condition outcomes."""

    nodes: Sequence[Node]
    index: Mapping[str, int]
    tree: Sequence[Level]
    arrays: Arrays
    notes: tuple[str, ...] = ()

    def decide(self, findings: Sequence[Findings]) -> list[Verdict]:
        """Verdicts of events that share this judge's condition outcomes, each as it would be alone."""
        reasons: list[list[tuple[bool, Reason]]] = [self._of_hits(f.hits) if f.hits else [] for f in findings]
        scored = [i for i, f in enumerate(findings) if f.scores is not None]
        if scored:
            own = np.stack([findings[i].scores for i in scored]).astype(np.float32, copy=False)  # type: ignore[misc]
            # Roll-up takes maxima of these very scores, so a row below every threshold cannot match after it either.
            near = np.flatnonzero((own >= self.arrays.lowest).any(axis=(1, 2)))
            if near.size:
                self._of_scores(own[near], [scored[i] for i in near], findings, reasons)
        return [self._verdict(found) for found in reasons]

    def _of_scores(
        self,
        own: Floats,
        events: Sequence[int],
        findings: Sequence[Findings],
        reasons: list[list[tuple[bool, Reason]]],
    ) -> None:
        arrays = self.arrays
        rolled = roll_up(own, arrays, self.tree)
        blocks = rolled >= arrays.block
        matched = (blocks | (rolled >= arrays.flag)) & (arrays.enforced | arrays.shadow)
        for row, part, node in zip(*(axis.tolist() for axis in np.nonzero(matched)), strict=True):
            action = Action.BLOCK if blocks[row, part, node] else Action.FLAG
            reason = self._reason(own[row], rolled[row], part, node, action, findings[events[row]])
            reasons[events[row]].append((bool(arrays.shadow[part, node]), reason))

    def _reason(self, own: Floats, rolled: Floats, part: int, node: int, action: Action, findings: Findings) -> Reason:
        standing = (self.arrays.block_from if action is Action.BLOCK else self.arrays.flag_from)[part][node]
        giver = self._giver(own[part], rolled[part], part, node)
        view, model, evidence = findings.sources.get((part, giver), _NOWHERE)
        return Reason(
            category=self.nodes[node].path,
            type=PartType(part).label,
            action=action,
            score=float(str(rolled[part, node])),  # the shortest digits that are this float32
            threshold=standing and standing[0],
            threshold_from=standing and standing[1],
            scored_by=self.nodes[giver].path if giver != node else None,
            view=view,
            model=model,
            evidence=evidence,
        )

    def _giver(self, own: Floats, rolled: Floats, part: int, node: int) -> int:
        """The node whose own score is `node`'s after roll-up: itself when it can, else down the child that gave it."""
        while own[node] != rolled[node]:
            node = next(
                i
                for i in range(node + 1, len(self.nodes))
                if self.nodes[i].parent == node and self.arrays.rolls[part, i] and rolled[i] == rolled[node]
            )
        return node

    def _of_hits(self, hits: Sequence[Hit]) -> list[tuple[bool, Reason]]:
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

    def _verdict(self, found: Sequence[tuple[bool, Reason]]) -> Verdict:
        if not found:
            return ALLOW if not self.notes else Verdict(Action.ALLOW, notes=self.notes)
        acted = sorted((reason for is_shadow, reason in found if not is_shadow), key=_strictest_first)
        shadow = sorted((reason for is_shadow, reason in found if is_shadow), key=_strictest_first)
        return Verdict(acted[0].action if acted else Action.ALLOW, tuple(acted), tuple(shadow), self.notes)


def _strictest_first(reason: Reason) -> tuple[int, bool, float]:
    """Strictest action first, then what scored or matched by itself, then a hit, then the highest score."""
    return -reason.action, reason.scored_by is not None, -(2.0 if reason.score is None else reason.score)
