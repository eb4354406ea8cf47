"""Routing: which models look at a view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.core.events import Degradation
from worker.core.ports import Extractor, Policy, Scorer
from worker.core.views import View, ViewKind
from worker.pipeline.asking import Job, Ticket, share_of
from worker.pipeline.cascading import Cascading
from worker.pipeline.flow import Slot
from worker.score.lane import Ask


class Routing:
    """
    Routes views by the policy's concepts: a scorer sees a view only when the policy looks for something it knows.

    Args:
        scorers: by name, as in `Policy.concepts(name)`.
        readers: the extractor of each kind of view that holds text, if any, with its lane's name.
        cascading: when a guard sees only what the first text model leaves open.
    """

    def __init__(
        self,
        scorers: Mapping[str, Scorer],
        readers: Mapping[ViewKind, tuple[str, Extractor]],
        cascading: Cascading | None = None,
    ) -> None:
        self._scorers = scorers
        self._readers = readers
        self._cascading = cascading
        self._text_scorers = tuple(name for name, scorer in scorers.items() if scorer.kind is ViewKind.TEXT)

    def needs_models(self, policy: Policy) -> bool:
        """True when some scorer has anything to look for under this policy."""
        return bool(self._scorers) and any(policy.concepts(name) is not None for name in self._scorers)

    def reads_text(self, policy: Policy) -> bool:
        """True when some scorer of texts has."""
        return any(policy.concepts(name) is not None for name in self._text_scorers)

    def look(self, slot: Slot, path: str, views: Sequence[View], *, listed: bool = False) -> list[Job]:
        """
        Jobs of a picture or clip; one that neither a model nor a list looks at is said, never passed as harmless.

        A list alone is what its policy asked for, as it is for a text without a text model.
        """
        jobs = self.route(slot, views)
        if not jobs and not listed and slot.terms.shed is None:
            assert slot.assessment is not None
            reason = "no model of this worker looks at this type of part: choose a profile that has one"
            slot.assessment.findings.degraded.append(Degradation("nobody_looks", "failed", path, reason))
        return jobs

    def route(self, slot: Slot, views: Sequence[View]) -> list[Job]:
        """Jobs of image, audio or text views: every scorer with concepts for them, and the reader of their kind."""
        assessment, terms = slot.assessment, slot.terms
        assert assessment is not None
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
