"""Tuning: what every threshold of a node would find and miss on labelled events, and three of them to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from worker.core.decisions import Findings
from worker.core.events import PART_TYPES
from worker.core.ports import OPERATING_POINTS, Point
from worker.core.shares import Share
from worker.core.views import Floats
from worker.policy.compile import CompiledPolicy
from worker.policy.tools.decisions_log import Block, decision, lines
from worker.policy.tools.labels import Labels, label_of
from worker.policy.tools.retrial import Retrial

LEAST_POSITIVES = 30
_DECIMALS = 4
_TOGETHER = 256
_GRID = 10_001  # scores have four decimals


@dataclass(frozen=True, slots=True)
class Threshold:
    """
    What one threshold comes to. precision: flagged that violate, of flagged; recall: of those that violate.

    a_day: decisions at or over it on an average day of the traffic; None without traffic.
    """

    threshold: float
    precision: Share
    recall: Share
    a_day: float | None

    @property
    def f1(self) -> float:
        both = self.precision.value + self.recall.value
        return 2 * self.precision.value * self.recall.value / both if both else 0.0

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        shares = {"precision": self.precision.as_json(), "recall": self.recall.as_json()}
        return {"threshold": self.threshold, **shares, "a_day": self.a_day}


@dataclass(frozen=True, slots=True)
class Tuned:
    """
    A node: its curve, lowest threshold first, and the operating points on it.

    refused: why nothing is proposed; then there is no curve. reached: by point, whether its target is met.
    """

    category: str
    positives: int
    negatives: int
    curve: tuple[Threshold, ...] = ()
    points: Mapping[Point, Threshold] = field(default_factory=dict)
    reached: Mapping[Point, bool] = field(default_factory=dict)
    refused: str | None = None

    @property
    def named(self) -> dict[float, str]:
        """By threshold, the points that stand there; two may."""
        names: dict[float, list[str]] = {}
        for name, point in self.points.items():
            reached = "" if self.reached[name] else " (target not reached)"
            names.setdefault(point.threshold, []).append(name + reached)
        return {threshold: ", ".join(found) for threshold, found in names.items()}

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        points = {name: self.points[name].as_json() | {"target_reached": self.reached[name]} for name in self.points}
        counts = {"category": self.category, "positives": self.positives, "negatives": self.negatives}
        return counts | {"refused": self.refused, "points": points, "curve": [one.as_json() for one in self.curve]}


class Scored:
    """Decisions gathered from a log with each node's score, its children's rolled up."""

    def __init__(self, policy: CompiledPolicy, known: Mapping[str, CompiledPolicy]) -> None:
        self._policy, self._retrial = policy, Retrial(policy, known)
        self._rolls = _rolling(policy)

    def read(
        self, blocks: Iterable[Block], tenant: str | None = None
    ) -> Iterator[tuple[Sequence[Mapping[str, Any]], Floats]]:
        """Decisions, some at a time, with float32 [N, C]: the highest over types of part; NaN for no score."""
        for block in blocks:
            whole = [said for line in lines(block) if (said := decision(line)) is not None]
            mine = [said for said in whole if tenant is None or said["tenant"] == tenant]
            for start in range(0, len(mine), _TOGETHER):
                some = mine[start : start + _TOGETHER]
                yield some, self._rolled(self._retrial.scores(some))

    def _rolled(self, own: Floats) -> Floats:
        for child, parent, rolls in self._rolls:
            counted = np.where(rolls, own[:, :, child], np.float32(np.nan))
            own[:, :, parent] = np.fmax(own[:, :, parent], counted)
        highest: Floats = np.fmax.reduce(own, axis=1)
        return highest


def _rolling(policy: CompiledPolicy) -> list[tuple[int, int, npt.NDArray[np.bool_]]]:
    """Child, parent and for which types it rolls up, children first; where no condition is true."""
    probe = Findings({}, frozenset(kind.label for kind in PART_TYPES))
    probe.scores = np.zeros((len(PART_TYPES), len(policy.categories)), np.float32)
    judge = policy.judge(probe)
    assert judge is not None
    places = {path: i for i, path in enumerate(policy.categories)}
    pairs = [(i, places.get(path.rpartition("/")[0], -1)) for path, i in places.items()]
    return [(i, parent, judge.arrays.rolls[:, i]) for i, parent in reversed(pairs) if parent >= 0]


class Traffic:
    """How often each node's score is at or over each threshold on a day: a histogram over four decimals."""

    def __init__(self, categories: int) -> None:
        self._counts = np.zeros((categories, _GRID), np.int64)
        self._days: set[str] = set()

    def add(self, decisions: Sequence[Mapping[str, Any]], scores: Floats) -> None:
        """Count some decisions."""
        self._days.update(said["time"][:10] for said in decisions)
        for column in range(scores.shape[1]):
            there = scores[:, column][~np.isnan(scores[:, column])]
            np.add.at(self._counts[column], np.rint(there * (_GRID - 1)).astype(np.int64), 1)

    def a_day(self, column: int, threshold: float) -> float:
        """Decisions at or over `threshold` on an average day."""
        return float(self._counts[column, round(threshold * (_GRID - 1)) :].sum()) / max(len(self._days), 1)


