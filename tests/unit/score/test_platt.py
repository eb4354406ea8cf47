"""The line from values to log-odds."""

from __future__ import annotations

import numpy as np
import pytest

from worker.score.platt import Line, fit_line

TYPICAL = Line(4.0, -1.0)


def test_no_evidence_leaves_the_typical_line() -> None:
    """A category without examples is calibrated like the others on average."""
    line = fit_line(np.array([0.5]), np.array([True]), np.zeros(1), TYPICAL)
    assert line == pytest.approx(TYPICAL)


def test_much_evidence_finds_the_line_it_came_from() -> None:
    """Labels drawn from known log-odds give those back."""
    draws = np.random.default_rng(7)
    values = draws.uniform(-1.5, 1.5, 20_000)
    positive = draws.uniform(size=20_000) < 1 / (1 + np.exp(-(3.0 * values - 0.5)))
    line = fit_line(values, positive, np.ones(20_000), TYPICAL)
    assert line.slope == pytest.approx(3.0, abs=0.15)
    assert line.shift == pytest.approx(-0.5, abs=0.1)


def test_separable_examples_do_not_make_it_certain() -> None:
    """Five examples that happen to be told apart perfectly are no proof."""
    values = np.array([-1.0] * 5 + [1.0] * 5)
    line = fit_line(values, values > 0, np.full(10, 1e6), TYPICAL)
    assert line.slope <= 12.0
