"""Which fault strikes when, from a seed: the same seed gives the same plan."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

FAULTS = {
    "kill": "SIGKILL a worker",
    "zombie": "SIGSTOP a worker past its session timeout, then let it go on",
    "broker": "SIGKILL the broker, start it again on the same data",
    "cut": "close every connection to the broker and refuse new ones, or let them hang",
    "scale": "1, 4 and 1 workers under load",
    "reload": "other policies every second",
    "poison": "records that kill the process that reads them",
    "refuse": "the dead-letter topic takes nothing for a while, as with a full disk",
    "hang": "a model that does not come back, longer than a drain may take",
}
_TIMES = {"kill": (2, 3), "zombie": (1, 2), "broker": (1, 1), "cut": (1, 2), "refuse": (1, 1), "hang": (1, 1)}
_LASTS = {"zombie": (4.0, 6.0), "broker": (0.5, 3.0), "cut": (1.0, 5.0), "refuse": (3.0, 7.0), "hang": (3.0, 7.0)}
_QUIET_S = 2.0  # before the first fault, so that there is something to hurt


class Fault(NamedTuple):
    """One fault; times in seconds since the load began. `choice` is a number in [0, 1) for what the fault picks."""

    at: float
    kind: str
    lasts: float
    choice: float

    def __str__(self) -> str:
        return f"{self.at:.1f}s {self.kind}" + (f" for {self.lasts:.1f}s" if self.lasts else "")


def plan(seed: int, seconds: float, kinds: Sequence[str]) -> list[Fault]:
    """The faults of a run of `seconds` of load, in order. `reload` and `poison` have no time: they last all along."""
    random = Random(f"faults {seed}")
    found = []
    for kind in (k for k in FAULTS if k in kinds and k in _TIMES):
        for _ in range(random.randint(*_TIMES[kind])):
            lasts = random.uniform(*_LASTS[kind]) if kind in _LASTS else 0.0
            latest = max(seconds - lasts, _QUIET_S + 0.1)
            found.append(Fault(random.uniform(_QUIET_S, latest), kind, lasts, random.random()))
    if "scale" in kinds:
        up = random.uniform(_QUIET_S, seconds * 0.15)  # early, so that much happens to four
        found.append(Fault(up, "scale", random.uniform(seconds * 0.5, seconds * 0.7), 0.0))
    return sorted(found)
