"""Groups and swaps against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from worker.quality.fairness import by_group, swaps, worst

GROUPS = ["a", "a", "a", "b", "b", "b", None]
TRUTH = np.array([1, 0, 0, 1, 0, 0, 0], np.bool_)
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.1, 0.2, 0.99])
ACTED = SCORES >= 0.5


def test_a_group_that_is_taken_for_harm_shows() -> None:
    """Harmless texts about a score above harm about b: its BPSN AUC and b's BNSP AUC fall to 0, subgroups stay 1."""
    found = by_group(GROUPS, TRUTH, SCORES, ACTED)
    assert list(found) == ["a", "b"]
    assert found["a"]["subgroup_auc"]["value"] == found["b"]["subgroup_auc"]["value"] == 1
    assert found["a"]["bpsn_auc"]["value"] == 0
    assert found["b"]["bnsp_auc"]["value"] == 0
    assert found["b"]["bpsn_auc"]["value"] == 1
    assert found["a"]["false_positive_rate"]["share"] == 1
    assert found["a"]["false_positive_gap"] == pytest.approx(0.5)


def test_the_worst_group_is_named_figure_by_figure() -> None:
    """A mean would hide it."""
    found = worst(by_group(GROUPS, TRUTH, SCORES, ACTED))
    assert found is not None
    assert found["false_positive_gap"] == {"group": "a", "value": 0.5}
    assert found["bpsn_auc"] == {"group": "a", "value": 0}
    assert worst({}) is None


def test_swaps_are_told_by_their_spread() -> None:
    """Pairs of one are none; two of three sentences are decided alike."""
    found = swaps(["p", "p", "q", "q", "r", None, "s", "s"], np.array([0.1, 0.3, 0.6, 0.4, 1, 1, 0.2, 0.2]), TRUTH_8)
    assert found is not None
    assert found["pairs"] == 3
    assert found["spread"]["mean"] == pytest.approx((0.2 + 0.2 + 0) / 3)
    assert found["spread"]["largest"] == pytest.approx(0.2)
    assert found["decided_apart"]["count"] == 1
    assert swaps([None, "only"], np.array([0.1, 0.2]), TRUTH_8[:2]) is None


TRUTH_8 = np.array([0, 0, 1, 0, 1, 1, 0, 0], np.bool_)
