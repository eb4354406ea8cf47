"""Laws of a track: agreement, severity, hysteresis, cooldown, escalation, and a copy that goes on like the original."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.decisions import Action
from worker.core.streams import CallRules
from worker.stream.track import Passed, Passing, Track, Transition

ALLOW, FLAG, BLOCK = Action
RULES = CallRules(agree=2, of=4, cooldown_s=20, hop_s=5)
NONE: frozenset[str] = frozenset()


def flag(name: str = "a") -> Passing:
    return {name: Passed(FLAG, FLAG)}


def near(name: str = "a") -> Passing:
    """Under the threshold, within the margin."""
    return {name: Passed(ALLOW, FLAG)}


def run(windows: list[Passing], rules: CallRules = RULES, severe: frozenset[str] = NONE) -> list[list[Transition]]:
    """What each of consecutive windows, a hop apart, changes."""
    track = Track()
    return [track.fold(i, 5.0 * i, window, rules, severe) for i, window in enumerate(windows)]


def levels(windows: list[Passing], rules: CallRules = RULES, severe: frozenset[str] = NONE) -> list[Action]:
    """Where the track stands after each window."""
    track, found = Track(), []
    for i, window in enumerate(windows):
        track.fold(i, 5.0 * i, window, rules, severe)
        found.append(track.level)
    return found


passed = st.sampled_from([Passed(a, b) for a in Action for b in Action if b >= a])
windows = st.lists(st.dictionaries(st.sampled_from("ab"), passed), max_size=30)
rules = st.builds(
    CallRules,
    of=st.integers(3, 6),
    agree=st.integers(1, 3),
    cooldown_s=st.sampled_from([0.0, 5.0, 30.0]),
    escalate=st.none() | st.integers(1, 3),
)


def test_agreement_raises_and_one_alone_does_not() -> None:
    """Two of the last four, not one, nor two that are further apart."""
    assert levels([flag(), {}, {}, flag()])[-1] is FLAG
    assert levels([flag(), {}, {}, {}, flag()])[-1] is ALLOW


def test_a_severe_category_is_raised_at_once() -> None:
    """Whatever the agreement asks for."""
    assert run([flag()], severe=frozenset("a")) == [[Transition("a", ALLOW, FLAG, "severe")]]


def test_a_block_that_agrees_goes_past_flag() -> None:
    """Two windows over `block` are a block; one over each of the two a flag."""
    block: Passing = {"a": Passed(BLOCK, BLOCK)}
    assert levels([block, block])[-1] is BLOCK
    assert levels([flag(), block])[-1] is FLAG


def test_it_clears_after_the_cooldown_and_below_the_margin() -> None:
    """Windows within the margin back it as well as those over the threshold do."""
    changes = run([flag(), flag(), near(), *[{}] * 8])
    cleared = next(i for i, change in enumerate(changes) if change and change[0].after is ALLOW)
    assert cleared == 2 + 4  # 20 s after the last that backed it, the margin's
    held = levels([flag(), flag(), *[near()] * 30])
    assert set(held[1:]) == {FLAG}


def test_the_third_time_is_a_block_where_the_policy_says_so() -> None:
    """Raised, cleared, raised, cleared, raised: escalated."""
    once: list[Passing] = [flag(), flag(), *[{}] * 8]
    escalating = CallRules(agree=2, of=4, cooldown_s=20, escalate=3)
    assert max(levels(once * 2, escalating)) is FLAG
    assert run(once * 3, escalating)[21] == [Transition("a", ALLOW, BLOCK, "escalated")]


def test_categories_and_windows_left_out_do_not_help_each_other() -> None:
    """Each category agrees by itself; a hop of which nothing came counts as a window in which nothing was."""
    assert levels([flag("a"), flag("b")])[-1] is ALLOW
    track = Track()
    track.fold(0, 5.0, flag(), RULES, NONE)
    assert track.fold(4, 25.0, flag(), RULES, NONE) == []


@given(windows=windows, rules=rules)
def test_nothing_is_raised_without_agreement(windows: list[Passing], rules: CallRules) -> None:
    """Every rise to a level has `agree` windows of the last `of` that ask for it, or was escalated."""
    for i, changes in enumerate(run(windows, rules)):
        recent = windows[max(0, i + 1 - rules.of) : i + 1]
        for change in changes:
            if change.cause == "agreed":
                asking = sum(w.get(change.category, Passed(ALLOW, ALLOW)).action >= change.after for w in recent)
                assert asking >= rules.agree


@given(windows=windows, rules=rules)
def test_nothing_clears_before_its_cooldown(windows: list[Passing], rules: CallRules) -> None:
    """Counted from the last window that backed what stood."""
    backed: dict[str, float] = {}
    stands: dict[str, Action] = {}
    for i, (window, changes) in enumerate(zip(windows, run(windows, rules), strict=True)):
        for change in changes:
            if change.cause == "cleared":
                assert 5.0 * i - backed[change.category] >= rules.cooldown_s
            stands[change.category] = change.after
            backed[change.category] = 5.0 * i
        for name, one in window.items():
            if stands.get(name, ALLOW) > ALLOW and one.backs >= stands[name]:
                backed[name] = 5.0 * i


@given(windows=windows, rules=rules, stricter=st.integers(0, 29))
def test_a_stricter_window_never_makes_the_level_at_once_looser(
    windows: list[Passing], rules: CallRules, stricter: int
) -> None:
    """More harm in the last window: the level after it is at least as strict."""
    if not windows:
        return
    worse = [*windows[:-1], {**windows[-1], "a": Passed(BLOCK, BLOCK)}]
    assert levels(worse, rules)[-1] >= levels(windows, rules)[-1]


@given(windows=windows, rules=rules, cut=st.integers(0, 30))
def test_a_stored_track_goes_on_like_the_original(windows: list[Passing], rules: CallRules, cut: int) -> None:
    """Stored and restored anywhere, through JSON."""
    track, changes = Track(), []
    for i, window in enumerate(windows):
        if i == cut:
            track = Track.from_json(orjson.loads(orjson.dumps(track.as_json())))
        changes.append(track.fold(i, 5.0 * i, window, rules, NONE))
    assert changes == run(windows, rules)


@given(windows=windows, rules=rules)
def test_its_memory_is_bounded(windows: list[Passing], rules: CallRules) -> None:
    """At most `of` windows, and nothing at all once all is over and nothing is counted."""
    track = Track()
    for i, window in enumerate(windows):
        track.fold(i, 5.0 * i, window, rules, NONE)
        assert len(track.windows) <= rules.of
    for i in range(len(windows), len(windows) + 20):
        track.fold(i, 5.0 * i, {}, rules, NONE)
    assert track.trivial or rules.escalate is not None


@pytest.mark.parametrize("broken", [{}, {"index": 1, "windows": [{"a": [9, 9]}], "standings": {}}])
def test_what_is_no_track_is_refused(broken: dict[str, Any]) -> None:
    """By KeyError, TypeError or ValueError: whoever reads it starts afresh."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        Track.from_json(broken)
