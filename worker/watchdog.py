"""The watchdog: tells a worker whose own client is stuck from one whose queue is away or has nothing for it."""

from __future__ import annotations

from dataclasses import dataclass

from worker.core.clock import Clock


@dataclass(frozen=True, slots=True)
class Signs:
    """What the watchdog looks at. Ages are seconds; 0 where nothing is late."""

    poll_s: float  # since the last poll came back
    silent_s: float  # since the queue last answered this worker's own client
    commit_s: float  # since commits began to fail
    answering: bool  # whether the queue answers a connection made just to ask
    partitions: int
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What the signs mean: `alive` False is the time to end the process, so that a supervisor starts a new one."""

    alive: bool
    detail: str


class Watchdog:
    """
    Ends a worker that does not recover although its queue answers others. Pure: told the signs, asked for a finding.

    stuck_s: how old a sign may grow, and how long a client has to recover once the queue answers; seconds.
    """

    def __init__(self, clock: Clock, stuck_s: float) -> None:
        self._clock = clock
        self._stuck_s = stuck_s
        self._late_since: float | None = None  # while the queue answered all the time

    def look(self, signs: Signs) -> Finding:
        """Called about once a second."""
        now = self._clock.now()
        late = self._late(signs)
        if signs.draining or not late or not signs.answering:
            self._late_since = None
            return Finding(True, _well(signs))
        if self._late_since is None:
            self._late_since = now
        waited = now - self._late_since
        if waited < self._stuck_s:
            return Finding(True, f"{late}, while the queue answers: given {self._stuck_s - waited:.0f} s to recover")
        return Finding(False, f"{late}, while the queue has answered others for {waited:.0f} s: this client is stuck")

    def _late(self, signs: Signs) -> str:
        ages = (
            ("no poll has come back", signs.poll_s),
            ("nothing was heard from the group", signs.silent_s),
            ("no commit has stood", signs.commit_s),
        )
        return "; ".join(f"{what} for {age:.0f} s" for what, age in ages if age > self._stuck_s)


def _well(signs: Signs) -> str:
    if signs.draining:
        return "draining"
    if not signs.answering:
        return "waiting for the queue"
    if not signs.partitions:
        return "a spare: the group has no partition for this worker"
    return f"last poll {signs.poll_s:.1f} s ago, {signs.partitions} partitions"
