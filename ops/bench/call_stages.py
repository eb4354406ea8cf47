"""
How long a chunk that closes a hop spends in each stage of the pipeline.

The bench looks on from outside: while the block runs, the functions at the seams note when each event passes them. What
an event has several of (texts) counts from the first that begins to the last that ends.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from worker.pipeline.deciding import Deciding
from worker.pipeline.flow import Slot
from worker.pipeline.hearing import Hearing
from worker.pipeline.outlet import Outlet
from worker.score.lane import Ask, Lane

Marks = dict[str, float]
# In the order in which a chunk passes them: what ends each stage. Without speech or text some are left out.
STAGES = {
    "queue": "taken",  # sent, polled, admitted
    "decode": "decoded",  # JSON, base64 and samples, in a thread
    "window": "cut",  # waits for the chunks before it, goes on its track, closes the hop
    "speech wait": "speech begins",
    "speech run": "speech ends",
    "text wait": "text begins",  # words are stitched, lists matched, and the text lane waited for
    "text run": "text ends",
    "order": "leaves",  # waits for the chunks before it
    "policy": "decided",  # and the state of its call
    "publish": "published",
}


class Stages:
    """Monotonic seconds at which each event passed each mark, by the event's id."""

    def __init__(self) -> None:
        self.marks: dict[str, Marks] = defaultdict(dict)

    @contextmanager
    def looking_on(self) -> Iterator[None]:
        """Note the marks while the block runs."""
        with ExitStack() as seams:
            for owner, name, around in (
                (Hearing, "in_turn", self._in_turn),
                (Hearing, "_feed", self._feed),
                (Lane, "judge", self._judge),
                (Outlet, "_deliver", self._deliver),
                (Deciding, "decide", self._decide),
            ):
                seams.enter_context(patch.object(owner, name, _wrapped(getattr(owner, name), around)))
            yield

    def spent(self, event: str, sent: float, published: float) -> dict[str, float]:
        """Seconds in each stage that the event passed; they add up to the whole time."""
        marks, found, before = self.marks[event] | {"published": published}, dict[str, float](), sent
        for stage, mark in STAGES.items():
            if (at := marks.get(mark)) is not None:
                found[stage], before = max(at - before, 0.0), max(at, before)
        return found

    def _in_turn(self, call: Callable[..., Any], hearing: Hearing, prepared: Sequence[Any]) -> Any:
        for one in prepared:
            self._note([one.slot], "decoded")
        return call(hearing, prepared)

    def _feed(self, call: Callable[..., Any], hearing: Hearing, slot: Slot) -> Any:
        found = call(hearing, slot)
        self._note([slot], "cut")
        return found

    def _judge(self, call: Callable[..., Any], lane: Lane, asks: Sequence[Ask]) -> Any:
        kind = "speech" if hasattr(lane.model, "extract") else "text"
        slots = [ask.ticket.slot for ask in asks]
        self._note(slots, f"{kind} begins", first=True)
        found = call(lane, asks)
        self._note(slots, f"{kind} ends")
        return found

    def _deliver(self, call: Callable[..., Any], outlet: Outlet, batch: Sequence[Slot]) -> Any:
        self._note(batch, "leaves")
        for slot in batch:
            if slot.assessment is not None:
                self.marks[slot.assessment.event.id]["taken"] = slot.received
        return call(outlet, batch)

    def _decide(self, call: Callable[..., Any], deciding: Deciding, slots: Sequence[Slot]) -> Any:
        found = call(deciding, slots)
        self._note(slots, "decided")
        return found

    def _note(self, slots: Sequence[Slot], mark: str, *, first: bool = False) -> None:
        now = time.monotonic()
        for slot in slots:
            if slot.assessment is not None:
                marks = self.marks[slot.assessment.event.id]
                marks[mark] = marks.get(mark, now) if first else now


def _wrapped(call: Callable[..., Any], around: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*arguments: Any) -> Any:
        return around(call, *arguments)

    return wrapper
