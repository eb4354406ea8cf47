"""Judging: views into lanes, scores and derived texts back, until no view of an event is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from worker.core.decisions import Hit
from worker.core.errors import ModelFailed
from worker.core.events import AudioPart, Degradation, ImagePart, PartType, TextPart
from worker.core.ports import Extractor, Policy, Scorer
from worker.core.views import TextSource, View, ViewKind
from worker.pipeline.asking import Device, Job, Prepared, Source, Ticket, ViewMaker, share_of
from worker.pipeline.cascading import Cascading, caption
from worker.pipeline.flow import Flow, Slot
from worker.pipeline.languages import left_out, understood
from worker.pipeline.parking import Parking
from worker.pipeline.together import read_together
from worker.score.assessment import Assessment
from worker.score.lane import Answer, Ask, Late

if TYPE_CHECKING:
    from worker.pipeline.hearing import Hearing

_TEXT = (PartType.TEXT,)


class Judging:
    """
    Routes views by the policy's concepts: a scorer sees a view only when the policy looks for something it knows.

    Args:
        scorers: by name, as in `Policy.concepts(name)`.
        readers: the extractor of each kind of view that holds text, if any, with its lane's name.
        cascading: when a guard sees only what the first text model leaves open.
    """

    def __init__(
        self,
        flow: Flow,
        views: ViewMaker,
        scorers: Mapping[str, Scorer],
        readers: Mapping[ViewKind, tuple[str, Extractor]],
        parking: Parking,
        cascading: Cascading | None = None,
    ) -> None:
        self._cascading = cascading
        self._flow = flow
        self._parking = parking
        self._start_over: Callable[[Slot], None] | None = None
        self._views = views
        self._text_scorers = tuple(name for name, scorer in scorers.items() if scorer.kind is ViewKind.TEXT)
        self._device: Device | None = None
        self._hearing: Hearing | None = None
        self._scorers = scorers
        self._readers = readers

    def attach(self, device: Device) -> None:
        """The device that answers by `on_done`; without one (lists alone) no view ever needs it."""
        self._device = device

    def listen_to_calls(self, hearing: Hearing) -> None:
        """Who takes chunks of calls; without anyone, or without a model that hears, a chunk is judged like a clip."""
        self._hearing = hearing

    def on_broken(self, start_over: Callable[[Slot], None]) -> None:
        """Who takes an event from its beginning when judging it broke."""
        self._start_over = start_over

    def needs_models(self, policy: Policy) -> bool:
        """True when some scorer has anything to look for under this policy."""
        return bool(self._scorers) and any(policy.concepts(name) is not None for name in self._scorers)

    def match_lists(self, slot: Slot) -> None:
        """All there is to do for an event that no model looks at; its parts are texts."""
        parts = _of(slot).event.parts
        if len(parts) == 1 and type(parts[0]) is TextPart and slot.together is None:
            _mark_shed(slot)
            self._match(_of(slot), (TextSource(parts[0].path, parts[0].text, _TEXT),))
            return
        prepared = self.prepare(slot)
        assert not prepared.jobs, "an event without models has a view for one. This is a bug."

    def _reads_text(self, policy: Policy) -> bool:
        return any(policy.concepts(name) is not None for name in self._text_scorers)

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
                    listed = self._match_picture(assessment, part)
                    views = self._views.image(part) if slot.terms.shed is None else ()
                    for view in views:
                        view.text = caption(assessment.event.parts)
                    jobs += self.look(slot, part.path, views, listed=listed)
                case AudioPart() if slot.call is None:
                    clips = self._views.audio(part) if slot.terms.shed is None else ()
                    jobs += self.look(slot, part.path, clips)
        jobs += self._read(slot, texts)
        jobs += self._read_together(slot)
        if assessment.open_reads == 0:
            jobs += self.read_jointly(slot)
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
            jobs = self._read(ticket.slot, [result] if result.text.strip() else [])
        elif self._cascading is None:
            assessment.scored(view, ticket.model, result)
        elif (onward := self._cascading.scored(ticket, view, result)) is not None:
            jobs = [(self._cascading.lane, onward)]
        if ticket.reads and assessment.open_reads == 0:
            jobs += self.read_jointly(ticket.slot)
        return jobs

    def _match_picture(self, assessment: Assessment, part: ImagePart) -> bool:
        """Match the lists of pictures; False when the policy has none."""
        policy = assessment.policy
        if policy.knows_pictures:
            assessment.findings.hits += policy.match_images(part.path, self._views.hashes(part))
        return policy.knows_pictures

    def look(self, slot: Slot, path: str, views: Sequence[View], *, listed: bool = False) -> list[Job]:
        """
        Jobs of a picture or clip; one that neither a model nor a list looks at is said, never passed as harmless.

        A list alone is what its policy asked for, as it is for a text without a text model.
        """
        jobs = self._route(slot, views)
        if not jobs and not listed and slot.terms.shed is None:
            reason = "no model of this worker looks at this type of part: choose a profile that has one"
            _of(slot).findings.degraded.append(Degradation("nobody_looks", "failed", path, reason))
        return jobs

    def _route(self, slot: Slot, views: Sequence[View]) -> list[Job]:
        """Jobs of image, audio or text views: every scorer with concepts for them, and the reader of their kind."""
        assessment, terms = _of(slot), slot.terms
        jobs: list[Job] = []
        if terms.shed is not None:
            return jobs
        share = share_of(slot)
        for name, scorer in self._scorers.items():
            concepts = assessment.policy.concepts(name)
            if concepts is None or (self._cascading is not None and self._cascading.waits(name, assessment)):
                continue
            ticket = Ticket(slot, name, scorer.ref, False, assessment)
            jobs += [(name, Ask(view, concepts, ticket, *share)) for view in views if view.kind is scorer.kind]
        assessment.open_views += len(jobs)
        for kind, (lane, reader) in self._readers.items():
            ticket = Ticket(slot, lane, reader.ref, True, assessment)
            reads = [(lane, Ask(view, None, ticket, *share)) for view in views if view.kind is kind]
            assessment.open_reads += len(reads)
            jobs += reads
        return jobs

    def _read(self, slot: Slot, sources: Sequence[TextSource]) -> list[Job]:
        """The event's own texts, which are read together as well when all are known."""
        _of(slot).sources.extend(sources)
        return self.read(slot, sources)

    def read(self, slot: Slot, sources: Sequence[TextSource]) -> list[Job]:
        """Match the lists in texts and cut them into views for the text models."""
        if not sources:
            return []
        assessment = _of(slot)
        normalised = self._match(assessment, sources)
        if slot.terms.shed is not None or not self._reads_text(assessment.policy):
            return []
        views, degraded = self._views.texts([pair for pair in normalised if understood(self._views, assessment, *pair)])
        assessment.findings.degraded.extend(degraded)
        return self._route(slot, views)

    def _read_together(self, slot: Slot) -> list[Job]:
        """A message with those before it: windows of their own, apart from its own verdict."""
        assessment = _of(slot)
        together = read_together(assessment, slot.together)
        pairs = self._match(assessment, [source for source, joined in together if joined.whole])
        if not pairs or slot.terms.shed or not self._reads_text(assessment.policy) or left_out(assessment):
            return []
        normal = {id(source): normalised for source, normalised in pairs}
        views: list[View] = []
        for close in (True, False):
            read = [
                (source, normal[id(source)] if joined.whole else self._views.normalised(source.text))
                for source, joined in together
                if joined.close is close
            ]
            for view in self._views.texts(read)[0] if read else ():
                view.excerpt = not close
                views.append(view)
        return self._route(slot, views)

    def read_jointly(self, slot: Slot) -> list[Job]:
        """All texts of the event together, so that a sentence split between picture and caption is read whole."""
        assessment = _of(slot)
        if len(assessment.sources) < 2:
            return []
        joint = self._views.joint(assessment.sources)
        if joint is None:
            return []
        normalised = self._match(assessment, [joint])
        if slot.terms.shed is not None or not self._reads_text(assessment.policy) or left_out(assessment):
            return []
        views, _ = self._views.texts(normalised)  # over the budget means its sources were, and they said so
        return self._route(slot, views)

    def _match(self, assessment: Assessment, sources: Sequence[TextSource]) -> list[Source]:
        """Match the lists; gives the sources with their normalised form, which the text models read too."""
        pairs: list[Source] = []
        for source in sources:
            normalised = self._views.normalised(source.text)
            pairs.append((source, normalised))
            if normalised is not None:
                assessment.findings.evasion.update(normalised.undone)
            text, back = (normalised.text, normalised.span) if normalised is not None else (None, None)
            hits = assessment.policy.match(source, text, back)
            for found in assessment.found_in(source.window) if hits else ():
                # the joint text holds the others: only what none of them had is new
                seen = {_what(hit) for hit in found.hits} if source.path == "joint" else set()
                found.hits += [hit for hit in hits if _what(hit) not in seen]
        return pairs


def _mark_shed(slot: Slot) -> None:
    """No model will look: said in the decision, and decided by `otherwise.late` beside what the lists find."""
    if slot.terms.shed is not None:
        _of(slot).findings.degraded.append(slot.terms.shed)


def _what(hit: Hit) -> tuple[Any, ...]:
    return (hit.search, hit.list_digest, hit.category, hit.action)


def _of(slot: Slot) -> Assessment:
    assert slot.assessment is not None
    return slot.assessment
