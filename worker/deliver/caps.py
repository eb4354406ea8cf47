"""Caps: how many automatic blocks one actor gets in an hour before people look instead. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque

from worker.core.clock import Clock

_HOUR_S = 3600.0
_MOST_ACTORS = 200_000  # remembered; past them the one not blocked for longest is forgotten


class ActorCaps:
    """
    Counts the automatic blocks of each actor within the last hour.

    Exact for one worker; whole only where the input is keyed by actor, so that one worker sees all of an actor.
    """

    def __init__(self, per_hour: int, clock: Clock) -> None:
        self._per_hour = per_hour
        self._clock = clock
        self._blocks: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()  # by last block, oldest first

    def take(self, tenant: str, actor: str) -> bool:
        """True when this block is within the actor's cap, and then it is counted."""
        if not self._per_hour:
            return True
        now = self._clock.now()
        self._expire(now)
        times = self._blocks.setdefault((tenant, actor), deque())
        while times and now - times[0] >= _HOUR_S:
            times.popleft()
        if len(times) >= self._per_hour:
            return False
        times.append(now)
        self._blocks.move_to_end((tenant, actor))
        return True

    def __len__(self) -> int:
        return len(self._blocks)

    def _expire(self, now: float) -> None:
        while self._blocks:
            key, times = next(iter(self._blocks.items()))
            if len(self._blocks) < _MOST_ACTORS and now - times[-1] < _HOUR_S:
                return
            del self._blocks[key]
