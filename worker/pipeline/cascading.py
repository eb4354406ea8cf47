"""Cascading: what the first model leaves open goes on to a guard; what the guard has said before is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from worker.core.decisions import Action
from worker.core.events import AudioPart, ImagePart, TextPart
from worker.core.ports import Scorer
from worker.core.views import Concepts, Floats, View
from worker.pipeline.asking import Ticket, share_of
from worker.score.assessment import Assessment
from worker.score.lane import Ask
from worker.score.seen import Seen
from worker.window.language import ForeignTexts

_CAPTION = 2_000  # characters; the whole of it is judged as a text by itself


class Decides(Protocol):
    """`score/cascade.py`: which views go on."""

    first: str
    guard: str

    def understood(self, view: View) -> bool: ...

    def goes_on(self, view: View, scores: Floats, heads: Concepts, asked: Concepts, *, listed: bool) -> bool: ...


class Remembers(Protocol):
    """`score/seen.py`: answers by tenant, policy and content."""

    def get(self, tenant: str, policy: str, text: str) -> Floats | None: ...

    def put(self, tenant: str, policy: str, text: str, scores: Floats) -> None: ...


class Profile(Protocol):
    """`score/profile.py`: the models of a worker, as far as a cascade needs them."""

    @property
    def scorers(self) -> Mapping[str, Scorer]: ...

    @property
    def cascade(self) -> Callable[[Callable[[str], bool]], Decides] | None: ...

    @property
    def repeats(self) -> int: ...


class Cascading:
    """
    Folds the first model's and the guard's scores of a text into one: the guard's where it has one, else the first's.

    Used on the loop's thread.
    """

    def __init__(self, decides: Decides, guard: Scorer, seen: Remembers) -> None:
        self._decides, self._guard, self._seen = decides, guard, seen

    def waits(self, lane: str, assessment: Assessment) -> bool:
        """True for a guard's lane whose views the first model sees before it."""
        return lane == self._decides.guard and assessment.policy.concepts(self._decides.first) is not None

    def scored(self, ticket: Ticket, view: View, scores: Floats) -> Ask | None:
        """Fold a score in; what comes back is to be asked of the guard before the view is done."""
        if ticket.lane == self._decides.first:
            return self._after_first(ticket, view, scores)
        if ticket.lane == self._decides.guard:
            if view.text is not None:
                self._seen.put(ticket.slot.terms.tenant, ticket.of.policy.digest, view.text, scores)
            self._after_guard(ticket, view, scores, "guard")
        else:
            ticket.of.scored(view, ticket.model, scores)
        return None

    def unanswered(self, ticket: Ticket, view: View) -> None:
        """The guard failed or came late: the first model's scores stand beside what the policy says of that."""
        if ticket.held is not None:
            ticket.of.open_views += 1
            ticket.of.scored(view, *ticket.held)

    @property
    def lane(self) -> str:
        """The guard's."""
        return self._decides.guard

    def _after_first(self, ticket: Ticket, view: View, scores: Floats) -> Ask | None:
        policy, terms = ticket.of.policy, ticket.slot.terms
        heads, asked = policy.concepts(self._decides.first), policy.concepts(self._decides.guard)
        listed = any(hit.action is Action.BLOCK for hit in ticket.of.findings.hits)
        if asked is None or not self._decides.goes_on(view, scores, heads, asked, listed=listed):
            ticket.of.scored(view, ticket.model, scores)
            ticket.of.findings.settled("first")
            return None
        held = (ticket.model, scores) if self._decides.understood(view) else None
        onward = ticket._replace(lane=self._decides.guard, model=self._guard.ref, held=held)
        known = None if view.text is None else self._seen.get(terms.tenant, policy.digest, view.text)
        if known is not None:
            self._after_guard(onward, view, known, "repeat")
            return None
        return Ask(view, asked, onward, *share_of(ticket.slot))

    def _after_guard(self, ticket: Ticket, view: View, scores: Floats, stage: Any) -> None:
        if ticket.held is not None:
            model, first = ticket.held
            ticket.of.open_views += 1  # two models, one view
            ticket.of.scored(view, model, np.where(np.isnan(scores), first, np.nan).astype(np.float32))
        ticket.of.scored(view, ticket.model, scores)
        ticket.of.findings.settled(stage)


def caption(parts: Sequence[TextPart | ImagePart | AudioPart]) -> str | None:
    """What an event says beside its pictures, cut to what a guard reads with one; None when it says nothing."""
    said = "\n".join(part.text for part in parts if isinstance(part, TextPart))
    return said[:_CAPTION] or None


def cascading(models: Profile) -> Cascading | None:
    """The cascade of a profile; None for one without."""
    if models.cascade is None:
        return None
    english = ForeignTexts(frozenset({"en"}))
    decides = models.cascade(lambda text: english.language(text) is None)
    return Cascading(decides, models.scorers[decides.guard], Seen(models.repeats))
