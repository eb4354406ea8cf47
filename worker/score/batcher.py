"""Which waiting items leave together, and when: pure, over costs and a clock, never over tensors."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from worker.core.clock import Clock
from worker.core.errors import ConfigError
from worker.score.fair import FairOrder

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
    tenant: str
    tag: float  # its place in the fair order


class Batcher(Generic[Item]):
    """
    A queue that gives the item whose turn it is company of about the same cost.

    Whose turn it is: tenants share the lane by weight (`FairOrder`), and each tenant's items go oldest first. Padding
    is what a batch of mixed lengths wastes, so a batch is a run of neighbours in the order of cost around that item,
    widened on the side that adds least padding; while several tenants wait, company comes from the next two batches'
    worth of the fair order alone, so that a flood of one tenant cannot fill what is due to another. Every batch holds
    the item whose turn it is: nothing starves.
    """

    def __init__(self, limits: BatchLimits, clock: Clock) -> None:
        self.limits = limits
        self._clock = clock
        self._waiting: OrderedDict[int, _Waiting[Item]] = OrderedDict()  # by arrival
        self._by_tenant: dict[str, OrderedDict[int, float]] = {}  # arrival to tag, in both orders at once
        self._turns: list[
            tuple[float, int, str]
        ] = []  # heap of (tag, arrival, tenant) of each tenant's first; some gone
        self._fair = FairOrder()
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
        """Deadline of the item whose turn it is, monotonic seconds; infinite when nothing waits."""
        return self._waiting[self._next()].deadline if self._waiting else float("inf")

    @property
    def since(self) -> float:
        """When the oldest item came, monotonic seconds; infinite when nothing waits."""
        return next(iter(self._waiting.values())).since if self._waiting else float("inf")

    @property
    def full(self) -> bool:
        """True when more waits than one batch can take, so waiting longer gains nothing."""
        return len(self._waiting) >= self.limits.items or self._cost >= self.limits.cost

    def add(
        self, item: Item, cost: int, deadline: float = float("inf"), *, tenant: str = "", weight: float = 1.0
    ) -> None:
        """
        Queue `item`; `cost` of at least 1 in the lane's unit, `deadline` in monotonic seconds.

        weight: of the tenant against others that wait, above 0.
        """
        cost, number = max(1, cost), self._arrivals
        tag = self._fair.tag(tenant, cost, weight)
        self._waiting[number] = _Waiting(item, cost, self._clock.now(), deadline, tenant, tag)
        line = self._by_tenant.get(tenant)
        if line is None:
            line = self._by_tenant[tenant] = OrderedDict()
            heapq.heappush(self._turns, (tag, number, tenant))
        line[number] = tag
        insort(self._by_cost, (cost, number))
        self._arrivals += 1
        self._cost += cost

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
        number = self._next()
        turn = self._waiting[number]
        due = self.due_in_s() == 0.0
        company = self._by_cost if len(self._by_tenant) == 1 else self._next_in_line(2 * self.limits.items)
        low, high = self._around(company, bisect_left(company, (turn.cost, number)))
        chosen = company[low:high]
        if company is self._by_cost:
            del self._by_cost[low:high]
        else:
            for place in chosen:
                del self._by_cost[bisect_left(self._by_cost, place)]
        self._fair.served(turn.tag)
        leaving = [self._leave(arrival) for _, arrival in chosen]
        if not self._waiting:
            self._fair.rest()
            self._turns.clear()
        cost = sum(c for c, _ in chosen)
        self._cost -= cost
        since = min(one.since for one in leaving)
        items = tuple(one.item for one in leaving)
        return Batch(items, cost, len(items) * chosen[-1][0], since, self._why(len(items), due))

    def _next(self) -> int:
        """Arrival number of the item whose turn it is; something waits."""
        while True:
            _, number, tenant = self._turns[0]
            line = self._by_tenant.get(tenant)
            if line is not None and next(iter(line)) == number:
                return number
            heapq.heappop(self._turns)  # it left as company, and its successor stands in the heap

    def _next_in_line(self, count: int) -> list[tuple[int, int]]:
        """(cost, arrival) of the first `count` items in the fair order, sorted."""
        first = []
        for line in self._by_tenant.values():
            items = iter(line.items())
            number, tag = next(items)
            first.append((tag, number, items))
        heapq.heapify(first)
        found: list[tuple[int, int]] = []
        while first and len(found) < count:
            _, number, items = first[0]
            found.append((self._waiting[number].cost, number))
            after = next(items, None)
            if after is None:
                heapq.heappop(first)
            else:
                heapq.heapreplace(first, (after[1], after[0], items))
        return sorted(found)

    def _leave(self, number: int) -> _Waiting[Item]:
        one = self._waiting.pop(number)
        line = self._by_tenant[one.tenant]
        was_first = next(iter(line)) == number
        del line[number]
        if not line:
            del self._by_tenant[one.tenant]
        elif was_first:
            following, tag = next(iter(line.items()))
            heapq.heappush(self._turns, (tag, following, one.tenant))
        return one

    def _around(self, places: Sequence[tuple[int, int]], middle: int) -> tuple[int, int]:
        """The run [low, high) of `places` around `middle` that fits the limits, grown by least padding first."""
        low, high = middle, middle + 1
        cost = dearest = places[middle][0]
        while high - low < self.limits.items:
            count = high - low
            below = places[low - 1][0] if low > 0 else None
            above = places[high][0] if high < len(places) else None
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
