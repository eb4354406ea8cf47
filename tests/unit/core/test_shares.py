"""Wilson's interval: within 0 and 1, around the share, narrower with more to count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.shares import Share, percent


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (1, 100, 0.0018, 0.0545), (0, 0, 0.0, 1.0)],
)
def test_known_intervals(count: int, of: int, low: float, high: float) -> None:
    """Values as in the literature's tables of the score interval without continuity correction."""
    assert Share(count, of).interval == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_share_lies_within(pair: tuple[int, int]) -> None:
    """And ten times as much of the same gives a narrower one."""
    share, more = Share(*pair), Share(pair[0] * 10, pair[1] * 10)
    low, high = share.interval
    assert 0 <= low <= share.value <= high <= 1
    assert more.interval[1] - more.interval[0] < high - low


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0 %"), (1, "100 %"), (0.042, "4.2 %"), (0.0005, "0.050 %"), (0.5, "50.0 %")]
)
def test_rare_and_common_can_both_be_read(value: float, words: str) -> None:
    """Two figures, as far as they say anything."""
    assert percent(value) == words
