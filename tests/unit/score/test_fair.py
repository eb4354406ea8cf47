"""Laws of fairness: a flood of one tenant does not hold up another, and no lane idles while work waits."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock import FakeClock
from worker.score.batch import BatchLimits
from worker.score.batcher import Batcher
from worker.score.fair import FairOrder

_limits = st.builds(BatchLimits, items=st.integers(1, 8), cost=st.integers(1, 400), waste=st.sampled_from([0.2, 1.0]))
_costs = st.integers(1, 50)
_MAX = 50


@given(
    _limits,
    st.lists(_costs, min_size=20, max_size=120),
    st.lists(_costs, min_size=20, max_size=120),
    st.sampled_from([0.5, 1.0, 4.0]),
)
def test_two_tenants_that_always_want_more_get_their_weights_worth(
    limits: BatchLimits, loud: list[int], quiet: list[int], weight: float
) -> None:
    """Served cost over weight differs by no more than the items in reach of one batch, at every moment."""
    batcher: Batcher[tuple[str, int]] = Batcher(limits, FakeClock())
    for cost in loud:
        batcher.add(("loud", cost), cost, tenant="loud")
    for cost in quiet:
        batcher.add(("quiet", cost), cost, tenant="quiet", weight=weight)
    left = Counter(loud=len(loud), quiet=len(quiet))
    served: Counter[str] = Counter()
    while batch := batcher.take():
        for tenant, cost in batch.items:
            left[tenant] -= 1
            served[tenant] += cost
        if min(left.values()) == 0:
            break  # one has nothing left: the other may have all
        reach = (2 * limits.items + 1) * _MAX * max(1.0, 1 / weight)
        assert abs(served["loud"] - served["quiet"] / weight) <= reach


@given(_limits, st.lists(st.tuples(st.integers(0, 4), _costs), min_size=1, max_size=120), _costs, st.integers(0, 30))
def test_a_newcomer_leaves_within_one_batch_for_each_tenant(
    limits: BatchLimits, waiting: list[tuple[int, int]], cost: int, taken: int
) -> None:
    """However much the others have waiting: at most one item of each stands before it."""
    batcher: Batcher[str] = Batcher(limits, FakeClock())
    for tenant, one in waiting:
        batcher.add("old", one, tenant=f"t{tenant}")
    for _ in range(min(taken, len(waiting) - 1)):
        batcher.take()
    batcher.add("new", cost, tenant="newcomer")
    tenants = len({tenant for tenant, _ in waiting}) + 1
    for _ in range(tenants):
        batch = batcher.take()
        if batch is None or "new" in batch.items:
            break
    assert batch is not None
    assert "new" in batch.items


@given(_limits, st.lists(st.lists(st.tuples(st.integers(0, 3), _costs), max_size=10), max_size=20))
def test_a_lane_never_idles_while_anything_waits(limits: BatchLimits, steps: list[list[tuple[int, int]]]) -> None:
    """Work conserving: whoever waits alone has all of the lane, and each item leaves exactly once."""
    batcher: Batcher[int] = Batcher(limits, FakeClock())
    added = 0
    left: list[int] = []
    for step in steps:
        for tenant, cost in step:
            batcher.add(added, cost, tenant=str(tenant))
            added += 1
        batch = batcher.take()
        assert (batch is None) == (added == len(left))
        left += batch.items if batch else ()
    while batch := batcher.take():
        left += batch.items
    assert sorted(left) == list(range(added))
    assert len(batcher) == batcher.cost == 0


def test_using_an_idle_lane_alone_costs_nothing_later() -> None:
    """Who worked alone for long is not made to wait when another comes."""
    order = FairOrder()
    for _ in range(1_000):
        order.served(order.tag("early", 10, 1))
    assert order.tag("late", 10, 1) <= order.tag("early", 10, 1)
    assert order.tag("late", 10, 1) <= order.tag("early", 10, 1)


def test_tenants_that_are_owed_nothing_are_forgotten() -> None:
    """Memory does not grow with the number of tenants ever seen."""
    order = FairOrder()
    for number in range(50_000):
        order.served(order.tag(f"t{number}", 1, 1) + 1)
    assert len(order._finish) <= 2_000
