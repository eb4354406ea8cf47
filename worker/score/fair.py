"""Start-time fair queueing: in which order the work of several tenants is served. Pure."""

from __future__ import annotations

_MOST_IDLE = 1_024  # tenants remembered beyond those with work, before the ones that are owed nothing are dropped


class FairOrder:
    """
    Gives each item a start tag; serving the least tag first shares a lane by weight.

    Goyal, Vin and Cheng, SIGCOMM 1996. A tenant's tags advance by cost over weight, so whoever asked for much stands
    far back in the line, and whoever comes fresh stands at its front: an item of a tenant that had nothing waiting is
    preceded by at most one item of every other tenant. Nobody is served less for having used an idle lane alone.
    """

    def __init__(self) -> None:
        self._now = 0.0  # virtual time: the tag served last
        self._finish: dict[str, float] = {}

    def tag(self, tenant: str, cost: float, weight: float) -> float:
        """The start tag of the tenant's next item; `cost` and `weight` above 0."""
        if len(self._finish) > _MOST_IDLE:
            self._finish = {name: at for name, at in self._finish.items() if at > self._now}
        start = max(self._now, self._finish.get(tenant, 0.0))
        self._finish[tenant] = start + cost / weight
        return start

    def served(self, tag: float) -> None:
        """Virtual time moves on to the least tag that was waiting."""
        self._now = max(self._now, tag)

    def rest(self) -> None:
        """Nothing waits: whoever comes next starts even."""
        self._now = 0.0
        self._finish.clear()
