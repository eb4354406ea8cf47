"""Operating points of the text scorer: at most so many harmless lines reach them, and no lower number would do."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.unit.score.test_concepts import SPOILER, TRADE, Category
from worker.score.calibration import RATES, thresholds
from worker.score.concepts import TextConcepts
from worker.score.models.minilm import MiniLM
from worker.score.models.nsfw import NsfwConcepts
from worker.score.profile import Models, _Compilers

probability = st.floats(0, 1, width=32).map(lambda p: round(p, 3))


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 600), st.just(2)), elements=probability))
def test_no_more_harmless_lines_reach_a_point_than_it_promises(scores: Any) -> None:
    """And the number is the lowest of four decimals that keeps the promise, unless all of them are at 1."""
    found = thresholds(scores)
    assert (np.diff(found, axis=0) >= 0).all()
    rounded = np.round(scores.astype(np.float64), 4)
    for rate, row in zip(RATES, found, strict=True):
        reached = (rounded >= row).mean(axis=0)
        assert ((reached <= rate) | (row == 1)).all()
        assert ((np.round(rounded, 4) >= np.round(row - 1e-4, 4)).mean(axis=0) > rate).all()


def test_what_nothing_scores_has_no_point() -> None:
    """NaN stays NaN."""
    assert np.isnan(thresholds(np.full((50, 1), np.nan, np.float32))).all()


def test_the_sample_is_large_enough_and_apart() -> None:
    """0.2 % of it are seven lines; none of them is an everyday line that heads learn from."""
    sample, learnt = (
        files("worker.score").joinpath(name).read_text("utf-8").splitlines()
        for name in ("calibration.txt", "background.txt")
    )
    assert len(sample) == len(set(sample)) == 3600
    assert int(RATES[-1] * len(sample)) == 7
    assert not set(sample) & set(learnt)


@pytest.mark.models
def test_custom_categories_have_points() -> None:
    """Of the same number for every type, one for each category by itself; a category without words has none."""
    lines = files("worker.score").joinpath("calibration.txt").read_text("utf-8").splitlines()[:300]
    concepts = TextConcepts(MiniLM("cpu"), lines)
    found = concepts.points([TRADE, Category("empty"), SPOILER])
    assert found is not None
    assert found.shape == (3, 3, 3)
    assert np.isnan(found[:, :, 1]).all()
    assert (found[:, 0, [0, 2]] == found[:, 2, [0, 2]]).all()
    assert (np.diff(found[:, 0, [0, 2]], axis=0) > 0).all()
    alone = concepts.points([TRADE])
    assert alone is not None
    assert (alone[:, :, 0] == found[:, :, 0]).all()
    assert concepts.points([Category("empty")]) is None


def test_a_detector_has_fixed_points_for_pictures() -> None:
    """Where two scorers give a category a score, the higher number counts; without models there is none."""
    points = NsfwConcepts().points([Category("a", detectors=("nsfw",)), Category("b")])
    assert points is not None
    assert points[:, 1, 0].tolist() == [0.2, 0.5, 0.8]
    assert np.isnan(points[:, [0, 2]]).all()

    class Lower(NsfwConcepts):
        def points(self, categories: Any) -> Any:
            return np.full((3, 3, 2), 0.3)

    both = _Compilers([NsfwConcepts(), Lower()]).points([Category("a", detectors=("nsfw",)), Category("b")])
    assert both is not None
    assert (both[:, 1, 0].tolist(), both[:, 0, 1].tolist()) == ([0.3, 0.5, 0.8], [0.3] * 3)
    assert Models().concepts.points([Category("a")]) is None
