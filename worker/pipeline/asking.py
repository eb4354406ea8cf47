"""Asking: what judging hands to the lanes and gets back, and the ports that it asks through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from worker.core.events import AudioPart, Degradation, ImagePart
from worker.core.views import Floats, Hashes, ModelRef, TextSource, View
from worker.pipeline.calls import OpenHop
from worker.pipeline.flow import Slot
from worker.score.assessment import Assessment
from worker.score.lane import Ask
from worker.window.rewriting import Normalised

Source = tuple[TextSource, Normalised | None]  # a text as written and, where that differs, as its reader sees it
Job = tuple[str, Ask]  # a lane's name and what it is asked


class Ticket(NamedTuple):
    """Whose view a lane holds."""

    slot: Slot
    lane: str
    model: ModelRef
    reads: bool  # True for an extractor
    of: Assessment  # the attempt at the slot's event that asked
    hop: OpenHop | None = None  # whose sound is read, for a window of a call
    held: tuple[ModelRef, Floats] | None = None  # what the first model said, until a guard has answered


class Prepared(NamedTuple):
    """An event's first views, made off the loop and ready for their lanes."""

    slot: Slot
    jobs: list[Job]


class ViewMaker(Protocol):
    """`window/`: events and derived texts to views."""

    def normalised(self, text: str) -> Normalised | None: ...

    def foreign(self, text: str) -> str | None: ...

    def texts(self, sources: Sequence[Source]) -> tuple[list[View], list[Degradation]]: ...

    def joint(self, sources: Sequence[TextSource]) -> TextSource | None: ...

    def image(self, part: ImagePart) -> list[View]: ...

    def hashes(self, part: ImagePart) -> Hashes: ...

    def audio(self, part: AudioPart) -> list[View]: ...


class Device(Protocol):
    """`score/device.py`: runs batches of lanes off the loop, and calls back on it."""

    def submit(self, lane: str, asks: Sequence[Ask]) -> None: ...


def share_of(slot: Slot) -> tuple[str, float, float, bool, float]:
    """Whose an ask is, in the order of `Ask`: tenant, weight, deadline, if it may be left when late, since when."""
    terms = slot.terms
    return terms.tenant, terms.weight, terms.deadline, terms.expendable, slot.received
