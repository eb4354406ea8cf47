"""Which neighbours in cost leave with the item that leads a batch. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from worker.score.batch import BatchLimits
from worker.score.latency import Latency
from worker.score.waiting import Place


def run_around(
    places: Sequence[Place], middle: int, limits: BatchLimits, latency: Latency, longest_s: float
) -> tuple[int, int]:
    """
    The run [low, high) of `places` around `middle` that fits, widened on the side that adds least padding.

    Args:
        places: (cost, arrival number) in rising order.
        longest_s: that the batch may take by the latency's bound; the item in the middle always may.
    """
    low, high = middle, middle + 1
    cost = dearest = places[middle][0]
    seconds = latency.bound_s(dearest, dearest)
    while high - low < limits.items:
        count = high - low
        below = places[low - 1][0] if low > 0 else None
        above = places[high][0] if high < len(places) else None
        padding_below = float("inf") if below is None else dearest - below
        padding_above = float("inf") if above is None else count * (above - dearest)
        # ties go up: the dearer run fills the ceiling with fewer, later batches take the cheap ones together
        steps = sorted(((padding_above, 0, above), (padding_below, 1, below)), key=lambda step: step[:2])
        for _, side, added in steps:
            if added is None:
                continue
            now_dearest, now_cost = max(dearest, added), cost + added
            longer = latency.bound_s((count + 1) * now_dearest, now_dearest)
            if longer <= longest_s and _fits(count + 1, now_dearest, now_cost, limits, longer, seconds / cost):
                low, high = (low, high + 1) if side == 0 else (low - 1, high)
                cost, dearest, seconds = now_cost, now_dearest, longer
                break
        else:
            break
    return low, high


def _fits(count: int, dearest: int, cost: int, limits: BatchLimits, seconds: float, each_s: float) -> bool:
    """
    True unless a batch is over the ceiling on cost or pads too much.

    It pads too much when it is over `waste` and a unit of cost takes no less than `each_s`, as in the batch that is an
    item shorter: until then padding is cheaper than starting another batch.
    """
    padded = count * dearest
    if padded > limits.cost:
        return False
    return padded - cost <= max(limits.overhead, limits.waste * cost) or seconds < each_s * cost
