"""Why an event got its action: every node with its scores, thresholds and margins, and what would change the action."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from worker.core.decisions import Action, Findings, Hit, Verdict
from worker.core.events import PART_TYPES
from worker.core.views import Floats
from worker.policy.conditions import Conditions, Outcomes
from worker.policy.tools.explain_changes import Change, changes
from worker.policy.tools.standing import ENFORCED, OFF, PARTS, SHADOW, Own, Stand, Tree

_MODES = {ENFORCED: "enforce", SHADOW: "shadow", OFF: "off"}


@dataclass(frozen=True, slots=True)
class NodeView:
    """
    One node for one type of part.

    own, rolled: scores in [0, 1], NaN where nothing scored. raw: log-odds of `own`, what the model says before its
    calibration makes a probability of it. thresholds: None for none; *_from is "policy:path". margin: `rolled` less the
    lowest threshold, negative while it is not reached; None without either.
    """

    path: str
    depth: int
    type: str
    mode: str
    own: float
    rolled: float
    scored_by: str | None
    flag: float | None
    flag_from: str | None
    block: float | None
    block_from: str | None
    action: Action
    rolls: bool
    view: str | None
    model: str | None

    @property
    def raw(self) -> float | None:
        """Log-odds; None without a score, and at the ends of the scale."""
        return math.log(self.own / (1 - self.own)) if 0 < self.own < 1 else None

    @property
    def margin(self) -> float | None:
        """How far the score is over the threshold it acts by, or under the nearest."""
        reached = [t for t in (self.flag, self.block) if t is not None and self.rolled >= t]
        waiting = [t for t in (self.flag, self.block) if t is not None and self.rolled < t]
        nearest = max(reached) if reached else min(waiting, default=None)
        return None if nearest is None else self.rolled - nearest

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        scores = {
            "own": _or_none(self.own),
            "raw": self.raw,
            "rolled": _or_none(self.rolled),
            "scored_by": self.scored_by,
        }
        thresholds = {
            "flag": self.flag,
            "flag_from": self.flag_from,
            "block": self.block,
            "block_from": self.block_from,
        }
        return {
            "category": self.path,
            "type": self.type,
            "mode": self.mode,
            **scores,
            **thresholds,
            "margin": self.margin,
            "action": self.action.label,
            "view": self.view,
            "model": self.model,
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """One event under one policy."""

    verdict: Verdict
    nodes: tuple[NodeView, ...]
    hits: tuple[Hit, ...]
    outcomes: tuple[tuple[str, bool | None], ...]  # of the conditions, by their text
    changes: tuple[Change, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "action": self.verdict.action.label,
            "nodes": [node.as_json() for node in self.nodes],
            "hits": [
                {
                    "list": h.list_name,
                    "category": h.category,
                    "action": h.action.label,
                    "type": h.type.label,
                    "view": h.view,
                }
                for h in self.hits
            ],
            "conditions": [{"if": source, "is": outcome} for source, outcome in self.outcomes],
            "changes": [change.as_json() for change in self.changes],
        }


def explain(tree: Tree, conditions: Conditions, findings: Findings, verdict: Verdict) -> Explanation:
    """
    An event's findings under a policy, node by node.

    tree, conditions: the policy's. verdict: what it said of the findings.
    """
    outcomes: Outcomes = conditions.outcomes(findings) if len(conditions) else ()
    own = tree.own_under(dict(enumerate(outcomes)))
    parts = [part for part in PARTS if findings.scores is not None and not np.isnan(findings.scores[part]).all()]
    nodes: list[NodeView] = []
    for part in parts:
        assert findings.scores is not None
        nodes += _views(tree, own, part, findings.scores[part], findings)
    texts = tuple((when.if_, said) for when, said in zip(tree.whens, outcomes, strict=True))
    return Explanation(verdict, tuple(nodes), tuple(findings.hits), texts, tuple(changes(tree, own, findings, verdict)))


def _views(tree: Tree, own: Own, part: int, scores: Floats, findings: Findings) -> Iterator[NodeView]:
    """The tree in its order, for one type."""
    stands = [tree.stand(index, part, own) for index in range(len(tree.nodes))]
    rolled, givers = _rolled(tree, stands, scores)
    for index, (node, stand) in enumerate(zip(tree.nodes, stands, strict=True)):
        score, giver = rolled[index], givers[index]
        view, model, _ = findings.sources.get((part, giver), (None, None, None))
        yield NodeView(
            path=node.path,
            depth=node.depth,
            type=PART_TYPES[part].label,
            mode=_MODES[stand.mode],
            own=_digits(scores[index]),
            rolled=_digits(score),
            scored_by=tree.nodes[giver].path if giver != index else None,
            flag=_threshold(stand.flag),
            flag_from=stand.flag_from,
            block=_threshold(stand.block),
            block_from=stand.block_from,
            action=_action(stand, score),
            rolls=tree.rolls(index, stand),
            view=view,
            model=model,
        )


def _rolled(tree: Tree, stands: Sequence[Stand], scores: Floats) -> tuple[list[np.float32], list[int]]:
    """Step 5: scores after roll-up, and whose own score each is."""
    rolled, givers = list(scores), list(range(len(scores)))
    for index in range(len(tree.nodes) - 1, -1, -1):  # children stand behind their parents
        parent = tree.nodes[index].parent
        if tree.rolls(index, stands[index]) and (rolled[index] > rolled[parent] or _is_first(rolled, index, parent)):
            rolled[parent], givers[parent] = rolled[index], givers[index]
    return rolled, givers


def _is_first(rolled: Sequence[np.float32], index: int, parent: int) -> bool:
    return bool(np.isnan(rolled[parent]) and not np.isnan(rolled[index]))


def _action(stand: Stand, score: np.float32) -> Action:
    if stand.mode == OFF:
        return Action.ALLOW
    if score >= stand.block:
        return Action.BLOCK
    return Action.FLAG if score >= stand.flag else Action.ALLOW


def _digits(score: np.float32) -> float:
    """The number with the fewest digits that is this float32."""
    return float(str(score))


def _threshold(value: float) -> float | None:
    return None if math.isinf(value) or math.isnan(value) else _digits(np.float32(value))


def _or_none(score: float) -> float | None:
    return None if math.isnan(score) else score