def tune(
    categories: Sequence[str],
    labels: Labels,
    scored: Mapping[str, Floats],
    traffic: Traffic | None,
    *,
    recall: float = 0.9,
    precision: float = 0.9,
) -> list[Tuned]:
    """
    Every category that has labels.

    Args:
        scored: by event id, float32 [C] scores with children rolled up.
        recall, precision: what the points `high_recall` and `high_precision` aim at.
    """
    found = []
    for column, category in enumerate(categories):
        rows = [
            (float(scored[event][column]), label_of(said, category))
            for event, said in labels.items()
            if event in scored
        ]
        known = [(score, label) for score, label in rows if label is not None]
        if not known:
            continue
        usable = [(score, label) for score, label in known if score == score]
        found.append(_tuned(category, column, usable, len(known), traffic, recall, precision))
    return found


def _tuned(
    category: str,
    column: int,
    rows: Sequence[tuple[float, bool]],
    labelled: int,
    traffic: Traffic | None,
    recall: float,
    precision: float,
) -> Tuned:
    positives = sum(label for _, label in rows)
    if positives < LEAST_POSITIVES:
        unscored = f", {labelled - len(rows)} labelled events have no score for it" if labelled > len(rows) else ""
        reason = f"only {positives} labelled as violating: at least {LEAST_POSITIVES} are needed{unscored}"
        return Tuned(category, positives, len(rows) - positives, refused=reason)
    if positives == len(rows):
        return Tuned(category, positives, 0, refused="no negatives: without some, every threshold looks precise")
    curve = tuple(_curve(rows, positives, lambda t: None if traffic is None else traffic.a_day(column, t)))
    points = _points(curve, recall, precision)
    reached: dict[Point, bool] = {
        "high_recall": points["high_recall"].recall.value >= recall,
        "balanced": True,
        "high_precision": points["high_precision"].precision.value >= precision,
    }
    return Tuned(category, positives, len(rows) - positives, curve, points, reached)


def _curve(rows: Sequence[tuple[float, bool]], positives: int, a_day: Any) -> Iterator[Threshold]:
    """A threshold at each score that occurs, lowest first."""
    scores = np.round(np.array([score for score, _ in rows]), _DECIMALS)
    labels = np.array([label for _, label in rows])
    for threshold in np.unique(scores):
        over = scores >= threshold
        hits = int((labels & over).sum())
        value = round(float(threshold), _DECIMALS)
        yield Threshold(value, Share(hits, int(over.sum())), Share(hits, positives), a_day(value))


def _points(curve: Sequence[Threshold], recall: float, precision: float) -> dict[Point, Threshold]:
    """
    The highest threshold that still has the recall; the best F1; the lowest, from there on, that has the precision.

    Precision is believed only where a tenth of the positives stands behind it; where none has it, the most precise.
    """
    high_recall = max((one for one in curve if one.recall.value >= recall), key=lambda one: one.threshold)
    balanced = max(curve, key=lambda one: (one.f1, one.threshold))
    enough = [one for one in curve if one.recall.value >= 0.1 and one.threshold >= balanced.threshold]
    precise = [one for one in enough if one.precision.value >= precision]
    high_precision = precise[0] if precise else max(enough or [balanced], key=lambda one: one.precision.value)
    low = min(high_recall, balanced, key=lambda one: one.threshold)
    return dict(zip(OPERATING_POINTS, (low, balanced, high_precision), strict=True))


def merge_patch(tuned: Sequence[Tuned], flag: Point = "balanced") -> dict[str, Any]:
    """
    The proposal as a JSON merge patch (RFC 7396) of a policy; a child policy with `extends` may hold the same.

    `flag` at the chosen point; `block` at `high_precision`, only where its target is reached and it is no looser.
    """
    patch: dict[str, Any] = {}
    for one in tuned:
        if one.refused is not None:
            continue
        node = patch
        for step, name in enumerate(one.category.split("/")):
            node = node.setdefault("children" if step else "categories", {}).setdefault(name, {})
        node["flag"] = one.points[flag].threshold
        block = one.points["high_precision"].threshold
        if one.reached["high_precision"] and block > node["flag"]:
            node["block"] = block
    return patch
