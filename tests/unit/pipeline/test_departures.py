"""Departures: one batch a partition at a time, in order, at once when idle and paced when busy."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock import FakeClock
from worker.core.records import Partition, Position
from worker.pipeline.departures import Departures


class Item(NamedTuple):
    position: Position


def items(number: int, first: int, count: int = 1) -> list[Item]:
    return [Item(Position("t", number, offset)) for offset in range(first, first + count)]


def made(most: int = 10) -> tuple[FakeClock, Departures[Item]]:
    clock = FakeClock()
    return clock, Departures(clock, interval_s=0.1, most=most)


ZERO = Partition("t", 0)


def test_an_idle_partition_leaves_at_once_and_a_busy_one_waits_its_interval() -> None:
    """What comes in between leaves together."""
    clock, lines = made()
    lines.add(items(0, 0))
    assert lines.leaving() == [(ZERO, items(0, 0))]
    lines.arrived(ZERO)
    clock.advance(0.04)
    lines.add(items(0, 1))
    lines.add(items(0, 2))
    assert lines.leaving() == []
    assert abs((lines.wait_s() or 0) - 0.06) < 1e-9
    clock.advance(0.061)
    assert lines.leaving() == [(ZERO, items(0, 1, 2))]


def test_a_full_batch_does_not_wait() -> None:
    """Under load size decides, not time."""
    _, lines = made(most=10)
    lines.add(items(0, 0, 12))
    assert lines.leaving() == [(ZERO, items(0, 0, 10))]
    lines.arrived(ZERO)
    assert lines.leaving() == []
    lines.add(items(0, 12, 8))
    assert lines.leaving() == [(ZERO, items(0, 10, 10))]


def test_a_partition_under_way_holds_only_itself() -> None:
    """Its next batch waits for the end of this one, however long; the others leave."""
    clock, lines = made()
    lines.add([*items(0, 0), *items(1, 0)])
    assert [p.number for p, _ in lines.leaving()] == [0, 1]
    lines.arrived(Partition("t", 1))
    clock.advance(60)
    lines.add([*items(0, 1), *items(1, 1)])
    assert lines.leaving() == [(Partition("t", 1), items(1, 1))]
    assert lines.wait_s() is None
    lines.arrived(ZERO)
    assert lines.leaving() == [(ZERO, items(0, 1))]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 2), st.integers(1, 5)),
            st.tuples(st.just("arrive"), st.integers(0, 2), st.just(0)),
            st.tuples(st.just("time"), st.just(0), st.integers(1, 200)),
        ),
        max_size=60,
    )
)
def test_everything_leaves_once_in_its_partitions_order(steps: list[tuple[str, int, int]]) -> None:
    """For any interleaving of additions, ends and time; never two batches of a partition at once, never too many."""
    clock, lines = made(most=4)
    added, left, busy = defaultdict[int, int](int), defaultdict[int, list[int]](list), set[int]()

    def depart() -> None:
        for partition, batch in lines.leaving():
            assert partition.number not in busy
            assert 1 <= len(batch) <= 4
            busy.add(partition.number)
            left[partition.number] += [item.position.offset for item in batch]

    for step, number, amount in steps:
        if step == "add":
            lines.add(items(number, added[number], amount))
            added[number] += amount
        elif step == "arrive" and number in busy:
            busy.discard(number)
            lines.arrived(Partition("t", number))
        else:
            clock.advance(amount / 1000)
        depart()
    while busy or lines.wait_s() is not None:
        for number in list(busy):
            busy.discard(number)
            lines.arrived(Partition("t", number))
        clock.advance(0.1)
        depart()
    assert {number: list(range(count)) for number, count in added.items()} == dict(left)
