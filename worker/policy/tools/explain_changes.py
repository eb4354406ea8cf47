"""What would have to change for an event to get another action: scores, thresholds and hits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from worker.core.decisions import Action, Findings, Verdict
from worker.core.events import PART_TYPES
from worker.policy.tools.standing import Own, Stand, Tree

_ACTING = (Action.FLAG, Action.BLOCK)


@dataclass(frozen=True, slots=True)
class Change:
    """
    What would give another action: all of `scores`, or all of `thresholds`, and in either case all of `hits`.

    distance: the sum of what the scores would move by; None where no score alone brings it about.
    """

    to: Action
    scores: tuple[str, ...]
    thresholds: tuple[str, ...]
    hits: tuple[str, ...]
    distance: float | None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        ways = {"scores": self.scores, "thresholds": self.thresholds, "hits": self.hits}
        return {"to": self.to.label, **ways, "distance": self.distance}


def changes(tree: Tree, own: Own, findings: Findings, verdict: Verdict) -> Iterator[Change]:
    """The nearest way to each other action."""
    for action in Action:
        if action > verdict.action:
            stricter = _raised(tree, own, findings, action)
            if stricter is not None:
                yield stricter
        elif action < verdict.action:
            yield _lowered(tree, own, findings, action)


def _raised(tree: Tree, own: Own, findings: Findings, action: Action) -> Change | None:
    """The one score that is nearest to giving at least `action`, and the threshold that it would have to reach."""
    best: tuple[float, str, str] | None = None
    for part, index, score in _scored(findings):
        for node, stand in tree.chain(index, part, own):
            limit = stand.threshold(action)
            if score < limit <= 1 and (best is None or limit - score < best[0]):
                what = f"{tree.nodes[index].path} ({PART_TYPES[part].label}) up from {_n(score)} to {_n(limit)}"
                where = (
                    f"{_kind(stand, action)} of {tree.nodes[node].path} ({stand.source(action)}) down to {_n(score)}"
                )
                best = limit - score, what, where
    return None if best is None else Change(action, (best[1],), (best[2],), (), round(best[0], 6))


def _lowered(tree: Tree, own: Own, findings: Findings, action: Action) -> Change:
    """Everything that gives more than `action` would have to give way."""
    above = _ACTING[int(action)]  # the next stricter one
    scores, distance = [], 0.0
    raised: dict[tuple[int, int], tuple[float, Stand]] = {}  # acting nodes with the highest score that reaches them
    for part, index, score in _scored(findings):
        limit = tree.trigger(index, part, above, own)
        if score >= limit:
            distance += score - limit
            scores.append(
                f"{tree.nodes[index].path} ({PART_TYPES[part].label}) down from {_n(score)} below {_n(limit)}"
            )
        for node, stand in tree.chain(index, part, own):
            if score >= stand.threshold(above):
                raised[part, node] = max(
                    raised.get((part, node), (score, stand)), (score, stand), key=lambda one: one[0]
                )
    thresholds = [
        f"{_reached(stand, above, score)} of {tree.nodes[node].path} above {_n(score)}"
        for (_, node), (score, stand) in raised.items()
    ]
    acting = [
        h for h in findings.hits if h.action >= above and tree.stand(tree.index[h.category], h.type, own).enforced
    ]
    hits = [
        f"no hit of {name} in {category}" for name, category in dict.fromkeys((h.list_name, h.category) for h in acting)
    ]
    return Change(
        action, tuple(scores), tuple(dict.fromkeys(thresholds)), tuple(hits), None if hits else round(distance, 6)
    )


def _kind(stand: Stand, action: Action) -> str:
    return "block" if action is Action.BLOCK or stand.block < stand.flag else "flag"


def _reached(stand: Stand, action: Action, score: float) -> str:
    """The thresholds that give at least `action` at this score."""
    fields = {"flag": stand.flag, "block": stand.block} if action is Action.FLAG else {"block": stand.block}
    return " and ".join(name for name, threshold in fields.items() if threshold <= score)


def _n(score: float) -> str:
    return f"{score:.4g}"


def _scored(findings: Findings) -> Iterator[tuple[int, int, float]]:
    """Type, category and score of all that was scored."""
    if findings.scores is not None:
        for part, index in zip(*(axis.tolist() for axis in np.nonzero(~np.isnan(findings.scores))), strict=True):
            yield part, index, float(str(findings.scores[part, index]))
