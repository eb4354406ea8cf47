"""Operating points: thresholds at which a head is wrong about at most so many of a few thousand harmless lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.resources import files

import numpy as np

from worker.core.views import Floats, Thresholds
from worker.score.assessment import SCORE_DECIMALS
from worker.score.weights import content_digest

RATES = (0.05, 0.01, 0.002)  # of harmless lines at or over high_recall, balanced, high_precision
_STEP = 10.0**-SCORE_DECIMALS


class Sample:
    """
    Harmless lines from which no head ever learnt.

    Args:
        embed: texts to float32 [N, D]; asked once, when a policy first has an operating point.
        lines: in place of the 3,600 of public sets that ship (docs/models.md).
    """

    def __init__(self, embed: Callable[[Sequence[str]], Floats], lines: Sequence[str] | None = None) -> None:
        shipped = files("worker.score").joinpath("calibration.txt")
        self._lines = list(lines or shipped.read_text("utf-8").splitlines())
        self._embed = embed
        self.digest = content_digest(*self._lines, repr(RATES))

    @cached_property
    def embeddings(self) -> Floats:
        """float32 [N, D]."""
        return self._embed(self._lines)


def thresholds(scores: Floats) -> Thresholds:
    """
    float64 [3, C] from the float32 [N, C] scores of N harmless lines: the lowest numbers of four decimals that at most
    5 %, 1 % and 0.2 % of them reach. A column of NaN, which nothing scores, stays NaN.
    """
    rounded = np.round(scores.astype(np.float64), SCORE_DECIMALS)
    highest_first = -np.sort(-rounded, axis=0)
    passed = [highest_first[int(rate * len(scores))] + _STEP for rate in RATES]
    found: Thresholds = np.minimum(np.round(passed, SCORE_DECIMALS), 1.0)
    return found
