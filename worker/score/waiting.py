"""What waits in a lane, in every order that a batcher chooses by: fair, by cost, by deadline. Pure."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from worker.score.fair import FairOrder

Item = TypeVar("Item")
Place = tuple[int, int]  # an item's cost and arrival number


@dataclass(frozen=True, slots=True)
class Waiting(Generic[Item]):
    """
    One item that waits.

    since, deadline: monotonic seconds; a deadline may be infinite. admitted: when the event it belongs to came.
    tag: its place in the fair order. expendable: past its deadline nobody wants it.
    """

    item: Item
    number: int
    cost: int
    since: float
    deadline: float
    tenant: str
    tag: float
    expendable: bool
    admitted: float


class WaitingRoom(Generic[Item]):
    """Keeps every order that a batcher chooses by."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, Waiting[Item]] = OrderedDict()  # by arrival
        self._by_tenant: dict[str, OrderedDict[int, float]] = {}  # arrival to tag, in both orders at once
        # heap of (tag, arrival, tenant) of each tenant's first; some have gone
        self._turns: list[tuple[float, int, str]] = []
        self._fair = FairOrder()
        self._by_cost: list[Place] = []  # sorted
        self._hopeful: list[tuple[float, int]] = []  # (deadline, arrival) sorted: finite, and still to be kept
        self._without: set[int] = set()  # arrivals of what has no deadline, or will miss it
        self._doomed: dict[int, float] = {}  # arrival to deadline of the expendable among them
        self._arrivals = 0
        self.cost = 0  # of all that waits

    def __len__(self) -> int:
        return len(self._waiting)

    def __getitem__(self, number: int) -> Waiting[Item]:
        return self._waiting[number]

    @property
    def tenants(self) -> int:
        """How many have something waiting."""
        return len(self._by_tenant)

    @property
    def by_cost(self) -> list[Place]:
        """Everything, in rising cost; not to be changed."""
        return self._by_cost

    @property
    def hopeful(self) -> list[tuple[float, int]]:
        """(deadline, arrival) of what has a deadline and may keep it, the earliest first; not to be changed."""
        return self._hopeful

    @property
    def dearest(self) -> int:
        """Most that one item costs; something waits."""
        return self._by_cost[-1][0]

    @property
    def oldest(self) -> Waiting[Item]:
        """What came first of all that waits; something waits."""
        return next(iter(self._waiting.values()))

    def add(
        self,
        item: Item,
        cost: int,
        since: float,
        deadline: float,
        tenant: str,
        weight: float,
        expendable: bool,
        admitted: float,
    ) -> None:
        """Let an item in; `cost` and `weight` above 0."""
        number = self._arrivals
        tag = self._fair.tag(tenant, cost, weight)
        self._waiting[number] = Waiting(item, number, cost, since, deadline, tenant, tag, expendable, admitted)
        line = self._by_tenant.get(tenant)
        if line is None:
            line = self._by_tenant[tenant] = OrderedDict()
            heapq.heappush(self._turns, (tag, number, tenant))
        line[number] = tag
        insort(self._by_cost, (cost, number))
        if deadline < float("inf"):
            insort(self._hopeful, (deadline, number))
        else:
            self._without.add(number)
        self._arrivals += 1
        self.cost += cost

    def leave(self, numbers: Iterable[int], *, turn: float | None = None) -> list[Waiting[Item]]:
        """Let items go; `turn` is the tag that is served with them."""
        if turn is not None:
            self._fair.served(turn)
        leaving = [self._leave(number) for number in numbers]
        if not self._waiting:
            self._fair.rest()
            self._turns.clear()
        return leaving

    def despair(self, numbers: Iterable[int]) -> None:
        """These will miss their deadlines: from now on they are as good as without."""
        for number in numbers:
            one = self._waiting[number]
            self._unlist(one)
            self._without.add(number)
            if one.expendable:
                self._doomed[number] = one.deadline

    def is_without(self, number: int) -> bool:
        """True when the item has no deadline to keep."""
        return number in self._without

    def doomed(self, before: float = float("inf")) -> list[int]:
        """Arrival numbers of the expendable that will miss their deadlines, with deadlines below `before`."""
        return [number for number, deadline in self._doomed.items() if deadline < before]

    def turn(self) -> Waiting[Item]:
        """The item whose turn it is; something waits."""
        while True:
            _, number, tenant = self._turns[0]
            line = self._by_tenant.get(tenant)
            if line is not None and next(iter(line)) == number:
                return self._waiting[number]
            heapq.heappop(self._turns)  # it left as company, and its successor stands in the heap

    def in_turn(self) -> Iterator[Waiting[Item]]:
        """Everything in the fair order."""
        first = []
        for line in self._by_tenant.values():
            items = iter(line.items())
            number, tag = next(items)
            first.append((tag, number, items))
        heapq.heapify(first)
        while first:
            _, number, items = first[0]
            yield self._waiting[number]
            after = next(items, None)
            if after is None:
                heapq.heappop(first)
            else:
                heapq.heapreplace(first, (after[1], after[0], items))

    def _unlist(self, one: Waiting[Item]) -> None:
        place = bisect_left(self._hopeful, (one.deadline, one.number))
        if place < len(self._hopeful) and self._hopeful[place][1] == one.number:
            del self._hopeful[place]

    def _leave(self, number: int) -> Waiting[Item]:
        one = self._waiting.pop(number)
        self.cost -= one.cost
        del self._by_cost[bisect_left(self._by_cost, (one.cost, number))]
        self._doomed.pop(number, None)
        self._without.discard(number)
        self._unlist(one)
        line = self._by_tenant[one.tenant]
        was_first = next(iter(line)) == number
        del line[number]
        if not line:
            del self._by_tenant[one.tenant]
        elif was_first:
            following, tag = next(iter(line.items()))
            heapq.heappush(self._turns, (tag, following, one.tenant))
        return one
