"""Judging: views into lanes, scores and derived texts back, until no view of an event is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from worker.core.errors import ModelFailed
from worker.core.events import AudioPart, ImagePart, PartType, TextPart
from worker.core.views import TextSource
from worker.pipeline.asking import Device, Job, Prepared, ViewMaker
from worker.pipeline.cascading import Cascading, caption
from worker.pipeline.flow import Flow, Slot
from worker.pipeline.parking import Parking
from worker.pipeline.reading import Reading
from worker.pipeline.routing import Routing
from worker.score.assessment import Assessment
from worker.score.lane import Answer, Ask, Late

if TYPE_CHECKING:
    from worker.pipeline.hearing import Hearing

_TEXT = (PartType.TEXT,)


class Judging:
    """
    Args:
        routing: which models look at a view.
        cascading: when a guard sees only what the first text model leaves open.
    """

    def __init__(
        self,
        flow: Flow,
        views: ViewMaker,
        routing: Routing,
        parking: Parking,
        cascading: Cascading | None = None,
    ) -> None:
        self.routing = routing
        self.reading = Reading(views, routing)
        self._cascading = cascading
        self._flow = flow
        self._parking = parking
        self._start_over: Callable[[Slot], None] | None = None
        self._views = views
        self._device: Device | None = None
        self._hearing: Hearing | None = None

    def attach(self, device: Device) -> None:
        """The device that answers by `on_done`; without one (lists alone) no view ever needs it."""
        self._device = device

    def listen_to_calls(self, hearing: Hearing) -> None:
        """Who takes chunks of calls; without anyone, or without a model that hears, a chunk is judged like a clip."""
        self._hearing = hearing

    def on_broken(self, start_over: Callable[[Slot], None]) -> None:
        """Who takes an event from its beginning when judging it broke."""
        self._start_over = start_over

    def match_lists(self, slot: Slot) -> None:
        """All there is to do for an event that no model looks at; its parts are texts."""
        parts = _of(slot).event.parts
        if len(parts) == 1 and type(parts[0]) is TextPart and slot.together is None:
            _mark_shed(slot)
            self.reading.match(_of(slot), (TextSource(parts[0].path, parts[0].text, _TEXT),))
            return
        prepared = self.prepare(slot)
        assert not prepared.jobs, "an event without models has a view for one. This is a bug."

    def prepare(self, slot: Slot) -> Prepared:
        """Cut an event into its first views and match its lists. CPU only; runs in any thread."""
        assessment = _of(slot)
        _mark_shed(slot)
        jobs: list[Job] = []
        texts = []
        for part in assessment.event.parts:
            match part:
                case TextPart(path=path, text=text):
                    texts.append(TextSource(path, text, _TEXT))
                case ImagePart():
                    listed = self.reading.match_picture(assessment, part)
                    views = self._views.image(part) if slot.terms.shed is None else ()
                    for view in views:
                        view.text = caption(assessment.event.parts)
                    jobs += self.routing.look(slot, part.path, views, listed=listed)
                case AudioPart() if slot.call is None:
                    clips = self._views.audio(part) if slot.terms.shed is None else ()
                    jobs += self.routing.look(slot, part.path, clips)
        jobs += self.reading.own(slot, texts)
        jobs += self.reading.together(slot)
        if assessment.open_reads == 0:
            jobs += self.reading.jointly(slot)
        return Prepared(slot, jobs)

    def begin(self, prepared: Sequence[Prepared]) -> None:
        """Hand first views to their lanes, those of a call's chunks in the call's order."""
        self._submit(prepared if self._hearing is None else self._hearing.in_turn(prepared))

    def _submit(self, prepared: Sequence[Prepared]) -> None:
        """Hand views to their lanes; an event without any is complete."""
        by_lane: dict[str, list[Ask]] = {}
        for one in prepared:
            for lane, ask in one.jobs:
                by_lane.setdefault(lane, []).append(ask)
            if one.slot.assessment is None or one.slot.assessment.complete:  # None: parked on the way
                self._flow.complete(one.slot)
        for lane, asks in by_lane.items():
            assert self._device is not None, "a view for a model and no device. This is a bug."
            self._device.submit(lane, asks)

    def on_done(self, answers: Sequence[Answer]) -> None:
        """Fold a finished batch in; called on the loop by the device."""
        continued: list[Prepared] = []
        for answer in answers:
            slot, hop = answer.ticket.slot, answer.ticket.hop
            if slot.assessment is not answer.ticket.of:
                continue  # asked by an attempt that was given up
            if hop is None:
                continued += self.guarded(slot, partial(self._fold, answer))
            elif self._hearing is not None and isinstance(answer.result, TextSource | ModelFailed | Late):
                continued += self._hearing.answered(hop, answer.result)
        self._submit(continued)

    def guarded(self, slot: Slot, work: Callable[[], list[Job]]) -> list[Prepared]:
        """What `work` asks next for a slot; when it breaks, the slot alone is started over or given up."""
        try:
            jobs = work()
        except Exception as error:  # noqa: BLE001  # whatever it is, its neighbours must not wait for ever
            if self._parking.broke(slot, "judging", error):
                others = self._hearing.give_up(slot) if self._hearing is not None else []
                return [Prepared(slot, []), *others]
            assert self._start_over is not None, "nobody starts a broken event over. This is a bug."
            self._start_over(slot)
            return []
        return [Prepared(slot, jobs)] if jobs or _of(slot).complete else []

    def _fold(self, answer: Answer) -> list[Job]:
        """One answer into its assessment; gives what is to be asked next."""
        ticket, view, result = answer
        assessment: Assessment = ticket.of
        jobs: list[Job] = []
        if self._cascading is not None and isinstance(result, ModelFailed | Late):
            self._cascading.unanswered(ticket, view)
        if isinstance(result, ModelFailed):
            self._flow.metrics.model_failures.labels(ticket.lane).inc()
            assessment.failed(view, extractor=ticket.reads, lane=ticket.lane)
        elif isinstance(result, Late):
            if assessment.late(extractor=ticket.reads):
                self._flow.metrics.overload.labels("late", "shed").inc()
        elif isinstance(result, TextSource):
            assessment.read(ticket.model)
            jobs = self.reading.own(ticket.slot, [result] if result.text.strip() else [])
        elif self._cascading is None:
            assessment.scored(view, ticket.model, result)
        elif (onward := self._cascading.scored(ticket, view, result)) is not None:
            jobs = [(self._cascading.lane, onward)]
        if ticket.reads and assessment.open_reads == 0:
            jobs += self.reading.jointly(ticket.slot)
        return jobs


def _mark_shed(slot: Slot) -> None:
    """No model will look: said in the decision, and decided by `otherwise.late` beside what the lists find."""
    if slot.terms.shed is not None:
        _of(slot).findings.degraded.append(slot.terms.shed)


def _of(slot: Slot) -> Assessment:
    assert slot.assessment is not None
    return slot.assessment
