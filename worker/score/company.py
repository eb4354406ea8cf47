"""Which neighbours in cost leave together: around the item that leads, or where a batch answers most a second. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from worker.score.batch import BatchLimits
from worker.score.latency import Latency
from worker.score.padding import Padding
from worker.score.waiting import Place

Run = tuple[int, int]  # first and last place in the order of cost, the last exclusive


class Company:
    """Chooses runs of neighbours in cost, for one lane."""

    def __init__(self, limits: BatchLimits, padding: Padding, latency: Latency) -> None:
        self._limits, self._padding, self._latency = limits, padding, latency

    def around(self, places: Sequence[Place], middle: int, longest_s: float) -> Run:
        """
        The run around `middle` that fits, widened on the side that adds least padding.

        Args:
            places: (cost, arrival number) in rising order.
            longest_s: that the batch may take by the latency's bound; the item in the middle always may.
        """
        low, high = middle, middle + 1
        cost = dearest = places[middle][0]
        seconds = self._latency.bound_s(dearest, dearest)
        while high - low < self._limits.items:
            below = places[low - 1][0] if low > 0 else None
            above = places[high][0] if high < len(places) else None
            for added in self._order(below, above, high - low, dearest):
                now_dearest, now_cost = max(dearest, added), cost + added
                padded = self._limits.computed(high - low + 1, now_dearest, now_cost)
                longer = self._latency.bound_s(padded, now_dearest)
                if longer <= longest_s and self._fits(now_cost, padded, longer, seconds / cost):
                    low, high = (low, high + 1) if added is above else (low - 1, high)
                    cost, dearest, seconds = now_cost, now_dearest, longer
                    break
            else:
                break
        return low, high

    def densest(self, places: Sequence[Place], longest_s: float, each_s: float) -> Run | None:
        """
        The run that takes the fewest seconds an item; None when none takes less than `each_s`.

        longest_s: that the batch may take by the latency's bound.
        """
        sums = [0, *accumulate(cost for cost, _ in places)]
        found = None
        low = 0
        for high in range(1, len(places) + 1):
            dearest = places[high - 1][0]
            while not self._keeps(high - low, dearest, sums[high] - sums[low], longest_s):
                low += 1
                if low == high:
                    return found  # one item alone is too dear, and those after it are dearer
            padded = self._limits.computed(high - low, dearest, sums[high] - sums[low])
            now_each_s = self._latency.bound_s(padded, dearest) / (high - low)
            if now_each_s < each_s:
                found, each_s = (low, high), now_each_s
        return found

    def _order(self, below: int | None, above: int | None, count: int, dearest: int) -> Iterator[int]:
        """Costs of the neighbours on both sides, the one that adds less padding first."""
        if above is None or below is None:
            yield from (one for one in (above, below) if one is not None)
        # ties go up: the dearer run fills the ceiling with fewer, later batches take the cheap ones together
        elif not self._limits.packs and count * (above - dearest) <= dearest - below:
            yield from (above, below)
        else:
            yield from (below, above)

    def _keeps(self, count: int, dearest: int, cost: int, longest_s: float) -> bool:
        padded = self._limits.computed(count, dearest, cost)
        return (
            count <= self._limits.items
            and (padded <= self._limits.cost or count == 1)
            and self._padding.fits(cost, padded)
            and self._latency.bound_s(padded, dearest) <= longest_s
        )

    def _fits(self, cost: int, padded: int, seconds: float, each_s: float) -> bool:
        """
        True unless a batch is over the ceiling on cost or pads too much.

        More than the usual share is only for a batch in which a unit of cost takes less than `each_s`, as in the one
        that is an item shorter: else another batch is no dearer than padding.
        """
        if padded > self._limits.cost or not self._padding.fits(cost, padded):
            return False
        return self._padding.is_usual(cost, padded) or seconds < each_s * cost
