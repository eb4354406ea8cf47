"""Laws of the batcher: nothing lost, ceilings kept, nobody starved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock import FakeClock
from worker.core.errors import ConfigError
from worker.score.batch import BatchLimits, Left
from worker.score.batcher import Batcher

_limits = st.builds(
    BatchLimits,
    items=st.integers(1, 8),
    cost=st.integers(1, 200),
    waste=st.sampled_from([0.0, 0.2, 1.0]),
    packs=st.booleans(),
)
_costs = st.lists(st.integers(1, 100), max_size=60)
# each step adds that many items, then takes one batch
_steps = st.lists(st.lists(st.integers(1, 100), max_size=8), max_size=20)


@given(_limits, _steps)
def test_each_item_leaves_exactly_once(limits: BatchLimits, steps: list[list[int]]) -> None:
    """However adding and taking interleave, nothing is lost or doubled."""
    batcher: Batcher[int] = Batcher(limits, FakeClock())
    left: list[int] = []
    added = 0
    for costs in steps:
        for cost in costs:
            batcher.add(added, cost)
            added += 1
        batch = batcher.take()
        left += batch.items if batch else ()
    while batch := batcher.take():
        left += batch.items
    assert sorted(left) == list(range(added))
    assert len(batcher) == batcher.cost == 0


@given(_limits, _costs)
def test_no_batch_passes_a_ceiling_unless_it_is_one_item(limits: BatchLimits, costs: list[int]) -> None:
    """
    What is computed and the number stay within limits, and padding within its share of all that was computed so far.

    An item over the limits goes alone; the reported costs are true.
    """
    batcher: Batcher[int] = Batcher(limits, FakeClock())
    padding = computed = 0
    for cost in costs:
        batcher.add(cost, cost)
    while batch := batcher.take():
        dearest = max(batch.items)
        assert batch.cost == sum(batch.items)
        assert batch.padded == (batch.cost if limits.packs else dearest * len(batch.items))
        assert list(batch.items) == sorted(batch.items)
        if len(batch.items) > 1:
            assert len(batch.items) <= limits.items
            assert batch.padded <= limits.cost
        padding, computed = padding + batch.padded - batch.cost, computed + batch.padded
        assert padding <= limits.waste * computed + 1e-6


@given(_limits, _steps)
def test_every_batch_holds_the_oldest_item(limits: BatchLimits, steps: list[list[int]]) -> None:
    """So an item with k before it leaves within k + 1 batches, whatever comes after it."""
    batcher: Batcher[int] = Batcher(limits, FakeClock())
    waiting: list[int] = []
    added = 0
    for costs in steps:
        for cost in costs:
            batcher.add(added, cost)
            waiting.append(added)
            added += 1
        batch = batcher.take()
        if batch:
            assert waiting[0] in batch.items
            waiting = [item for item in waiting if item not in batch.items]


def test_neighbours_in_cost_leave_together() -> None:
    """Short and long texts are not padded to each other."""
    batcher: Batcher[int] = Batcher(BatchLimits(items=3, cost=1000), FakeClock())
    for cost in (10, 100, 11, 101, 10, 99):
        batcher.add(cost, cost)
    first, second = batcher.take(), batcher.take()
    assert first is not None
    assert second is not None
    assert sorted([first.items, second.items]) == [(10, 10, 11), (99, 100, 101)]


def test_it_says_why_a_batch_left() -> None:
    """The reason is what ended the batch: a ceiling, the wait, nothing else to do, or the end."""
    clock = FakeClock()

    def left(limits: BatchLimits, items: int, *, wait: float = 0.0, drain: bool = False) -> Left:
        batcher: Batcher[int] = Batcher(limits, clock)
        for item in range(items):
            batcher.add(item, 10)
        clock.advance(wait)
        if drain:
            batcher.drain()
        batch = batcher.take()
        assert batch is not None
        return batch.left

    assert left(BatchLimits(items=2, cost=100), 3) is Left.FULL
    assert left(BatchLimits(items=9, cost=20), 3) is Left.COST
    assert left(BatchLimits(items=9, cost=100), 3) is Left.IDLE
    assert left(BatchLimits(items=9, cost=100, wait_s=1), 3, wait=2) is Left.WAIT
    assert left(BatchLimits(items=9, cost=100, wait_s=1), 3, drain=True) is Left.DRAIN


def test_an_item_waits_for_company_no_longer_than_it_may() -> None:
    """Due when its time is up, or at once when a ceiling is reached or nothing more comes."""
    clock = FakeClock()
    batcher: Batcher[int] = Batcher(BatchLimits(items=3, cost=100, wait_s=0.5), clock)
    assert batcher.due_in_s() is None
    batcher.add(0, 10)
    assert batcher.due_in_s() == pytest.approx(0.5)
    clock.advance(0.375)
    batcher.add(1, 10)
    assert batcher.due_in_s() == pytest.approx(0.125)
    batcher.add(2, 10)
    assert batcher.due_in_s() == 0.0
    batcher.take()
    batcher.add(3, 10)
    batcher.drain()
    assert batcher.due_in_s() == 0.0


def test_limits_that_nothing_fits_are_refused() -> None:
    """A configuration that can never work does not start."""
    with pytest.raises(ConfigError, match="raise"):
        BatchLimits(items=0, cost=1)
    with pytest.raises(ConfigError, match="negative"):
        BatchLimits(items=1, cost=1, wait_s=-1)
