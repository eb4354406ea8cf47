"""Calibration and thresholds: measured by size of error, and only ever on rows that nobody trained on."""

from __future__ import annotations

import numpy as np
import pytest

from train.calibrate import error, everyday
from train.rows import Row, labels
from train.sources import held_apart
from train.thresholds import within


def test_the_error_is_nothing_when_chances_are_shares() -> None:
    """And as large as chances are wrong."""
    truth = np.tile([0.0, 1.0], 500).astype(np.float32)
    assert error(np.full(1000, 0.5, np.float32), truth) < 0.05
    assert error(np.full(1000, 0.9, np.float32), truth) == pytest.approx(0.4, abs=0.05)


def test_everyday_is_harmless_talk_alone() -> None:
    """Neither contrast, which is made to be hard, nor rows whose harm is of another kind."""
    assert everyday(Row("see you at noon", labels(), "surge"))
    assert not everyday(Row("you fool", labels(["harassment"], no=()), "surge"))
    assert not everyday(Row("they are not vermin", labels(), "synthetic/hate/hate-negated"))


def test_equal_texts_fall_on_one_side() -> None:
    """Whatever their case, edges and source."""
    rows = [Row(text, labels(), source) for text in ("A b", " a B ") for source in ("edos", "surge")]
    assert len({held_apart(row) for row in rows}) == 1


def test_thresholds_stay_within_their_budget() -> None:
    """All categories together flag at most that share, and not much less."""
    scores = np.random.default_rng(2).random((2_000, 13)).astype(np.float32) * 0.9
    flagged = (scores >= within(scores, 0.05)).any(1).mean()
    assert 0.03 < flagged <= 0.05
