"""Calibration: what the heads say of whole events, held-apart rows, made probabilities and operating points."""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from train.fit import family
from train.rows import CATEGORIES, Row, labels
from worker.core.events import PartType
from worker.core.views import Floats, TextSource
from worker.score.calibration import RATES, thresholds
from worker.score.models.adapted import Adaptation
from worker.score.models.minilm import MiniLM
from worker.score.models.minilm_encoders import CpuEncoder
from worker.score.models.minilm_scorer import read_views, trained_alone
from worker.window.views import Views

_MOST = 400  # rows of one source: the largest would drown the others
_FEWEST = 8  # rows on either side of a category's line; with fewer it stays as trained
_LABELLED_WHOLE = 3.0  # weight of OpenAI's rows: traffic, long and short, labelled in every category
SILENT = -30.0  # log-odds of a text that says nothing
_SEED = 20261124
_BATCH = 512


class Calibration(NamedTuple):
    """slope, shift: float32 [13] lines from a head's log-odds to calibrated ones. points: float32 [3, 13]."""

    slope: Floats
    shift: Floats
    points: Floats


UNCALIBRATED = Calibration(
    np.ones(len(CATEGORIES), np.float32),
    np.zeros(len(CATEGORIES), np.float32),
    np.ones((3, len(CATEGORIES)), np.float32),
)


def calibrated(draft: Adaptation, rows: Sequence[Row], threads: int) -> Calibration:
    """
    Lines and operating points by `rows`, which nobody trained on.

    The prior is that of the rows: of the default taxonomy's categories, a few to twenty in a hundred violate each.
    """
    rows = thinned(rows)
    odds = event_odds(MiniLM(encoder=CpuEncoder(threads, adapted=draft)), [row.text for row in rows])
    labelled = np.stack([row.labels for row in rows])
    weights = np.array([_LABELLED_WHOLE if family(row) == "openai" else 1.0 for row in rows])
    slope, shift = np.ones(len(CATEGORIES), np.float32), np.zeros(len(CATEGORIES), np.float32)
    for column, name in enumerate(CATEGORIES):
        known = ~np.isnan(labelled[:, column])
        values, truth, weigh = odds[known, column], labelled[known, column], weights[known]
        note = "as trained: too few rows"
        if min(truth.sum(), (1 - truth).sum()) >= _FEWEST:
            slope[column], shift[column] = _line(values, truth, weigh)
            note = f"ECE {_apart(values, truth, weigh):.3f} on rows the line was not fitted on"
        print(f"{name:25s} {int(truth.sum()):5d} of {len(truth):5d} violate, {note}", flush=True)
    harmless = [place for place, row in enumerate(rows) if everyday(row)]
    scores = 1 / (1 + np.exp(-(odds[harmless] * slope + shift)))
    print(f"operating points by {len(harmless)} everyday rows, at {RATES}")
    return Calibration(slope, shift, thresholds(scores).astype(np.float32))


def event_odds(model: MiniLM, texts: Sequence[str]) -> Floats:
    """float32 [N, 13]: each text read as an event is: raw, normalised, in windows and by sentences; the maximum."""
    views = Views(model)
    found = np.full((len(texts), len(CATEGORIES)), SILENT, np.float32)
    for first in range(0, len(texts), _BATCH):
        batch = texts[first : first + _BATCH]
        asked = [
            (place, view)
            for place, text in enumerate(batch, first)
            for view in views.texts([(TextSource("parts/0", text, (PartType.TEXT,)), views.normalised(text))])[0]
        ]
        seen, less = read_views(model, [view for _, view in asked], trained_alone)
        np.maximum.at(found, [place for place, _ in asked], seen.log_odds - less[:, None])
    return found


def everyday(row: Row) -> bool:
    """Harmless talk as it comes, not contrast: what operating points count false alarms on."""
    harmless = not np.nan_to_num(row.labels, nan=0.0).any()
    plain = row.source in ("davidson/neither", "convabuse", "surge", "background", "synthetic/everyday/chat")
    return harmless and plain


def background() -> list[Row]:
    """The harmless lines that ship with the worker, by which heads of custom categories are made."""
    lines = files("worker.score").joinpath("background.txt").read_text("utf-8").splitlines()
    return [Row(line, labels(), "background") for line in lines]


def error(chances: Floats, truth: Floats, bins: int = 10) -> float:
    """Expected calibration error: bins of equal size, how far their mean chance is from how many violate."""
    order = np.argsort(chances)
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(p) * abs(chances[p].mean() - truth[p].mean()) for p in parts) / len(chances))


def _line(values: Floats, truth: Floats, weights: Floats) -> tuple[float, float]:
    fitted = LogisticRegression(C=10.0).fit(values[:, None], truth, sample_weight=weights)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _apart(values: Floats, truth: Floats, weights: Floats) -> float:
    """The calibration error when each half is judged by the line of the other."""
    half: npt.NDArray[np.bool_] = np.random.default_rng(_SEED).random(len(values)) < 0.5
    chances = np.empty_like(values)
    for part in (half, ~half):
        slope, shift = _line(values[~part], truth[~part], weights[~part])
        chances[part] = 1 / (1 + np.exp(-np.clip(values[part] * slope + shift, SILENT, -SILENT)))
    return error(chances, truth)


def thinned(rows: Sequence[Row], most: int = _MOST) -> list[Row]:
    """At most some hundred rows of a source, the same each time."""
    dice = random.Random(_SEED)
    by_source: dict[Any, list[Row]] = {}
    for row in rows:
        by_source.setdefault(family(row), []).append(row)
    return [row for some in by_source.values() for row in (dice.sample(some, most) if len(some) > most else some)]
