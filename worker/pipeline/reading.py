"""Reading: texts against the lists and cut into views: an event's own, those derived of it, and several together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from worker.core.decisions import Hit
from worker.core.events import ImagePart
from worker.core.views import TextSource, View
from worker.pipeline.asking import Job, Source, ViewMaker
from worker.pipeline.flow import Slot
from worker.pipeline.languages import left_out, understood
from worker.pipeline.routing import Routing
from worker.pipeline.together import read_together
from worker.score.assessment import Assessment


class Reading:
    """CPU only; runs in any thread."""

    def __init__(self, views: ViewMaker, routing: Routing) -> None:
        self._views = views
        self._routing = routing

    def own(self, slot: Slot, sources: Sequence[TextSource]) -> list[Job]:
        """The event's own texts, which are read together as well when all are known."""
        _of(slot).sources.extend(sources)
        return self.read(slot, sources)

    def read(self, slot: Slot, sources: Sequence[TextSource]) -> list[Job]:
        """Match the lists in texts and cut them into views for the text models."""
        if not sources:
            return []
        assessment = _of(slot)
        normalised = self.match(assessment, sources)
        if slot.terms.shed is not None or not self._routing.reads_text(assessment.policy):
            return []
        views, degraded = self._views.texts([pair for pair in normalised if understood(self._views, assessment, *pair)])
        assessment.findings.degraded.extend(degraded)
        return self._routing.route(slot, views)

    def together(self, slot: Slot) -> list[Job]:
        """A message with those before it: windows of their own, apart from its own verdict."""
        assessment = _of(slot)
        together = read_together(assessment, slot.together)
        pairs = self.match(assessment, [source for source, joined in together if joined.whole])
        if not pairs or slot.terms.shed or not self._routing.reads_text(assessment.policy) or left_out(assessment):
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
        return self._routing.route(slot, views)

    def jointly(self, slot: Slot) -> list[Job]:
        """All texts of the event together, so that a sentence split between picture and caption is read whole."""
        assessment = _of(slot)
        if len(assessment.sources) < 2:
            return []
        joint = self._views.joint(assessment.sources)
        if joint is None:
            return []
        normalised = self.match(assessment, [joint])
        if slot.terms.shed is not None or not self._routing.reads_text(assessment.policy) or left_out(assessment):
            return []
        views, _ = self._views.texts(normalised)  # over the budget means its sources were, and they said so
        return self._routing.route(slot, views)

    def match(self, assessment: Assessment, sources: Sequence[TextSource]) -> list[Source]:
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

    def match_picture(self, assessment: Assessment, part: ImagePart) -> bool:
        """Match the lists of pictures; False when the policy has none."""
        policy = assessment.policy
        if policy.knows_pictures:
            assessment.findings.hits += policy.match_images(part.path, self._views.hashes(part))
        return policy.knows_pictures


def _what(hit: Hit) -> tuple[Any, ...]:
    return (hit.search, hit.list_digest, hit.category, hit.action)


def _of(slot: Slot) -> Assessment:
    assert slot.assessment is not None
    return slot.assessment
