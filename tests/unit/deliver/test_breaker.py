"""Laws of the breaker and the caps: only a jump opens a node, for a set time, and only blocks become flags."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.core.clock import FakeClock
from worker.deliver.breaker import Breaker, BreakerSettings, Change, Phase
from worker.deliver.caps import ActorCaps

SETTINGS = BreakerSettings(min_events=100, min_blocks=10, window_s=60, hold_s=600)


class Traffic:
    """A breaker and a clock; each step is a second of so many events, of which so many block for `hate`."""

    def __init__(self, **changes: Any) -> None:
        self.clock = FakeClock()
        self.breaker = Breaker(SETTINGS.model_copy(update=changes), self.clock)
        self.actors = 0

    def second(self, events: int, blocks: int, *, actor: str | None = None, share: float = 1.0) -> list[Change]:
        self.clock.advance(1)
        made = []
        for _ in range(blocks):
            self.actors += 1
            made.append(("hate", actor or f"u{self.actors}"))
        return self.breaker.observe("p", events, made, share)

    def calm(self, seconds: int = 120) -> None:
        """A baseline of 1 in 100."""
        for _ in range(seconds):
            assert self.second(100, 1) == []

    @property
    def demoted(self) -> bool:
        return "hate" in self.breaker.demoted("p")


def test_a_jump_opens_the_node_and_says_from_where_to_where() -> None:
    """From 1 in 100 to 1 in 2 within a second."""
    traffic = Traffic()
    traffic.calm()
    (change,) = traffic.second(100, 50) or traffic.second(100, 50) or traffic.second(100, 50)
    assert (change.policy, change.category, change.phase) == ("p", "hate", Phase.OPEN)
    assert change.rate > 5 * change.baseline
    assert 0.008 < change.baseline < 0.012
    assert traffic.demoted
    assert [one.category for one in traffic.breaker.standing()] == ["hate"]


@given(st.integers(0, 100), st.integers(100, 400))
@settings(max_examples=60, deadline=None)
def test_a_steady_rate_never_opens_a_node(blocks: int, seconds: int) -> None:
    """Whatever it is: everything blocked from the first event on is a policy, not a jump."""
    traffic = Traffic()
    for _ in range(seconds):
        assert traffic.second(100, blocks) == []


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=80))
@settings(max_examples=60, deadline=None)
def test_nothing_opens_without_a_baseline_of_enough_evidence(steps: list[tuple[int, int]]) -> None:
    """Four times `min_events` must have been seen in windows that ended."""
    traffic = Traffic(min_events=10_000)
    for events, blocks in steps:
        assert traffic.second(events, min(blocks, events)) == []
        assert not traffic.demoted


@given(st.lists(st.integers(0, 100), min_size=1, max_size=60), st.integers(1, 700))
@settings(max_examples=60, deadline=None)
def test_a_node_is_demoted_for_the_hold_and_no_longer(after: list[int], wait: int) -> None:
    """However the rate goes on meanwhile; then it is half open and its blocks stand."""
    traffic = Traffic()
    traffic.calm()
    while not traffic.demoted:
        traffic.second(100, 60)
    opened = traffic.clock.now()
    for blocks in after:
        traffic.second(100, blocks)
        assert traffic.demoted
    traffic.clock.advance(wait)
    changes = traffic.second(1, 0)
    over = traffic.clock.now() - opened >= SETTINGS.hold_s
    assert traffic.demoted is not over
    assert [change.phase for change in changes] == ([Phase.HALF_OPEN] if over else [])


def test_after_the_hold_it_closes_on_the_old_rate_and_opens_again_on_the_new_one() -> None:
    """The baseline stood still meanwhile: what opened the node has not become normal by lasting."""
    for blocks, phase in ((1, Phase.CLOSED), (60, Phase.OPEN)):
        traffic = Traffic()
        traffic.calm()
        while not traffic.demoted:
            traffic.second(100, 60)
        for _ in range(599):
            traffic.second(100, 60)
        seen: list[Change] = []
        while not seen or seen[-1].phase is Phase.HALF_OPEN:
            seen += traffic.second(50, blocks // 2)
        assert [change.phase for change in seen] == [Phase.HALF_OPEN, phase]
        assert seen[-1].baseline < 0.012


def test_one_actor_cannot_open_a_node() -> None:
    """Else flooding would be a way past a block: an actor's blocks count once a window."""
    traffic = Traffic()
    traffic.calm()
    for _ in range(200):
        assert traffic.second(100, 90, actor="flooder") == []


def test_other_nodes_and_other_policies_keep_their_blocks() -> None:
    """A demotion is of one category of one policy."""
    traffic = Traffic()
    traffic.calm()
    while not traffic.demoted:
        traffic.breaker.observe("other", 100, [("hate", None)])
        traffic.second(100, 60)
    assert traffic.breaker.demoted("p") == {"hate"}
    assert traffic.breaker.demoted("other") == set()


def test_a_worker_with_a_quarter_of_the_partitions_needs_a_quarter_of_the_evidence() -> None:
    """So that a jump opens the node about as soon on four workers as on one."""
    found = []
    for share in (1.0, 0.25):
        traffic = Traffic(min_events=400, min_blocks=40)
        for _ in range(120):
            traffic.second(100, 1, share=share)
        steps = 0
        while not traffic.demoted:
            traffic.second(25, 10, share=share)
            steps += 1
        found.append(steps)
    assert found[1] < found[0]


def test_actors_of_ended_windows_are_forgotten() -> None:
    """Memory is one window's actors, not all there ever were."""
    traffic = Traffic()
    for _ in range(600):
        traffic.second(1_000, 20)
    node = traffic.breaker._watches["p"].nodes["hate"]
    assert len(node.actors) <= 61 * 20


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 3), st.floats(0, 4_000)), max_size=80))
def test_no_actor_has_more_than_the_cap_within_any_hour(per_hour: int, blocks: list[tuple[int, float]]) -> None:
    """And a block within the cap is never refused."""
    clock = FakeClock()
    caps = ActorCaps(per_hour, clock)
    taken: dict[int, list[float]] = {}
    for actor, wait in blocks:
        clock.advance(wait)
        recent = [at for at in taken.get(actor, []) if clock.now() - at < 3600]
        allowed = caps.take("acme", f"u{actor}")
        assert allowed is (len(recent) < per_hour)
        if allowed:
            taken.setdefault(actor, []).append(clock.now())


def test_actors_that_were_not_blocked_for_an_hour_are_forgotten() -> None:
    """And the same name at another tenant is somebody else."""
    clock = FakeClock()
    caps = ActorCaps(1, clock)
    for number in range(1_000):
        caps.take("acme", f"u{number}")
    assert caps.take("other", "u1")
    assert not caps.take("acme", "u1")
    clock.advance(3_600)
    assert caps.take("acme", "u1")
    assert len(caps) == 1


def test_without_a_cap_nothing_is_counted() -> None:
    """The default."""
    caps = ActorCaps(0, FakeClock())
    assert all(caps.take("acme", "u") for _ in range(100))
    assert len(caps) == 0
