"""Which lane runs next, with which batch, and when to look again: pure, over lanes and a clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from worker.core.clock import Clock
from worker.score.batch import Batch, Plan
from worker.score.lane import Ask, Lane

_EVERY = 4  # one batch in so many is led by what has no deadline to keep, where such items wait


class Dispatch:
    """
    The device's order of work.

    The lane whose batch has the least slack runs: what remains to its earliest deadline after the batch. Batches
    without a deadline go when no other is due, that of the oldest event first, and in every fourth turn, so that
    nothing starves.

    A batch cannot be interrupted, so none takes longer than the shortest deadline in use leaves to others: a slow model
    runs smaller batches while a fast one serves people who wait.
    """

    def __init__(self, lanes: Sequence[Lane], clock: Clock) -> None:
        self._lanes = lanes
        self._clock = clock
        self._turns = 0

    def give_up(self) -> list[tuple[Lane, list[Ask]]]:
        """What nobody wants any more leaves the lanes, to be answered as late without a model."""
        return [(lane, asks) for lane in self._lanes if (asks := lane.batcher.give_up())]

    def next(self, *, ahead: bool = False, busy: Collection[str] = ()) -> tuple[Lane, Batch[Ask]] | None:
        """
        What to run now; None when nothing is due.

        ahead: while another batch runs. Then only a full batch, which could not get better by waiting, and none while
            anything has a deadline: what is most urgent may be another batch by then.
        busy: lanes with a batch under way, which are left out: what waits there gains company.
        """
        if ahead and any(lane.batcher.deadline < float("inf") for lane in self._lanes):
            return None
        due = [
            lane
            for lane in self._lanes
            if lane.batcher.due_in_s() == 0.0 and lane.name not in busy and (lane.batcher.full or not ahead)
        ]
        if not due:
            return None
        self._turns += 1
        longest_s, pressed = self._longest_s(), self._pressed()
        if self._turns % _EVERY == 0:
            plans = self._plans(due, longest_s, pressed, turn=True)
            without = [(plan.since, lane, plan) for lane, plan in plans if plan.deadline == float("inf")]
            if without:
                _, lane, plan = min(without, key=lambda one: one[0])
                return self._take(lane, plan)
        lane, plan = min(
            self._plans(due, longest_s, pressed), key=lambda one: (one[1].deadline - one[1].seconds, one[1].since)
        )
        return self._take(lane, plan)

    def wait_s(self, *, busy: Collection[str] = ()) -> float | None:
        """Seconds until the next batch is due, but for lanes that are `busy`; None when nothing waits."""
        free = [lane.batcher for lane in self._lanes if lane.name not in busy]
        return min((due for batcher in free if (due := batcher.due_in_s()) is not None), default=None)

    def _plans(
        self, lanes: Sequence[Lane], longest_s: float, pressed: bool, *, turn: bool = False
    ) -> list[tuple[Lane, Plan]]:
        plans = ((lane, lane.batcher.plan(longest_s=longest_s, pressed=pressed, turn=turn)) for lane in lanes)
        return [(lane, plan) for lane, plan in plans if plan is not None]

    def _take(self, lane: Lane, plan: Plan) -> tuple[Lane, Batch[Ask]]:
        batch = lane.batcher.take(plan)
        assert batch is not None, "a plan of nothing. This is a bug."
        return lane, batch

    def _longest_s(self) -> float:
        """Seconds a batch may take, so that who comes just after its start still keeps the shortest deadline in use."""
        return min((lane.batcher.tightest_s - lane.usual_s for lane in self._lanes), default=float("inf"))

    def _pressed(self) -> bool:
        """True when some deadlines cannot be kept although only full batches ran from now on, the most urgent first."""
        ends = self._clock.now()
        for deadline, seconds in sorted(chunk for lane in self._lanes for chunk in lane.batcher.chunks()):
            ends += seconds
            if ends > deadline:
                return True
        return False
