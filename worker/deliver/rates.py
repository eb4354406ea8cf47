"""Rates: how many events of a tenant each second of the queue's own time may bring to the models. Pure."""

from __future__ import annotations

import math
from collections import OrderedDict

_MOST_WINDOWS = 20_000  # kept; past them the one not used for longest is forgotten, which lets more through, never less
_LEAST_A_WINDOW = 10  # events a window allows at least: a share of a small limit must not round to nothing


class EventRates:
    """
    Counts events by tenant and by the window of time in which the queue stamped them.

    Counting by the stamp, not by when we come to read it, makes the answer the same after an outage, for a backlog and
    for a replay: what came within the limit is within it however late and fast it is read. The price is that up to
    twice the limit may pass around the edge of two windows.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, int, int], int] = OrderedDict()

    def within(self, tenant: str, stamp_ms: int, per_s: float) -> bool:
        """
        Count one event; True when it is among those that its window allows.

        per_s: the limit on this worker, above 0: the tenant's times this worker's part of the partitions.
        """
        seconds = max(1, math.ceil(_LEAST_A_WINDOW / per_s))
        window = (tenant, seconds, stamp_ms // (seconds * 1000))
        seen = self._seen.get(window, 0) + 1
        self._seen[window] = seen
        self._seen.move_to_end(window)
        if len(self._seen) > _MOST_WINDOWS:
            self._seen.popitem(last=False)
        return seen <= per_s * seconds

    def __len__(self) -> int:
        return len(self._seen)
