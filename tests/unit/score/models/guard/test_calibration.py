"""Margins become probabilities: from labels by a line or a rising curve, without them by an empty document."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.core.errors import ConfigError
from worker.score.models.guard.calibration import Curve, Curves, from_context, from_labels


def drawn(count: int, slope: float, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """Margins of an over-confident guard, and labels at the odds that are true."""
    random = np.random.default_rng(5)
    margins = random.normal(0, 5, count)
    return margins, random.random(count) < 1 / (1 + np.exp(-(slope * margins + shift)))


@pytest.mark.parametrize(("count", "source"), [(120, "platt"), (4000, "isotonic")])
def test_labels_make_an_over_confident_guard_honest(count: int, source: str) -> None:
    """Whose margins mean a third of what they say."""
    curve = from_labels(*drawn(count, 0.33, -0.5))
    assert curve.source == source
    for margin in (-4.0, 0.0, 4.0):
        truth = 1 / (1 + np.exp(-(0.33 * margin - 0.5)))
        assert curve.probability(margin) == pytest.approx(truth, abs=0.13)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(-30, 30), st.floats(-60, 60), st.floats(0, 30))
def test_a_higher_margin_is_never_less_likely(empty: float, margin: float, more: float) -> None:
    """And every probability is one."""
    curve = from_context(empty)
    assert 0 <= curve.probability(margin) <= curve.probability(margin + more) <= 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.floats(-30, 30), st.floats(-30, 30))
def test_an_empty_document_only_ever_lowers(empty: float, margin: float) -> None:
    """Lifting would make of every harmless line a likely violation."""
    assert from_context(empty).probability(margin) <= 1 / (1 + np.exp(-margin)) + 1e-9


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """At start."""
    file = tmp_path / "curves.json"
    for text in ("", "{}", '{"curves": [{"model": "m"}]}'):
        file.write_text(text)
        with pytest.raises(ConfigError, match="holds no calibration"):
            Curves("m", file)
    with pytest.raises(ConfigError, match="holds no calibration"):
        Curves("m", tmp_path / "none.json")
    assert Curves("m").get("hate", "q") is None


def test_isotonic_ends_are_kept_from_certainty() -> None:
    """No margin is worth 0 or 1."""
    curve = from_labels(*drawn(4000, 3.0, 0.0))
    assert isinstance(curve, Curve)
    assert 0 < curve.probability(-99) < curve.probability(99) < 1
