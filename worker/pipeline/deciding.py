"""Deciding: judged slots to decisions, whole batches at a time; an event that breaks it is parked, no neighbour."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from worker.core.decisions import Verdict
from worker.core.errors import Parked, RecordsTooLarge
from worker.core.ports import DecideEach, Policy
from worker.core.records import Route
from worker.deliver.bounded import bounded
from worker.deliver.decision import Decided, DecisionWriter, Judged
from worker.pipeline.flow import Slot
from worker.pipeline.parking import Parking
from worker.pipeline.streams import Streams
from worker.pipeline.trials import Trials

log = structlog.get_logger(__name__)


class Deciding:
    """Pure but for what parking says of a slot, and the state of streams, which takes each record once."""

    def __init__(self, decide_each: DecideEach, writer: DecisionWriter, parking: Parking, streams: Streams) -> None:
        self._streams = streams
        self._decide_each = decide_each
        self._trials = Trials(decide_each)
        self._writer = writer
        self._parking = parking

    def decide(self, slots: Sequence[Slot]) -> list[Decided | None]:
        """Decisions in the slots' order; None for what is no event or was parked. A batch that breaks is halved."""
        try:
            return self._whole(slots)
        except Exception as error:  # noqa: BLE001  # whatever it is, the batch is split until one slot is at fault
            if len(slots) == 1:
                return [None] if self._parking.broke(slots[0], "deciding", error) else self.decide(slots)
            middle = len(slots) // 2
            return [*self.decide(slots[:middle]), *self.decide(slots[middle:])]

    def _whole(self, slots: Sequence[Slot]) -> list[Decided | None]:
        decided: list[Decided | None] = [None] * len(slots)
        judged = [(i, s, s.assessment) for i, s in enumerate(slots) if s.assessment is not None and s.code is None]
        verdicts = self._decide_each([one.policy for _, _, one in judged], [one.findings for _, _, one in judged])
        groups: dict[int, tuple[Policy, list[int], list[Judged], list[Verdict]]] = {}
        for (i, slot, one), verdict in zip(judged, verdicts, strict=True):
            group = groups.get(id(one.policy))
            if group is None:
                group = groups[id(one.policy)] = (one.policy, [], [], [])
            group[1].append(i)
            group[2].append((one.event, one.findings, slot.received))
            group[3].append(verdict)
        tried = self._trials.outcomes(slots)
        by_judged = self._streams.told([(slot, one) for _, slot, one in judged], verdicts)
        told = {i: by_judged[place] for place, (i, _, _) in enumerate(judged) if place in by_judged}
        for policy, places, members, theirs in groups.values():
            beside = {i: tried[place] for i, place in enumerate(places) if place in tried} if tried else tried
            state = {i: told[place] for i, place in enumerate(places) if place in told} if told else told
            for place, written in zip(places, self._writer.write(policy, members, theirs, beside, state), strict=True):
                decided[place] = written
        return decided

    def smaller(
        self, slots: Sequence[Slot], decided: Sequence[Decided | None], error: RecordsTooLarge
    ) -> list[Decided | None]:
        """
        The batch again, with what the queue will never take made smaller: a decision keeps its action and loses its
        details; one that has lost them already becomes a dead letter; a dead letter a pointer.
        """
        again = list(decided)
        for index, (slot, one) in enumerate(zip(slots, decided, strict=True)):
            if slot.position not in error.sources:
                continue
            log.warning("publish.too_large", partition=slot.position.partition, offset=slot.position.offset)
            if one is not None and one.review is not None:  # it may be the sample that is too large
                again[index] = one._replace(review=None)
                continue
            if one is not None and (cut := bounded(one.outgoing)) is not None:
                again[index] = one._replace(outgoing=cut)
                continue
            again[index] = None
            outgoing = slot.outgoing
            if outgoing is not None and outgoing.route is Route.DEAD_LETTER and not outgoing.value:
                raise error  # a pointer alone: its topic takes nothing at all
            reason = f"what is to be published for the record is too large for its topic: {error}"
            failures = slot.failures or ("RecordsTooLarge",)
            self._parking.park(
                slot, Parked("too_large_to_publish", reason, stage="publishing", failures=failures), pointer=True
            )
        return again
