"""Which waiting items leave together, and when: pure, over costs, deadlines and a clock, never over tensors."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Generic, TypeVar

from worker.core.clock import Clock
from worker.score.batch import Batch, BatchLimits, Left, Plan
from worker.score.company import Company
from worker.score.latency import Latency
from worker.score.padding import Padding
from worker.score.waiting import Place, Waiting, WaitingRoom

Item = TypeVar("Item")

_REACH = 2  # batches' worth of the line that company comes from, while several tenants or deadlines wait
_SHARES = (1.0, 0.5, 0.25)  # of a full batch, tried in turn under pressure
_SPARE = 0.5  # of the leader's slack that a batch without it may take
_RECENT_S = 10.0  # how long a short deadline is remembered


class Batcher(Generic[Item]):
    """
    A queue that gives the item that leads a batch company of about the same cost.

    Who leads: the item with the earliest deadline that can still be kept; without one the item whose turn it is.
    Tenants share the lane by weight (`FairOrder`), each tenant's items oldest first, and while several wait both leader
    and company come from the next two batches' worth of the fair order alone: a flood of one tenant, however urgent,
    cannot take what is due to another.

    Padding is what a batch of mixed lengths wastes, so a batch is a run of neighbours in the order of cost around its
    leader (`Company`), as far as the ceilings and the leader's deadline allow. Under pressure the run that answers most
    a second goes before it, where the leader can wait for so long.
    """

    def __init__(self, limits: BatchLimits, clock: Clock, latency: Latency | None = None) -> None:
        self.limits = limits
        self._clock = clock
        self._latency = latency or Latency(0.0, 0.0)
        self._padding = Padding(limits.waste)
        self._company = Company(limits, self._padding, self._latency)
        self._room: WaitingRoom[Item] = WaitingRoom()
        self._tightest, self._tightest_at = float("inf"), float("-inf")
        self._draining = False

    def __len__(self) -> int:
        return len(self._room)

    @property
    def cost(self) -> int:
        """Sum of the costs of all that waits."""
        return self._room.cost

    @property
    def deadline(self) -> float:
        """The earliest deadline that may be kept, monotonic seconds; infinite when there is none."""
        return self._room.hopeful[0][0] if self._room.hopeful else float("inf")

    @property
    def since(self) -> float:
        """When the oldest item came, monotonic seconds; infinite when nothing waits."""
        return self._room.oldest.since if self._room else float("inf")

    @property
    def full(self) -> bool:
        """True when more waits than one batch can take, so waiting longer gains nothing."""
        return len(self._room) >= self.limits.items or self.cost >= self.limits.cost

    @property
    def tightest_s(self) -> float:
        """The shortest time to a deadline with which an item came lately; infinite without one."""
        return self._tightest if self._clock.now() - self._tightest_at <= _RECENT_S else float("inf")

    def add(
        self,
        item: Item,
        cost: int,
        deadline: float = float("inf"),
        *,
        tenant: str = "",
        weight: float = 1.0,
        expendable: bool = False,
        admitted: float | None = None,
    ) -> None:
        """
        Queue `item`; `cost` of at least 1 in the lane's unit, `deadline` in monotonic seconds.

        weight: of the tenant against others that wait, above 0.
        expendable: nobody wants it past its deadline; see `give_up`.
        admitted: when its event came, monotonic seconds, for what is derived; None: now.
        """
        now = self._clock.now()
        if 0 < deadline - now <= self.tightest_s:
            self._tightest, self._tightest_at = deadline - now, now
        self._room.add(
            item, max(1, cost), now, deadline, tenant, weight, expendable, now if admitted is None else admitted
        )

    def drain(self) -> None:
        """Nothing more will come: what waits is due at once."""
        self._draining = True

    def due_in_s(self) -> float | None:
        """
        Seconds until a batch should leave: 0 when now, None when nothing waits.

        One that is not full waits until the latest start that keeps every deadline with one item more, or `wait_s`.
        """
        if not self._room:
            return None
        if self._draining or self.full or not self.limits.wait_s:
            return 0.0
        latest = self._room.oldest.since + self.limits.wait_s
        count, dearest = len(self._room) + 1, self._room.dearest
        if self._room.hopeful:
            padded = self.limits.computed(count, dearest, self.cost + dearest)
            latest = min(latest, self.deadline - self._latency.bound_s(padded, dearest))
        return max(0.0, latest - self._clock.now())

    def give_up(self) -> list[Item]:
        """
        The expendable items that are past their deadline leave; so do those that will be, while others may keep theirs.

        What the model could just as well have a try at stays: an estimate that is wrong is put right by trying.
        """
        self._settle()
        before = float("inf") if self._room.hopeful else self._clock.now()
        return [one.item for one in self._room.leave(self._room.doomed(before))]

    def plan(self, *, longest_s: float = float("inf"), pressed: bool = False, turn: bool = False) -> Plan | None:
        """
        The batch that should leave first, due or not; None when nothing waits.

        longest_s: seconds that it should not exceed; twice what its leader takes alone is always allowed.
        pressed: not every deadline can be kept, so a leader is passed over whose deadline leaves room for no more
            than a small batch; the device has time for more items that way.
        turn: the item whose turn it is leads, unless it may keep a deadline; for the sake of those that have none.
        """
        if not self._room:
            return None
        self._settle()
        now, lead, left_s = self._clock.now(), self._room.turn(), float("inf")
        hopeful: list[Waiting[Item]] = []
        if self._room.hopeful and not (turn and self._room.is_without(lead.number)):
            hopeful = self._hopeful(now, pressed)
        if hopeful:
            lead = self._leader(hopeful)
            left_s = lead.deadline - now
            places = sorted((one.cost, one.number) for one in (*hopeful, *self._without()))
        elif self._room.tenants == 1:
            places = self._room.by_cost
        else:
            places = sorted((one.cost, one.number) for one in islice(self._room.in_turn(), _REACH * self.limits.items))
        longest_s = max(longest_s, 2 * self._latency.bound_s(lead.cost, lead.cost))
        middle = bisect_left(places, (lead.cost, lead.number))
        low, high = self._company.around(places, middle, min(left_s, longest_s))
        plan = self._planned(places[low:high], now + left_s, lead.admitted)
        if pressed and hopeful:
            spare_s = min(longest_s, _SPARE * (left_s - plan.seconds))
            denser = self._company.densest(places, spare_s, plan.seconds / len(plan.places))
            if denser is not None and not denser[0] <= middle < denser[1]:
                return self._planned(places[slice(*denser)], plan.deadline - plan.seconds, lead.admitted)
        return plan

    def _planned(self, places: Sequence[Place], deadline: float, since: float) -> Plan:
        dearest = places[-1][0]
        padded = self.limits.computed(len(places), dearest, sum(cost for cost, _ in places))
        return Plan(tuple(places), padded, self._latency.bound_s(padded, dearest), deadline, since)

    def take(self, plan: Plan | None = None) -> Batch[Item] | None:
        """The batch of `plan`, made since the last change, or of the plain one; None when nothing waits."""
        if plan is None and (plan := self.plan()) is None:
            return None
        due = self.due_in_s() == 0.0
        turn = self._room.turn().tag
        leaving = self._room.leave((number for _, number in plan.places), turn=turn)
        items = tuple(one.item for one in leaving)
        since, cost = min(one.since for one in leaving), sum(one.cost for one in leaving)
        self._padding.left(cost, plan.padded)
        return Batch(items, cost, plan.padded, since, self._why(len(items), due))

    def chunks(self) -> Iterator[tuple[float, float]]:
        """What may keep its deadline, in full batches: (earliest deadline of the batch, seconds it takes)."""
        if hopeful := self._room.hopeful:
            mean = max(1, self.cost // len(self._room))
            count = max(1, min(self.limits.items, self.limits.cost // mean))
            for first in range(0, len(hopeful), count):
                some = min(count, len(hopeful) - first)
                yield hopeful[first][0], self._latency.bound_s(some * mean, mean)

    def _settle(self) -> None:
        """Find those that will miss their deadlines, even alone and at once."""
        if not (hopeful := self._room.hopeful):
            return
        now, doomed = self._clock.now(), []
        sure = now + self._latency.bound_s(self._room.dearest, self._room.dearest)
        for deadline, number in takewhile(lambda one: one[0] < sure, hopeful):
            cost = self._room[number].cost
            if deadline < now + self._latency.bound_s(cost, cost):
                doomed.append(number)
        self._room.despair(doomed)

    def _hopeful(self, now: float, pressed: bool) -> list[Waiting[Item]]:
        """
        What is next in line and may keep its deadline; with one tenant in the order of deadlines, else in the fair one.

        Under pressure without what leaves no time for a full batch, or else for a half, or else for a quarter.
        """
        most = len(self._room.hopeful)
        for share in _SHARES if pressed else ():
            with_time = (one for one in self._line() if one.deadline - now >= share * self._full_s(one.cost, most))
            if found := list(islice(with_time, _REACH * self.limits.items)):
                return found
        return list(islice(self._line(), _REACH * self.limits.items))

    def _line(self) -> Iterator[Waiting[Item]]:
        room = self._room
        if room.tenants == 1:
            return (room[number] for _, number in room.hopeful)
        return (one for one in room.in_turn() if not room.is_without(one.number))

    def _leader(self, hopeful: Sequence[Waiting[Item]]) -> Waiting[Item]:
        """The earliest deadline of those that are due in fairness: within a batch's cost of the first in line."""
        first = min(one.tag for one in hopeful)
        due = (one for one in hopeful if one.tag <= first + self.limits.cost)
        return min(due, key=lambda one: (one.deadline, one.number))

    def _full_s(self, cost: int, most: int) -> float:
        """Seconds of a full batch, or of one of `most` items, around an item of `cost`."""
        count = max(1, min(self.limits.items, self.limits.cost // cost, most))
        return self._latency.bound_s(count * cost, cost)

    def _without(self) -> list[Waiting[Item]]:
        """What has no deadline to keep and is next in line, for company."""
        if len(self._room.hopeful) == len(self._room):
            return []
        line = (one for one in self._room.in_turn() if not one.expendable and self._room.is_without(one.number))
        return list(islice(line, _REACH * self.limits.items))

    def _why(self, count: int, due: bool) -> Left:
        if count == self.limits.items:
            return Left.FULL
        if self._room:
            return Left.COST
        if self._draining:
            return Left.DRAIN
        return Left.WAIT if due and self.limits.wait_s > 0 else Left.IDLE
