"""Figures against values that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.quality.figures import auroc, average_precision, calibration, measure, rates

TRUTH = np.array([0, 0, 1, 1], np.bool_)
SCORES = np.array([0.1, 0.4, 0.35, 0.8])


def test_auroc_is_the_chance_that_harm_ranks_higher() -> None:
    """Three of the four pairs are in order; Hanley and McNeil's spread by hand."""
    found = auroc(TRUTH, SCORES)
    assert found is not None
    assert found["value"] == pytest.approx(0.75)
    one, two = 0.75 / 1.25, 2 * 0.75**2 / 1.75
    spread = (0.75 * 0.25 + (one - 0.75**2) + (two - 0.75**2)) / 4
    assert found["low"] == pytest.approx(max(0.75 - 1.959964 * spread**0.5, 0))
    assert found["high"] == 1.0


def test_average_precision_of_the_textbook_example() -> None:
    """1 at a recall of a half, 2/3 at a recall of one."""
    found = average_precision(TRUTH, SCORES)
    assert found is not None
    assert found["value"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found["low"] < found["value"] < found["high"]


def test_with_one_kind_alone_there_is_no_ranking() -> None:
    """Neither figure is made up."""
    only = np.ones(3, np.bool_)
    assert auroc(only, SCORES[:3]) is None
    assert average_precision(only, SCORES[:3]) is None
    assert "roc" not in measure(only, SCORES[:3], {})


def test_calibration_error_weighs_bins_by_their_rows() -> None:
    """Three rows at .9 of which two violate, one at .1 that does not."""
    error, curve = calibration(np.array([1, 1, 0, 0], np.bool_), np.array([0.9, 0.9, 0.9, 0.1]))
    assert error == pytest.approx(0.75 * abs(0.9 - 2 / 3) + 0.25 * 0.1)
    assert [(round(one["score"], 1), one["of"]) for one in curve] == [(0.1, 1), (0.9, 3)]


def test_rates_are_shares_with_intervals() -> None:
    """One of two caught, one of two flagged wrongly."""
    found = rates(TRUTH, np.array([0, 1, 0, 1], np.bool_))
    assert [found[name]["share"] for name in ("recall", "precision", "false_positive_rate")] == [0.5, 0.5, 0.5]
    assert found["recall"]["low"] == pytest.approx(0.0945, abs=1e-3)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60))
def test_figures_stay_in_their_ranges(rows: list[tuple[bool, float]]) -> None:
    """Whatever the scores, NaN among them."""
    truth, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    scores[0] = np.nan
    found = measure(truth, scores, {"policy": scores > 0.5})
    assert 0 <= found["ece"] <= 1
    for name in ("auroc", "ap"):
        if found[name] is not None:
            assert 0 <= found[name]["low"] <= found[name]["value"] <= found[name]["high"] <= 1
