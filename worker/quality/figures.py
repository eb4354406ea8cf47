"""How well scores tell what violates from what does not: ranking, calibration, and what thresholds make of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from worker.core.shares import Share

Truth = npt.NDArray[np.bool_]  # [n]: violates
Scores = npt.NDArray[np.float64]  # [n] in [0, 1]
Figure = dict[str, Any]
_Z = 1.959964  # of 95 % on both sides
_BINS = 10
_CURVE = 200  # most points of a curve that is drawn


def auroc(truth: Truth, scores: Scores) -> Figure | None:
    """
    Chance that what violates scores above what does not, with its 95 % interval; None without both kinds.

    Interval: Hanley and McNeil (1982), Radiology 143:29.
    """
    yes, no = int(truth.sum()), int((~truth).sum())
    if not yes or not no:
        return None
    value = float(roc_auc_score(truth, scores))
    one, two = value / (2 - value), 2 * value * value / (1 + value)
    spread = (value * (1 - value) + (yes - 1) * (one - value * value) + (no - 1) * (two - value * value)) / (yes * no)
    half = _Z * math.sqrt(max(spread, 0.0))
    return _figure(value, value - half, value + half)


def average_precision(truth: Truth, scores: Scores) -> Figure | None:
    """
    Area under precision over recall, with its 95 % interval; None without both kinds.

    Interval: on the log-odds (Boyd, Eng and Page 2013, ECML PKDD, section 4.2).
    """
    yes = int(truth.sum())
    if not yes or yes == len(truth):
        return None
    value = float(average_precision_score(truth, scores))
    if not 0 < value < 1:
        return _figure(value, value, value)
    middle, half = math.log(value / (1 - value)), _Z / math.sqrt(yes * value * (1 - value))
    return _figure(value, _logistic(middle - half), _logistic(middle + half))


def calibration(truth: Truth, scores: Scores, bins: int = _BINS) -> tuple[float, list[Figure]]:
    """
    Expected calibration error, and the reliability curve it comes from: bins of equal width that hold anything.

    Of each bin: mean score, share that violates with its interval, count. Naeini et al. (2015), AAAI.
    """
    places = np.minimum((scores * bins).astype(np.int64), bins - 1)
    curve, error = [], 0.0
    for place in np.unique(places):
        inside = places == place
        share = Share(int(truth[inside].sum()), int(inside.sum()))
        mean = float(scores[inside].mean())
        error += abs(mean - share.value) * share.of / len(scores)
        curve.append({"score": mean, **share.as_json()})
    return error, curve


def rates(truth: Truth, acted: Truth) -> Figure:
    """Recall, precision and false-positive rate of what was acted on, each a share with its Wilson interval."""
    hit = int((truth & acted).sum())
    return {
        "recall": Share(hit, int(truth.sum())).as_json(),
        "precision": Share(hit, int(acted.sum())).as_json(),
        "false_positive_rate": Share(int((~truth & acted).sum()), int((~truth).sum())).as_json(),
    }


def measure(truth: Truth, scores: Scores, acted: Mapping[str, Truth]) -> Figure:
    """
    All figures of one category. `acted`: by the name of an operating point, or `policy`, what was acted on there.

    Scores may be NaN where nothing scored; those rows count as 0.
    """
    scores = np.nan_to_num(scores, nan=0.0)
    error, reliability = calibration(truth, scores)
    found: Figure = {
        "positives": int(truth.sum()),
        "negatives": int((~truth).sum()),
        "auroc": auroc(truth, scores),
        "ap": average_precision(truth, scores),
        "ece": error,
        "reliability": reliability,
        "points": {name: rates(truth, acts) for name, acts in acted.items()},
    }
    if found["auroc"] is not None:
        found["roc"] = _thinned(*roc_curve(truth, scores)[:2])
        precision, recall, _ = precision_recall_curve(truth, scores)
        found["precision_recall"] = _thinned(recall, precision)
    return found


def _logistic(odds: float) -> float:
    return 0.5 * (1 + math.tanh(odds / 2))  # without overflow


def _figure(value: float, low: float, high: float) -> Figure:
    return {"value": value, "low": max(low, 0.0), "high": min(high, 1.0)}


def _thinned(across: Scores, up: Scores) -> list[list[float]]:
    """At most so many points of a curve, its ends among them."""
    kept = np.unique(np.linspace(0, len(across) - 1, min(len(across), _CURVE)).astype(np.int64))
    return [[round(float(across[i]), 4), round(float(up[i]), 4)] for i in kept]
