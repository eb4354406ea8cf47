"""How a lane learns its model's speed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.score.latency import Latency

_batches = st.lists(
    st.tuples(st.integers(1, 64), st.integers(1, 2_000), st.floats(0, 10, allow_nan=False)), max_size=60
)


def test_latency_is_learned_from_batches() -> None:
    """After some batches the estimate is the line they lie on, and it follows a machine that slows down."""
    latency = Latency()
    for cost in range(100, 1100, 10):
        latency.observe(cost, 0.02 + 1e-4 * cost)
    assert latency.estimate_s(500) == pytest.approx(0.07, rel=0.1)
    for cost in range(100, 4100, 10):
        latency.observe(cost, 2 * (0.02 + 1e-4 * cost))
    assert latency.estimate_s(500) == pytest.approx(0.14, rel=0.1)


def test_each_shape_has_a_line_of_its_own() -> None:
    """Long rows cost more a token than short ones, and the model is told apart by its dearest row."""
    latency = Latency()
    for count in range(1, 65):
        latency.observe(count * 40, 0.01 + count * 40 * 1e-5, dearest=40)
        latency.observe(count * 1_000, 0.01 + count * 1_000 * 3e-5, dearest=1_000)
    assert latency.estimate_s(1_280, dearest=40) == pytest.approx(0.0228, rel=0.1)
    assert latency.estimate_s(32_000, dearest=1_000) == pytest.approx(0.97, rel=0.1)


def test_a_shape_never_seen_leans_on_all_others() -> None:
    """The first long text is not taken for free."""
    latency = Latency()
    for count in range(1, 65):
        latency.observe(count * 40, 0.01 + count * 40 * 1e-5, dearest=40)
    assert latency.estimate_s(20_000, dearest=2_000) == pytest.approx(0.21, rel=0.2)


def test_batches_all_alike_leave_a_line_that_can_be_used() -> None:
    """Nothing blows up when every batch has the same cost."""
    latency = Latency()
    for _ in range(500):
        latency.observe(64, 0.5, dearest=1)
    assert latency.estimate_s(64, dearest=1) == pytest.approx(0.5, rel=0.05)
    assert 0 < latency.estimate_s(1, dearest=1) <= 0.51


def test_unsteady_batches_widen_the_bound() -> None:
    """What is rarely exceeded lies further above the estimate when times scatter."""
    steady, shaky = Latency(), Latency()
    for number in range(200):
        steady.observe(100, 0.1, dearest=10)
        shaky.observe(100, 0.05 if number % 2 else 0.15, dearest=10)
    assert steady.bound_s(100, 10) / steady.estimate_s(100, 10) < 1.1
    assert shaky.bound_s(100, 10) > 0.15


@given(_batches, st.integers(1, 64), st.integers(1, 2_000))
def test_estimates_never_fall_with_cost_and_never_below_nothing(
    seen: list[tuple[int, int, float]], count: int, dearest: int
) -> None:
    """Whatever was observed: a longer batch of the same shape is never estimated shorter."""
    latency = Latency()
    for items, cost, seconds in seen:
        latency.observe(items * cost, seconds, dearest=cost)
    shorter, longer = (latency.estimate_s(n * dearest, dearest) for n in (count, count + 1))
    assert 0 <= shorter <= longer
    assert latency.bound_s(count * dearest, dearest) >= shorter
