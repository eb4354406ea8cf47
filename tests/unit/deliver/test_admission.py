"""Admission: what is shed, by whose choice, and what counts as too much."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock import FakeClock
from worker.core.metrics import Metrics
from worker.core.records import Partition, TransportHealth
from worker.deliver.admission import Admission, GroupShare, OverloadSettings
from worker.deliver.credits import Credits
from worker.deliver.rates import EventRates

NOW_MS = 1_800_000_000_000  # the fake clock's


@dataclass
class Rules:
    """A policy's part in it."""

    late: str = "flag"
    events_per_s: float | None = None
    weight: float = 1.0

    def otherwise(self, rule: str) -> str:
        assert rule == "late"
        return self.late


class Bench:
    def __init__(self, events: int = 100, share: float = 1.0, **settings: float) -> None:
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.credits = Credits(events=events, decoded_bytes=1_000_000)
        overload = OverloadSettings.model_validate(settings)
        self.admission = Admission(overload, self.clock, self.metrics, self.credits, lambda: share)

    def code(self, rules: Rules, tenant: str = "acme", stamp_ms: int = NOW_MS, deadline_ms: int | None = None) -> str:
        """Admit one; what it was shed for, "" when models look at it."""
        assert self.credits.take(1, tenant)
        now = self.clock.now()
        terms = self.admission.terms(tenant, rules, stamp_ms=stamp_ms, deadline_ms=deadline_ms, now=now)
        return terms.shed.code if terms.shed is not None else ""

    def counted(self, code: str, done: str) -> float:
        labels = {"code": code, "done": done}
        return self.metrics.registry.get_sample_value("tidegate_overload_events_total", labels) or 0


def test_by_default_nothing_is_shed_however_late_and_however_much() -> None:
    """`late: score`: counted, and scored all the same."""
    bench = Bench(events=2_000, deadline_ms=10)
    rules = Rules(late="score", events_per_s=1)
    for _ in range(500):
        assert bench.code(rules, stamp_ms=NOW_MS - 60_000) == ""
    assert bench.counted("over_rate", "scored") + bench.counted("late", "scored") == 500


@pytest.mark.parametrize("choice", ["allow", "flag", "block"])
def test_a_tenant_that_chose_so_is_shed_past_its_deadline(choice: str) -> None:
    """Its own, else the worker's, from the queue's stamp; a stamp of 0 is none."""
    bench = Bench(deadline_ms=1_000)
    rules = Rules(late=choice)
    assert bench.code(rules, stamp_ms=NOW_MS - 999) == ""
    assert bench.code(rules, stamp_ms=NOW_MS - 1_001) == "late"
    assert bench.code(rules, stamp_ms=NOW_MS - 1_001, deadline_ms=5_000) == ""
    assert bench.code(rules, stamp_ms=NOW_MS - 101, deadline_ms=100) == "late"
    assert bench.code(rules, stamp_ms=0, deadline_ms=1) == ""
    assert bench.counted("late", "shed") == 2


def test_the_deadline_of_the_asks_is_the_stamp_and_the_event_s_own_limit() -> None:
    """In monotonic seconds, for the lane with least slack."""
    bench = Bench()
    terms = bench.admission.terms("acme", Rules(weight=3), stamp_ms=NOW_MS - 500, deadline_ms=2_000, now=0.0)
    assert terms.deadline == pytest.approx(bench.clock.now() + 1.5)
    assert (terms.weight, terms.tenant, terms.expendable) == (3, "acme", True)
    assert bench.admission.terms("acme", Rules(), stamp_ms=NOW_MS, deadline_ms=None, now=0.0).deadline == float("inf")


