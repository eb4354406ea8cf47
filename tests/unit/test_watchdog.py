"""The watchdog: what is stuck, what is only waiting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from worker.core.clock import FakeClock
from worker.watchdog import Signs, Watchdog

WELL = Signs(poll_s=0.1, silent_s=1.0, commit_s=0.0, answering=True, partitions=4)
LATE = [replace(WELL, poll_s=61.0), replace(WELL, silent_s=61.0), replace(WELL, commit_s=61.0)]


def made() -> tuple[FakeClock, Watchdog]:
    clock = FakeClock()
    return clock, Watchdog(clock, 60.0)


@pytest.mark.parametrize("late", LATE, ids=["poll", "heartbeat", "commit"])
def test_a_client_that_does_not_recover_while_the_queue_answers_is_stuck(late: Signs) -> None:
    """It has the time to recover once; then the finding says what was late, and for how long."""
    clock, dog = made()
    assert dog.look(late).alive
    clock.advance(59.9)
    assert "given 0 s to recover" in dog.look(late).detail
    clock.advance(0.2)
    found = dog.look(late)
    assert not found.alive
    assert "for 61 s, while the queue has answered others for 60 s" in found.detail


def test_a_queue_that_is_away_is_waited_for_however_long() -> None:
    """And when it is back, the client has the whole time again."""
    clock, dog = made()
    away = replace(WELL, silent_s=9_000.0, commit_s=9_000.0, answering=False)
    for _ in range(100):
        clock.advance(60)
        assert dog.look(away).alive
    assert "waiting for the queue" in dog.look(away).detail
    assert dog.look(replace(away, answering=True)).alive
    clock.advance(59)
    assert dog.look(replace(away, answering=True)).alive


def test_a_client_that_recovers_starts_afresh() -> None:
    """Two short troubles are not one long one."""
    clock, dog = made()
    for _ in range(5):
        assert dog.look(LATE[1]).alive
        clock.advance(50)
        assert dog.look(LATE[1]).alive
        assert dog.look(WELL).alive
        clock.advance(50)


def test_a_spare_without_partitions_is_well_and_says_so() -> None:
    """More workers than partitions is no fault."""
    clock, dog = made()
    clock.advance(10_000)
    found = dog.look(replace(WELL, partitions=0))
    assert found.alive
    assert "spare" in found.detail


def test_a_worker_that_drains_is_left_alone() -> None:
    """It ends by itself, within its own deadline."""
    clock, dog = made()
    dog.look(LATE[0])
    clock.advance(100)
    assert dog.look(replace(LATE[0], draining=True)).alive
