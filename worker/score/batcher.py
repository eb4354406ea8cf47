"""Which waiting items leave together, and when: pure, over costs and a clock, never over tensors."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from worker.core.clock import Clock
from worker.core.errors import ConfigError

Item = TypeVar("Item")


class Left(Enum):
    """Why a batch left."""

    FULL = "full"  # as many items as the ceiling allows
    COST = "cost"  # one more would have passed the ceiling on cost, or wasted too much on padding
    WAIT = "wait"  # its oldest item had waited as long as it may
    IDLE = "idle"  # the device had nothing better to do
    DRAIN = "drain"  # nothing more will come


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """
    Hard ceilings of one batch, costs in the lane's unit (tokens, pixels, samples).

    items: most items.
    cost: most padded cost, that is items times the dearest of them; an item over it leaves alone.
    wait_s: seconds an item may wait for company; 0 lets it go as soon as the device is free.
    waste: most padding, as a share of the items' own cost.
    overhead: padding always allowed, as much as starting another batch would cost.

    Raises:
        ConfigError: a ceiling that nothing can pass under.
    """

    items: int
    cost: int
    wait_s: float = 0.0
    waste: float = 0.2
    overhead: int = 0

    def __post_init__(self) -> None:
        if self.items < 1 or self.cost < 1:
            raise ConfigError("a batch must hold at least 1 item and 1 unit of cost: raise the lane's ceilings")
        if min(self.wait_s, self.waste, self.overhead) < 0:
            raise ConfigError("a batch's wait, waste and overhead cannot be negative: set them to 0 or more")


@dataclass(frozen=True, slots=True)
class Batch(Generic[Item]):
    """What leaves together: `items` in rising cost, `padded` their number times the dearest, `since` of the oldest."""

    items: tuple[Item, ...]
    cost: int
    padded: int
    since: float
    left: Left


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item]):
    item: Item
    cost: int
    since: float
    deadline: float


class Batcher(Generic[Item]):
    """
    A queue that gives its oldest item company of about the same cost.

    Padding is what a batch of mixed lengths wastes, so a batch is a run of neighbours in the order of cost around the
    oldest item, widened on the side that adds least padding. Every batch holds the oldest item, so an item leaves
    after at most as many batches as there were items before it: nothing starves.
    """

    def __init__(self, limits: BatchLimits, clock: Clock) -> None:
        self.limits = limits
        self._clock = clock
        self._waiting: OrderedDict[int, _Waiting[Item]] = OrderedDict()  # by arrival
        self._by_cost: list[tuple[int, int]] = []  # (cost, arrival), sorted
        self._arrivals = 0
        self._cost = 0
        self._draining = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def cost(self) -> int:
        """Sum of the costs of all that waits."""
        return self._cost

    @property
    def deadline(self) -> float:
        """Deadline of the oldest item, monotonic seconds; infinite when nothing waits."""
        return next(iter(self._waiting.values())).deadline if self._waiting else float("inf")

    @property
    def since(self) -> float:
        """When the oldest item came, monotonic seconds; infinite when nothing waits."""
        return next(iter(self._waiting.values())).since if self._waiting else float("inf")

    @property
    def full(self) -> bool:
        """True when more waits than one batch can take, so waiting longer gains nothing."""
        return len(self._waiting) >= self.limits.items or self._cost >= self.limits.cost

    def add(self, item: Item, cost: int, deadline: float = float("inf")) -> None:
        """Queue `item`; `cost` of at least 1 in the lane's unit, `deadline` in monotonic seconds."""
        waiting = _Waiting(item, max(1, cost), self._clock.now(), deadline)
        self._waiting[self._arrivals] = waiting
        insort(self._by_cost, (waiting.cost, self._arrivals))
        self._arrivals += 1
        self._cost += waiting.cost

    def drain(self) -> None:
        """Nothing more will come: what waits is due at once."""
        self._draining = True

    def due_in_s(self) -> float | None:
        """Seconds until a batch should leave: 0 when now, None when nothing waits."""
        if not self._waiting:
            return None
        if self._draining or self.full:
            return 0.0
        oldest = next(iter(self._waiting.values()))
        return max(0.0, oldest.since + self.limits.wait_s - self._clock.now())

    def take(self) -> Batch[Item] | None:
        """The batch that should leave first, due or not; None when nothing waits."""
        if not self._waiting:
            return None
        number, oldest = next(iter(self._waiting.items()))
        due = self.due_in_s() == 0.0
        low, high = self._around(bisect_left(self._by_cost, (oldest.cost, number)))
        chosen = self._by_cost[low:high]
        del self._by_cost[low:high]
        items = tuple(self._waiting.pop(arrival).item for _, arrival in chosen)
        cost = sum(c for c, _ in chosen)
        self._cost -= cost
        return Batch(items, cost, len(items) * chosen[-1][0], oldest.since, self._why(len(items), due))

    def _around(self, middle: int) -> tuple[int, int]:
        """The run [low, high) of `_by_cost` around `middle` that fits the limits, grown by least padding first."""
        low, high = middle, middle + 1
        cost = dearest = self._by_cost[middle][0]
        while high - low < self.limits.items:
            count = high - low
            below = self._by_cost[low - 1][0] if low > 0 else None
            above = self._by_cost[high][0] if high < len(self._by_cost) else None
            padding_below = float("inf") if below is None else dearest - below
            padding_above = float("inf") if above is None else count * (above - dearest)
            # ties go up: the dearer run fills the ceiling with fewer, later batches take the cheap ones together
            steps = sorted(((padding_above, 0, above), (padding_below, 1, below)), key=lambda step: step[:2])
            for _, side, added in steps:
                if added is not None and self._fits(count + 1, max(dearest, added), cost + added):
                    low, high = (low, high + 1) if side == 0 else (low - 1, high)
                    cost, dearest = cost + added, max(dearest, added)
                    break
            else:
                break
        return low, high

    def _fits(self, count: int, dearest: int, cost: int) -> bool:
        padded = count * dearest
        return padded <= self.limits.cost and padded - cost <= max(self.limits.overhead, self.limits.waste * cost)

    def _why(self, count: int, due: bool) -> Left:
        if count == self.limits.items:
            return Left.FULL
        if self._waiting:
            return Left.COST
        if self._draining:
            return Left.DRAIN
        return Left.WAIT if due and self.limits.wait_s > 0 else Left.IDLE
