"""What becomes of a record that breaks the pipeline: tried again, then parked where it stands in its order."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from worker.core.errors import NotAnEvent, Parked
from worker.core.records import Position
from worker.deliver.deadletter import dead_letter
from worker.deliver.parking import ParkingSettings, ShareLimit
from worker.pipeline.flow import Flow, Slot

log = structlog.get_logger(__name__)


class Parking:
    """Keeps each record's attempts with its slot; nothing here knows one record from another."""

    def __init__(self, flow: Flow, settings: ParkingSettings) -> None:
        self._flow = flow
        self._attempts = settings.attempts
        of, least = settings.share_of, settings.share_least
        self._broken = ShareLimit("would be parked as `breaks_pipeline`", share=settings.share, of=of, least=least)
        self._not_events = ShareLimit("are no events", share=settings.share_not_events, of=of, least=least)

    def failed(self, position: Position, stage: str, error: Exception, before: tuple[str, ...]) -> tuple[str, ...]:
        """The failures of a record with this one added; said in the log by its kind, never by its content."""
        self._flow.metrics.record_failures.labels(stage).inc()
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        log.warning(
            "record.broke",
            topic=position.topic,
            partition=position.partition,
            offset=position.offset,
            stage=stage,
            error=type(error).__name__,
            at=None if where is None else f"{where.tb_frame.f_code.co_name}:{where.tb_lineno}",
            attempt=len(before) + 1,
        )
        return (*before, type(error).__name__)

    def exhausted(self, stage: str, failures: tuple[str, ...]) -> Parked | None:
        """What to park a record as that has failed so often; None when it may be tried again."""
        if len(failures) < self._attempts:
            return None
        reason = f"the record broke the stage {stage} {len(failures)} times with {failures[-1]}: mend it, then redrive"
        return Parked("breaks_pipeline", reason, stage=stage, failures=failures)

    def broke(self, slot: Slot, stage: str, error: Exception) -> bool:
        """A slot failed in a stage; True when it is given up: parked, or for the desk's own, answered."""
        if slot.waiter is not None:
            if not slot.waiter.done():
                slot.waiter.set_exception(error)
            return True
        slot.failures = self.failed(slot.position, stage, error, slot.failures)
        parked = self.exhausted(stage, slot.failures)
        if parked is not None:
            self.park(slot, parked)
        return parked is not None

    def park(self, slot: Slot, error: NotAnEvent | Parked, *, pointer: bool = False) -> None:
        """The slot ends as a dead letter; it keeps its place in the order."""
        assert slot.record is not None, "a slot without a record is parked. This is a bug."
        tenant = slot.tenant or (error.tenant if isinstance(error, NotAnEvent) else None)
        limit = self._flow.settings.dead_letter_bytes
        slot.outgoing = dead_letter(slot.record, error, max_bytes=limit, tenant=tenant, pointer=pointer)
        slot.code, slot.assessment = error.code, None
        slot.ours = isinstance(error, Parked)

    def check(self, slots: Sequence[Slot]) -> None:
        """
        Before a batch is published: is the share of what it parks still the records' own fault?

        Raises:
            TooManyParked: no; nothing of the batch may be published, so that it is read again.
        """
        ended = [slot for slot in slots if slot.code is not None]
        self._broken.saw(len(slots) - len(ended))
        self._not_events.saw(len(slots) - len(ended))
        for slot in ended:
            (self._broken if slot.ours else self._not_events).parked()
        self._broken.check()
        self._not_events.check()
