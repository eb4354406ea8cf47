"""Margins to probabilities, for each model, category and rendered question: without labels, or from them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.isotonic import IsotonicRegression

from worker.core.errors import ConfigError
from worker.score.platt import Doubles, Line, fit_line

_PRIOR = 0.05  # how common a violation is taken to be, as for the embedded heads
_ENOUGH = 200  # labels of either kind from which a curve of its own shape is believed
_SLOPES = (0.05, 3.0)  # guards are over-confident: their margins mean less than they say, hardly ever more
_SURE = 12.0  # log-odds beyond which no calibration goes


@dataclass(frozen=True, slots=True)
class Curve:
    """Log-odds by margin: straight lines between `margins` (rising) and `log_odds`, a constant slope outside."""

    margins: tuple[float, ...]
    log_odds: tuple[float, ...]
    source: str  # "context", "platt", "isotonic"

    @classmethod
    def line(cls, line: Line, source: str) -> Curve:
        """log-odds = slope * margin + shift."""
        ends = (-100.0, 100.0)
        return cls(ends, tuple(line.slope * end + line.shift for end in ends), source)

    def probability(self, margin: float) -> float:
        """0 to 1, never falling with the margin."""
        sure = 100.0 if self.source == "context" else _SURE
        odds = float(np.clip(np.interp(margin, self.margins, self.log_odds), -sure, sure))
        return 1 / (1 + math.exp(-odds))


def from_context(empty_margin: float) -> Curve:
    """
    Without labels: what the prompt says of an empty document is the prompt's own leaning, and is taken off.

    Only ever downwards (after Zhao et al., arXiv 2102.09690, who take it off both ways): a prompt that finds a
    violation in nothing leans by as much as that is over the prior; one that finds none is left as it is, since
    lifting it would make of every harmless line a likely violation.
    """
    prior = math.log(_PRIOR / (1 - _PRIOR))
    return Curve.line(Line(1.0, min(0.0, prior - empty_margin)), "context")


def from_labels(margins: Doubles, violating: npt.NDArray[np.bool_], empty_margin: float = 0.0) -> Curve:
    """
    From labelled contents: a line (Platt), or a rising curve (isotonic) with 200 labels of either kind.

    margins: float64 [n] of the same question. violating: bool [n].
    """
    start = from_context(empty_margin)
    typical = Line(1.0, start.log_odds[0] - start.margins[0])
    positives = int(violating.sum())
    if min(positives, len(violating) - positives) < _ENOUGH:
        line = fit_line(margins, violating, np.ones(len(margins)), typical, _SLOPES)
        return Curve.line(line, "platt")
    fitted = IsotonicRegression(y_min=1e-4, y_max=1 - 1e-4, out_of_bounds="clip").fit(margins, violating)
    chances = fitted.y_thresholds_
    odds = np.log(chances / (1 - chances))
    return Curve(tuple(map(float, fitted.X_thresholds_)), tuple(map(float, odds)), "isotonic")


class Curves:
    """
    Curves from a file of labels' fits, by category and question; what is not there goes by the empty document.

    Args:
        model: digest of the checkpoint. file: as `save` wrote it; None holds nothing.

    Raises:
        ConfigError: the file is missing or damaged.
    """

    def __init__(self, model: str, file: Path | None = None) -> None:
        self._known: dict[tuple[str, str], Curve] = {}
        if file is None:
            return
        try:
            found = json.loads(file.read_text("utf-8"))
            for one in found["curves"]:
                if one["model"] == model:
                    points = (tuple(one["margins"]), tuple(one["log_odds"]))
                    self._known[one["category"], one["question"]] = Curve(*points, one["source"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{file} holds no calibration ({type(error).__name__}): "
                "write it anew or leave models.guard.calibration out"
            ) from error

    def get(self, category: str, question: str) -> Curve | None:
        """The curve of a category (its path; "" is the joint question) under a question's digest."""
        return self._known.get((category, question))


def save(file: Path, model: str, curves: Mapping[tuple[str, str], Curve]) -> None:
    """Write curves by (category, question digest) for `Curves`."""
    rows: Sequence[dict[str, Any]] = [
        {
            "model": model,
            "category": category,
            "question": question,
            "source": curve.source,
            "margins": list(curve.margins),
            "log_odds": list(curve.log_odds),
        }
        for (category, question), curve in curves.items()
    ]
    file.write_text(json.dumps({"curves": rows}, indent=1), "utf-8")
