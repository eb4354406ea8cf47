"""An event under way: its policy snapshot, its open views, what has been found so far."""

from __future__ import annotations

import numpy as np

from worker.core.decisions import Findings
from worker.core.events import Degradation, Event, PartType
from worker.core.ports import Policy
from worker.core.streams import ClosedWindow, WindowKind
from worker.core.views import Floats, ModelRef, TextSource, View, empty_scores

_STREAM_FIELDS = ("id", "seq", "offset_ms", "speaker", "final")  # what conditions may read of it
SCORE_DECIMALS = 4  # what a decision stores; rounded before deciding, so that a stored decision can be taken again


class Assessment:
    """
    Collects scores, hits and derived texts of one event. Complete when no view is open.

    The policy is captured once, when the event is admitted: a reload never splits an event.
    """

    __slots__ = ("event", "findings", "open_reads", "open_views", "policy", "sources", "windows")

    def __init__(self, event: Event, policy: Policy) -> None:
        self.event = event
        self.policy = policy
        self.open_views = 0  # views a scorer has yet to answer
        self.open_reads = 0  # views an extractor has yet to read
        self.sources: list[TextSource] = []  # every text found, for the joint view
        self.windows: list[ClosedWindow] = []  # what the event closed of its call or conversation, oldest first
        stream = event.stream
        about = None if stream is None else {name: getattr(stream, name) for name in _STREAM_FIELDS}
        self.findings = Findings(event.context, event.part_types(), about, degraded=event.degraded)

    @property
    def complete(self) -> bool:
        return self.open_views == 0 and self.open_reads == 0

    def scored(self, view: View, model: ModelRef, scores: Floats) -> None:
        """
        Fold one view's float32 [C] in: the maximum counts, and remembers where it came from. NaN changes nothing.

        A view of a window counts there; one of a call's window, which is what the event is about, for the event too.
        """
        self.open_views -= 1
        self._used(model)
        scores = np.round(scores, SCORE_DECIMALS)
        for found in self.found_in(view.window):
            _fold(found, view, model, scores, len(self.policy.categories))

    def open_window(self, kind: WindowKind, speaker: str | None, since: float, until: float, text: str) -> TextSource:
        """A window of messages read together, and their text. Unix seconds."""
        mine = self.findings
        findings = Findings(mine.context, frozenset({PartType.TEXT.label}), mine.stream)
        place = len(self.windows)
        self.windows.append(ClosedWindow(speaker, place, since, until, 0.0, 0.0, findings, kind=kind))
        return TextSource(f"conversation/{kind}", text, (PartType.TEXT,), window=place)

    def found_in(self, window: int | None) -> tuple[Findings, ...]:
        """Where that counts which is found in the window at this place of `windows`, or in the event itself: None."""
        if window is None:
            return (self.findings,)
        closed = self.windows[window]
        return (closed.findings, self.findings) if closed.kind == "call" else (closed.findings,)

    def read(self, model: ModelRef) -> None:
        """An extractor has answered one view."""
        self.open_reads -= 1
        self._used(model)

    def failed(self, view: View, *, extractor: bool, lane: str) -> None:
        """A model could not judge a view: the policy's `otherwise.failed` decides beside what was scored."""
        if extractor:
            self.open_reads -= 1
        else:
            self.open_views -= 1
        self.findings.degraded.append(
            Degradation("model_failed", "failed", view.path, f"the model of lane {lane} failed twice on this view")
        )

    def late(self, *, extractor: bool) -> bool:
        """
        A view's turn came after the deadline: the policy's `otherwise.late` decides beside what was scored.

        True for the first view of the event.
        """
        if extractor:
            self.open_reads -= 1
        else:
            self.open_views -= 1
        degraded = self.findings.degraded
        if any(one.code == "late" for one in degraded):
            return False
        reason = "its deadline passed, or could not be kept any more, while it waited for a model"
        degraded.append(Degradation("late", "late", "event", reason))
        return True

    def _used(self, model: ModelRef) -> None:
        if model not in self.findings.models:
            self.findings.models.append(model)


def _fold(found: Findings, view: View, model: ModelRef, scores: Floats, categories: int) -> None:
    if found.scores is None:
        found.scores = empty_scores(categories)
    for kind in view.types:
        row = found.scores[kind]
        higher = np.flatnonzero((scores > row) | (np.isnan(row) & ~np.isnan(scores)))
        row[higher] = scores[higher]
        for category in higher.tolist():
            found.sources[int(kind), category] = (view.path, model.name, view.evidence)
