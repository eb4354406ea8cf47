"""Platt scaling with a prior: a line from a model's values to log-odds, sound even with few examples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_STEPS = 40
_PRIOR_STRENGTH = 0.05  # of the typical line, in weighted examples: a category with ten examples goes its own way
_SLOPE = (1.5, 12.0)  # flatter says nothing, steeper has learned its few examples by heart


class Line(NamedTuple):
    """log-odds = slope * value + shift."""

    slope: float
    shift: float


def fit_line(
    values: Doubles,
    positive: npt.NDArray[np.bool_],
    weights: Doubles,
    typical: Line,
    slopes: tuple[float, float] = _SLOPE,
) -> Line:
    """
    The line that makes `values` (float64 [n]) the most likely log-odds of `positive` (bool [n]), by Newton's method.

    weights: float64 [n], not negative; with all of them 0 the answer is `typical`, from which few examples move little.
    slopes: least and greatest that is believed.
    """
    start = np.array(typical)
    line = start.copy()
    design = np.column_stack([values, np.ones(len(values))])
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-np.clip(design @ line, -30, 30)))
        slope = design.T @ (weights * (chances - positive)) + _PRIOR_STRENGTH * (line - start)
        curve = (design.T * (weights * chances * (1 - chances))) @ design + _PRIOR_STRENGTH * np.eye(2)
        step = np.clip(np.linalg.solve(curve, slope), -1, 1)
        line = line - step
        line[0] = np.clip(line[0], *slopes)
        if np.abs(step).max() < 1e-6:
            break
    return Line(float(line[0]), float(line[1]))
