"""Suspects: whichever records kill the process are convicted, nobody else is, and normal running costs one mark."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.core.records import Partition, Position
from worker.deliver.suspects import Mark, Step, Suspects

P = Partition("events", 0)
OTHER = Partition("events", 1)


def at(offset: int, partition: Partition = P) -> Position:
    return Position(*partition, offset)


class Queue:
    """A partition with records that kill, and what survives a death: committed offset, mark, how each record ended."""

    def __init__(self, length: int, killers: set[int], flight: int) -> None:
        self.length, self.killers, self.flight = length, killers, flight
        self.committed, self.mark = 0, ""
        self.parked: set[int] = set()
        self.ended: set[int] = set()
        self.commits = 0
        self.deaths = 0

    def run(self, name: str, *, commit_every: int) -> bool:
        """One run of a worker; False when it died. Decides `flight` records at a time, commits now and then."""
        suspects = Suspects(name, window=8, reach=2 * (self.flight + commit_every))
        suspects.take(P, self.mark)
        offset, since = self.committed, 0
        flying: list[int] = []
        while offset < self.length:
            step = suspects.step(at(offset))
            if step in (Step.MARK, Step.ALONE):
                if not self.land(flying):
                    return False
                text = suspects.cover(at(offset)) if step is Step.MARK else suspects.name(at(offset))
                self.store(offset, text)
            if step is Step.PARK:
                self.parked.add(offset)
                suspects.convicted(at(offset))
            else:
                flying.append(offset)
            offset += 1
            since += 1
            if (len(flying) >= self.flight or step is Step.ALONE) and not self.land(flying):
                return False
            if since >= commit_every:
                if not self.land(flying):
                    return False
                self.store(offset, suspects.mark(P, offset))
                since = 0
        if not self.land(flying):
            return False
        self.store(self.length, suspects.rest(P, self.length))
        return True

    def land(self, flying: list[int]) -> bool:
        """All of them are decided, unless one kills."""
        if self.killers & set(flying):
            self.deaths += 1
            return False
        self.ended.update(flying)
        flying.clear()
        return True

    def store(self, offset: int, mark: str) -> None:
        assert offset >= self.committed
        assert len(mark) < 1_000
        self.committed, self.mark = offset, mark
        self.commits += 1


@settings(max_examples=200, deadline=None)
@given(
    length=st.integers(1, 200),
    killers=st.sets(st.integers(0, 199), max_size=4),
    flight=st.integers(1, 40),
    commit_every=st.integers(1, 60),
)
def test_exactly_the_records_that_kill_are_parked(
    length: int, killers: set[int], flight: int, commit_every: int
) -> None:
    """After at most four deaths each; everything else is decided, and the offsets never go back."""
    queue = Queue(length, {killer for killer in killers if killer < length}, flight)
    for run in range(100):
        if queue.run(f"run-{run}", commit_every=commit_every):
            break
    assert queue.parked == queue.killers
    assert queue.ended == set(range(length)) - queue.killers
    assert queue.deaths <= 4 * len(queue.killers)  # three, and one more where it stands in a window that had grown
    assert Mark.parse(queue.mark).run == ""


def test_in_normal_running_a_partition_is_marked_once() -> None:
    """Where it comes; after that every offset is covered, and marks ride on commits that happen anyway."""
    suspects = Suspects("a")
    suspects.take(P, "")
    assert not suspects.covers(P, 5)
    assert suspects.step(at(5)) is Step.MARK
    assert Mark.parse(suspects.cover(at(5))).run == "a"
    assert suspects.covers(P, 10**12)
    assert suspects.rest(P, 10**12) == ""


def test_a_worker_that_lost_and_regained_its_partition_did_not_die() -> None:
    """Its own name stands in the mark."""
    first = Suspects("a")
    first.take(P, "")
    mark = first.cover(at(0))
    first.forget([P])
    first.take(P, mark)
    first.cover(at(0))
    assert first.covers(P, 10**6)


def test_suspicion_outlives_a_rebalance_in_good_order_and_counts_no_death() -> None:
    """A record that kills every other worker must not find each of them in good faith."""
    dead = Suspects("a", reach=100)
    dead.take(P, "")
    heir = Suspects("b", window=10, reach=100)
    heir.take(P, dead.cover(at(0)))
    heir.cover(at(0))
    passed_on = heir.rest(P, 10)
    third = Suspects("c", window=10, reach=100)
    assert third.take(P, passed_on) == Mark("", 1, 100, None)
    third.cover(at(10))
    assert third.covers(P, 19)
    assert not third.covers(P, 20)
    assert heir.rest(P, 100) == ""  # all that was in flight lies behind


def test_what_other_tools_write_beside_an_offset_is_no_mark() -> None:
    """Text, numbers, other JSON, marks of a version to come."""
    for text in ("", "x", "1", "[]", "null", '{"a": 1}', '{"tidegate": 2, "run": "a"}', '{"tidegate": 1}'):
        assert Mark.parse(text) == Mark()


@given(
    st.builds(
        Mark,
        run=st.text("0123456789abcdef", max_size=8),
        deaths=st.integers(0, 10),
        until=st.integers(0, 2**62),
        window=st.none() | st.tuples(st.integers(0, 2**62), st.integers(0, 2**62)),
        named=st.none() | st.integers(0, 2**62),
    )
)
def test_a_mark_survives_being_stored(mark: Mark) -> None:
    """And is short."""
    assert Mark.parse(mark.pack()) == mark
    assert len(mark.pack()) < 200


def test_partitions_are_judged_apart() -> None:
    """A death counts for all that the worker held; one that is through its suspects runs as ever."""
    suspects = Suspects("b", window=10, reach=100)
    suspects.take(P, Mark("a", 0, 50).pack())
    suspects.take(OTHER, "")
    suspects.cover(at(0))
    suspects.cover(at(0, OTHER))
    assert suspects.covers(OTHER, 10**6)
    assert not suspects.covers(P, 10)
    suspects.cover(at(50))
    assert suspects.covers(P, 10**6)
