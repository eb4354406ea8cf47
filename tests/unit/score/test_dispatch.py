"""Whose turn the device is: least slack first, nobody starved, nobody blocked for longer than deadlines allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock import FakeClock
from worker.core.views import Floats, ModelRef, View, ViewKind
from worker.score.batch import BatchLimits
from worker.score.dispatch import Dispatch
from worker.score.lane import Ask, Lane

INF = float("inf")


class Unused:
    """A model that nobody asks here."""

    ref = ModelRef("unused", "1", "sha256:0")
    kind = ViewKind.TEXT

    def score(self, views: Sequence[View], concepts: Sequence[Any]) -> list[Floats]:
        raise NotImplementedError


def lane(name: str, clock: FakeClock, *, fixed_s: float = 0.01, items: int = 8, wait_s: float = 0.0) -> Lane:
    """One that knows how long its batches take."""
    one = Lane(name, Unused(), BatchLimits(items, 1_000, wait_s), clock)
    for number in range(600):
        cost = 1 + number % 97
        one.latency.observe(cost, fixed_s + 0.001 * cost, 1)
    return one


def ask(ticket: Any, deadline: float = INF, *, expendable: bool = False) -> Ask:
    return Ask(View("parts/0", ViewKind.TEXT, (), None, 1), None, ticket, deadline=deadline, expendable=expendable)


def taken(dispatch: Dispatch) -> tuple[str, list[Any]] | None:
    found = dispatch.next()
    return None if found is None else (found[0].name, [one.ticket for one in found[1].items])


def test_the_lane_with_the_least_slack_runs() -> None:
    """Slack counts the time of the batch: a slow model must start earlier than a fast one with the same deadline."""
    clock = FakeClock()
    slow, fast = lane("slow", clock, fixed_s=1.0), lane("fast", clock)
    dispatch = Dispatch([fast, slow], clock)
    fast.submit(ask(1, 5.0))
    slow.submit(ask(2, 5.5))
    assert taken(dispatch) == ("slow", [2])
    assert taken(dispatch) == ("fast", [1])
    assert taken(dispatch) is None
    assert dispatch.wait_s() is None


@given(st.integers(1, 60))
def test_what_has_no_deadline_is_not_starved_by_what_has(urgent: int) -> None:
    """However many urgent batches wait and come, every fourth turn goes to what has none."""
    clock = FakeClock()
    chat, archive = lane("chat", clock, items=1), lane("archive", clock)
    dispatch = Dispatch([chat, archive], clock)
    archive.submit(ask("old"))
    for number in range(urgent):
        chat.submit(ask(number, 1_000.0))
    turns = [taken(dispatch) for _ in range(4)]
    assert ("archive", ["old"]) in turns


def test_no_batch_outlasts_the_shortest_deadline_in_use() -> None:
    """A slow model runs smaller batches while people wait for a fast one, and full ones when nobody does."""
    clock = FakeClock()
    voice, chat = lane("voice", clock, items=64, fixed_s=0.02), lane("chat", clock)
    dispatch = Dispatch([voice, chat], clock)

    def voices() -> int:
        for number in range(64):
            voice.submit(ask(number, 100.0))
        found = dispatch.next()
        assert found is not None
        assert found[0] is voice
        while dispatch.next() is not None:
            pass
        return len(found[1].items)

    assert voices() == 64
    chat.submit(ask("hello", clock.now() + 0.05))
    assert taken(dispatch) == ("chat", ["hello"])
    assert voices() < 40
    clock.advance(60)
    assert voices() == 64


def test_nothing_is_committed_ahead_while_anything_has_a_deadline() -> None:
    """Something more urgent may come before the running batch ends."""
    clock = FakeClock()
    one = lane("text", clock, items=2)
    dispatch = Dispatch([one], clock)
    for number in range(4):
        one.submit(ask(number, INF if number < 2 else 9.0))
    assert dispatch.next(ahead=True) is None
    assert taken(dispatch) is not None
    assert dispatch.next(ahead=True) is None or one.batcher.deadline == INF


def test_the_late_and_expendable_are_handed_back() -> None:
    """They are answered without a model."""
    clock = FakeClock()
    one = lane("text", clock)
    dispatch = Dispatch([one], clock)
    one.submit(ask(1, 0.5, expendable=True))
    one.submit(ask(2, 0.5))
    clock.advance(1)
    assert [(late.name, [a.ticket for a in asks]) for late, asks in dispatch.give_up()] == [("text", [1])]
    assert taken(dispatch) == ("text", [2])


def test_what_is_derived_of_an_older_event_goes_before_what_came_meanwhile() -> None:
    """A transcript need not wait for the sound that arrived while its own was read."""
    clock = FakeClock()
    clock.advance(10.0)
    speech, text = lane("speech", clock), lane("text", clock)
    dispatch = Dispatch([speech, text], clock)
    speech.submit(ask("sound"))
    clock.advance(1.0)
    text.submit(ask("transcript")._replace(admitted=8.0))
    text.submit(ask("message"))
    assert taken(dispatch) == ("text", ["transcript", "message"])
    assert taken(dispatch) == ("speech", ["sound"])


def test_a_lane_with_a_batch_under_way_waits_for_it_while_another_goes() -> None:
    """Small batches beside each other would cost more than one behind the other."""
    clock = FakeClock()
    speech, text = lane("speech", clock), lane("text", clock)
    dispatch = Dispatch([speech, text], clock)
    speech.submit(ask(1))
    assert dispatch.next(busy={"speech"}) is None
    assert dispatch.wait_s(busy={"speech"}) is None
    text.submit(ask(2))
    found = dispatch.next(busy={"speech"})
    assert found is not None
    assert found[0] is text
    assert taken(dispatch) == ("speech", [1])
