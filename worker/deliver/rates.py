"""Rates: how many events of a tenant each second of the queue's own time may bring to the models. Pure."""

from __future__ import annotations

import math
from collections import OrderedDict

_MOST_WINDOWS = 20_000  # kept; past them the one not used for longest is forgotten, which lets more through, never less
_WINDOW_MS = 250  # short, so that a flood's share of the models comes evenly, not all at each second's beginning
_LEAST_A_WINDOW = 10  # events a window allows at least: a share of a small limit must not round to nothing


class EventRates:
    """
    Counts events by tenant and by the window of time in which the queue stamped them.

    Counting by the stamp, not by when we come to read it, makes the answer the same after an outage, for a backlog and
    for a replay: what came within the limit is within it however late and fast it is read. Windows are a quarter of a
    second, longer where the limit is below 40 a second; a burst is let through up to one window's worth.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, int, int], int] = OrderedDict()

    def within(self, tenant: str, stamp_ms: int, per_s: float) -> bool:
        """
        Count one event; True when it is among those that its window allows.

        per_s: the limit on this worker, above 0: the tenant's times this worker's part of the partitions.
        """
        long_ms = max(_WINDOW_MS, math.ceil(_LEAST_A_WINDOW * 1000 / per_s))
        window = (tenant, long_ms, stamp_ms // long_ms)
        seen = self._seen.get(window, 0) + 1
        self._seen[window] = seen
        self._seen.move_to_end(window)
        if len(self._seen) > _MOST_WINDOWS:
            self._seen.popitem(last=False)
        return seen <= per_s * long_ms / 1000

    def __len__(self) -> int:
        return len(self._seen)
