"""Calibration and thresholds: measured by size of error, and only ever on rows that nobody trained on."""

from __future__ import annotations

import numpy as np
import pytest

from train.calibrate import error, everyday
from train.rows import CATEGORIES, Row, labels
from train.sources import held_apart
from train.thresholds import chosen, worth_of


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


def test_thresholds_catch_the_most_within_their_budget() -> None:
    """A category that tells harm apart gets a low threshold; one that scores by chance is left at the highest."""
    dice = np.random.default_rng(2)
    everyday_rows = np.arange(2_000) < 1_000
    scores = dice.random((2_000, 13)).astype(np.float32) * 0.9
    scores[~everyday_rows, 4] = 0.6
    scores[everyday_rows, 4] *= 0.8
    worth = np.where(everyday_rows, 0.0, 1e-3)[:, None].repeat(13, 1).astype(np.float32)
    grid = np.round(np.arange(0.15, 0.955, 0.01), 2)
    found = chosen(scores, worth, everyday_rows, 0.2, grid)
    assert (scores[everyday_rows] >= found).any(1).mean() <= 0.2
    assert found[4] <= 0.6
    assert (np.delete(found, 4) >= 0.89).all()  # where no row scores so high


def test_a_row_caught_as_what_it_is_not_is_worth_nothing() -> None:
    rows = [Row("you fool", labels(["harassment"]), "surge"), Row("see you", labels(), "surge")]
    harmful, harmless = worth_of(rows)
    assert harmful[CATEGORIES.index("harassment")] > 0
    assert harmful[CATEGORIES.index("sexual")] == 0
    assert (harmless < 0).all()
