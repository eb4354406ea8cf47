"""Laws of deadlines: who leads a batch, how large it may be, how long it waits, and what becomes of what is late."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock import FakeClock
from worker.score.batch import BatchLimits
from worker.score.batcher import Batcher
from worker.score.latency import Latency

INF = float("inf")
_items = st.lists(
    st.tuples(st.integers(1, 50), st.one_of(st.just(INF), st.floats(0.01, 5)), st.booleans(), st.integers(0, 3)),
    min_size=1,
    max_size=60,
)
_limits = st.builds(BatchLimits, items=st.integers(1, 8), cost=st.integers(1, 400))


@functools.cache
def exact(fixed_s: float, each_s: float) -> Latency:
    """A latency that has seen enough batches to be sure of its line."""
    latency = Latency(fixed_s, each_s)
    for _ in range(4):
        for cost in range(1, 400, 3):
            latency.observe(cost, fixed_s + each_s * cost)
    return latency


def batcher(limits: BatchLimits, clock: FakeClock, fixed_s: float = 0.01, each_s: float = 0.001) -> Batcher[int]:
    return Batcher(limits, clock, exact(fixed_s, each_s))


@given(_limits, _items, st.booleans())
def test_each_item_leaves_once_whatever_its_deadline(
    limits: BatchLimits, items: list[tuple[int, float, bool, int]], pressed: bool
) -> None:
    """Nothing vanishes: an item is in one batch, or given up because it is expendable and will be late."""
    clock = FakeClock()
    one = batcher(limits, clock)
    for number, (cost, within_s, expendable, tenant) in enumerate(items):
        one.add(number, cost, within_s, tenant=str(tenant), expendable=expendable)
    left: list[int] = []
    while len(one):
        given_up = one.give_up()
        assert all(items[number][2] and items[number][1] < INF for number in given_up)
        left += given_up
        plan = one.plan(pressed=pressed)
        if plan is not None:
            batch = one.take(plan)
            assert batch is not None
            left += batch.items
        clock.advance(0.05)
    assert sorted(left) == list(range(len(items)))


@given(_limits, _items)
def test_a_batch_keeps_the_deadline_of_its_leader(
    limits: BatchLimits, items: list[tuple[int, float, bool, int]]
) -> None:
    """It is only as large as the bound on its time allows, unless it is one item alone."""
    clock = FakeClock()
    one = batcher(limits, clock)
    for number, (cost, within_s, expendable, _) in enumerate(items):
        one.add(number, cost, within_s, expendable=expendable)
    while (plan := one.plan()) is not None:
        if plan.deadline < INF:
            assert clock.now() + plan.seconds <= plan.deadline
            assert plan.deadline in {items[number][1] for _, number in plan.places}
        one.take(plan)


@given(st.lists(st.floats(0.1, 5), min_size=2, max_size=30))
def test_the_earliest_deadline_leads(within_s: list[float]) -> None:
    """With one tenant and items alike, batches leave in the order of deadlines."""
    clock = FakeClock()
    one = batcher(BatchLimits(4, 1_000), clock, fixed_s=0.001, each_s=1e-6)
    for number, seconds in enumerate(within_s):
        one.add(number, 10, seconds)
    before = 0.0
    while (plan := one.plan()) is not None:
        assert plan.deadline >= before
        before = plan.deadline
        one.take(plan)


def test_a_batch_waits_for_company_until_the_latest_start_that_keeps_its_deadline() -> None:
    """And never longer than its cap."""
    clock = FakeClock()
    one = batcher(BatchLimits(8, 1_000, wait_s=0.5), clock, fixed_s=0.1, each_s=0.001)
    one.add(0, 10, deadline=0.3)
    due_s = one.due_in_s()
    assert due_s is not None
    assert due_s == pytest.approx(0.3 - 0.12, abs=0.02)  # the start that keeps it with one item more
    one.add(1, 10, deadline=9.0)
    assert (one.due_in_s() or 0.0) < due_s
    one.take()
    one.add(2, 10, deadline=9.0)
    assert one.due_in_s() == pytest.approx(0.5)


def test_under_pressure_the_device_is_not_spent_on_small_batches() -> None:
    """A leader that leaves time for no more than itself is passed over when not all deadlines can be kept."""
    clock = FakeClock()
    limits = BatchLimits(8, 1_000)
    calm, pressed = (batcher(limits, clock, fixed_s=0.1, each_s=0.001) for _ in range(2))
    for one in (calm, pressed):
        one.add(0, 10, deadline=0.115)
        for number in range(1, 12):
            one.add(number, 10, deadline=2.0)
    first, instead = calm.plan(), pressed.plan(pressed=True)
    assert first is not None
    assert instead is not None
    assert (len(first.places), len(instead.places)) == (1, 8)


def test_under_pressure_what_answers_most_a_second_goes_before_a_leader_that_can_wait() -> None:
    """And leaves it the time that its own batch takes; without pressure the earliest deadline goes first."""
    clock = FakeClock()
    one = batcher(BatchLimits(8, 1_000), clock)
    one.add(0, 500, deadline=3.0)
    for number in range(1, 9):
        one.add(number, 10, deadline=9.0)
    calm, pressed = one.plan(), one.plan(pressed=True)
    assert calm is not None
    assert pressed is not None
    assert calm.places == ((500, 0),)
    assert [number for _, number in pressed.places] == list(range(1, 9))
    assert pressed.deadline == pytest.approx(3.0 - calm.seconds)


def test_what_will_be_late_is_given_up_only_while_others_may_keep_their_deadlines() -> None:
    """An estimate that is wrong must be put right: alone, an item is tried until its deadline has really passed."""
    clock = FakeClock()
    one = batcher(BatchLimits(8, 1_000), clock, fixed_s=1.0)
    one.add(0, 10, deadline=0.5, expendable=True)
    assert one.give_up() == []
    assert one.plan() is not None
    one.add(1, 10, deadline=5.0, expendable=True)
    assert one.give_up() == [0]
    clock.advance(6)
    assert one.give_up() == [1]
    assert len(one) == 0


def test_what_is_late_and_wanted_is_never_given_up() -> None:
    """The default policy scores late events all the same."""
    clock = FakeClock()
    one = batcher(BatchLimits(8, 1_000), clock)
    one.add(0, 10, deadline=0.5)
    clock.advance(60)
    assert one.give_up() == []
    batch = one.take()
    assert batch is not None
    assert batch.items == (0,)


def test_an_urgent_flood_does_not_take_what_is_due_to_another_tenant() -> None:
    """Deadlines order what fairness lets through: within a few batches' cost the other tenant's item has left."""
    clock = FakeClock()
    one = batcher(BatchLimits(8, 100), clock, fixed_s=0.0001, each_s=1e-6)
    for number in range(1, 400):
        one.add(number, 10, deadline=1.0 + number / 1_000, tenant="loud")
    one.add(0, 10, deadline=500.0, tenant="quiet")
    batches = [one.take() for _ in range(3)]
    assert any(batch is not None and 0 in batch.items for batch in batches)