@given(st.floats(0.1, 300), st.floats(0.01, 1), st.integers(1, 40))
def test_no_more_than_the_limit_times_the_share_passes_in_any_span(limit: float, share: float, seconds: int) -> None:
    """In so many seconds never over the limit by more than two windows' worth, and within it nobody is shed."""
    rates = EventRates()
    per_s = limit * share
    window = max(1.0, 10 / per_s + 1)
    passed = 0
    for second in range(seconds):
        for i in range(40):
            passed += rates.within("acme", NOW_MS + second * 1000 + i, per_s)
    assert passed <= per_s * (seconds + 2 * window)


@given(st.permutations(range(0, 20_000, 100)))
def test_a_backlog_read_in_any_order_loses_what_reading_in_time_would_have_lost(stamps: list[int]) -> None:
    """Ten a second against a limit of ten: nothing, whether it is read in time, late, or partition by partition."""
    rates = EventRates()
    assert all(rates.within("acme", NOW_MS + stamp, 10.0) for stamp in stamps)
    assert not rates.within("acme", NOW_MS, 10.0)


def test_tenants_are_counted_apart_and_old_windows_forgotten() -> None:
    """Memory is bounded whatever the stamps are."""
    rates = EventRates()
    assert [rates.within(name, NOW_MS, 10.0) for name in "ab" for _ in range(11)].count(False) == 2
    for second in range(30_000):
        rates.within("acme", NOW_MS + second * 1000, 10.0)
    assert len(rates) <= 20_000


def test_a_quarter_of_the_partitions_has_a_quarter_of_the_limit() -> None:
    """So that the limit holds for the group."""
    bench = Bench(events=2_000, share=0.25)
    stamps = [NOW_MS + i * 2 for i in range(500)]
    codes = Counter(bench.code(Rules(events_per_s=400), stamp_ms=stamp) for stamp in stamps)
    assert codes == {"": 100, "over_rate": 400}


def test_a_tenant_over_its_share_of_the_credits_is_shed_while_others_are_there() -> None:
    """Not when it is alone, not when it wants everything scored, and not a neighbour."""
    bench = Bench(events=100, tenant_share=0.5)
    assert bench.code(Rules(), tenant="quiet") == ""
    codes = [bench.code(Rules(), tenant="loud") for _ in range(60)]
    assert codes == [""] * 50 + ["over_share"] * 10
    assert bench.code(Rules(late="score"), tenant="loud") == ""
    assert bench.code(Rules(), tenant="quiet") == ""
    bench.clock.advance(11)
    assert bench.code(Rules(), tenant="loud") == ""
    assert bench.counted("over_share", "shed") == 10


def test_credits_are_given_back_to_the_tenant_that_held_them() -> None:
    """And a tenant that holds nothing is remembered no more."""
    credits = Credits(events=10, decoded_bytes=100)
    for size in (1, 2, 3):
        credits.take(size, "acme")
    credits.take(5)
    assert (credits.held, credits.held_by("acme")) == ((4, 11), (3, 6))
    credits.give_back(2, 6, [("acme", 1), (None, 5)])
    assert (credits.held, credits.held_by("acme")) == ((2, 5), (2, 5))
    credits.give_back(2, 5, [("acme", 2), ("acme", 3)])
    assert credits.held_by("acme") == (0, 0)
    assert not credits._tenants


def test_the_share_is_owned_of_all_and_asked_for_once_a_second() -> None:
    """A spare worker, or a queue that does not say, counts as having it all: it has nothing to limit."""

    class Queue:
        asked = 0

        def health(self) -> TransportHealth:
            self.asked += 1
            owned = tuple(Partition("events", number) for number in range(6))
            return TransportHealth(True, owned, "", {}, total=24)

    clock, queue = FakeClock(), Queue()
    share = GroupShare(queue, clock)  # type: ignore[arg-type]  # all that is asked of a transport here
    assert [share() for _ in range(5)] == [0.25] * 5
    assert queue.asked == 1
    clock.advance(1)
    share()
    assert queue.asked == 2
    assert TransportHealth(True, (), "", {}, total=24).share == 1.0
    assert TransportHealth(True, (Partition("events", 0),), "", {}).share == 1.0
