"""Credits: memory is bounded at admission, and what comes back is never missed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.errors import ConfigError
from worker.deliver.credits import Credits


@given(st.lists(st.integers(0, 150), max_size=60), st.data())
def test_no_more_than_the_bounds_is_ever_in_flight(sizes: list[int], data: st.DataObject) -> None:
    """Events and bytes stay under their bounds, but for one event that is larger than all of it and goes alone."""
    credits = Credits(events=5, decoded_bytes=100)
    flying: list[int] = []
    for size in sizes:
        while not credits.take(size):
            credits.give_back(1, flying.pop(data.draw(st.integers(0, len(flying) - 1))))
        flying.append(size)
        assert credits.held == (len(flying), sum(flying))
        assert len(flying) <= 5
        assert sum(flying) <= 100 or len(flying) == 1


def test_an_event_larger_than_all_credits_goes_alone() -> None:
    """It is admitted when nothing else is in flight, so it can never wait for ever."""
    credits = Credits(events=5, decoded_bytes=100)
    assert credits.take(1)
    assert not credits.take(500)
    credits.give_back(1, 1)
    assert credits.take(500)
    assert not credits.take(1)


def test_what_is_reserved_is_not_there_for_events() -> None:
    """The sound of open calls outlives its chunks; an event goes alone all the same, so nothing waits for ever."""
    credits = Credits(events=5, decoded_bytes=100)
    credits.reserve(50)
    assert credits.take(40)
    assert not credits.take(20)
    credits.reserve(30)
    assert credits.take(20)
    credits.give_back(2, 60)
    assert credits.take(90)


def test_free_events_count_down_and_up() -> None:
    """The intake polls for no more than it may admit."""
    credits = Credits(events=2, decoded_bytes=100)
    assert credits.free_events == 2
    credits.take(0)
    credits.take(0)
    assert credits.free_events == 0
    assert not credits.take(0)
    credits.give_back(2, 0)
    assert credits.free_events == 2


async def test_a_return_between_the_refusal_and_the_wait_is_not_missed() -> None:
    """The wait ends at once when something came back since the last one: its long timeout is never used."""
    credits = Credits(events=1, decoded_bytes=100)
    credits.take(1)
    assert not credits.take(1)
    credits.give_back(1, 1)
    async with asyncio.timeout(5):
        await credits.wait_returned(3600)


async def test_a_waiting_intake_wakes_at_a_return() -> None:
    """A return while waiting ends the wait."""
    credits = Credits(events=1, decoded_bytes=100)
    credits.take(1)
    waiting = asyncio.create_task(credits.wait_returned(3600))
    await asyncio.sleep(0)
    assert not waiting.done()
    credits.give_back(1, 1)
    async with asyncio.timeout(5):
        await waiting


async def test_a_wait_without_a_return_ends_at_its_timeout() -> None:
    """The intake goes back to polling, which keeps its place in the group."""
    await Credits(events=1, decoded_bytes=1).wait_returned(0.001)


@pytest.mark.parametrize(("events", "decoded_bytes"), [(0, 1), (1, 0), (-1, 5)])
def test_credits_that_admit_nothing_are_refused(events: int, decoded_bytes: int) -> None:
    """A worker that could never take an event does not start; the message names the settings."""
    with pytest.raises(ConfigError, match=r"flow\.events and flow\.decoded_bytes"):
        Credits(events=events, decoded_bytes=decoded_bytes)
