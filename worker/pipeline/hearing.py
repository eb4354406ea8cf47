"""Hearing: chunks of calls through the lanes: windows to the speech model, what was said in them to the text models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from worker.core.errors import ModelFailed
from worker.core.ports import Extractor
from worker.pipeline.asking import Job, Prepared, Ticket, ViewMaker, share_of
from worker.pipeline.calls import CallPath, OpenHop, Result, unread
from worker.pipeline.flow import Flow, Slot
from worker.pipeline.judging import Judging
from worker.score.lane import Ask, Late
from worker.window.calls import CallWindows


def listen(flow: Flow, judging: Judging, views: ViewMaker, reader: tuple[str, Extractor] | None) -> CallPath | None:
    """Calls are heard as calls where a model hears at all. What they hold is at most half of the bytes in flight."""
    if reader is None:
        return None
    calls = CallPath(flow, CallWindows(flow.clock, most_bytes=flow.settings.decoded_bytes // 2))
    judging.listen_to_calls(Hearing(flow, judging, calls, views, reader))
    return calls


class Hearing:
    """
    Used on the loop's thread.

    Args:
        reader: the lane's name and the model that turns sound into text.
    """

    def __init__(
        self, flow: Flow, judging: Judging, calls: CallPath, views: ViewMaker, reader: tuple[str, Extractor]
    ) -> None:
        self._flow = flow
        self._judging = judging
        self._calls = calls
        self._views = views
        self._lane, self._reader = reader

    def in_turn(self, prepared: Sequence[Prepared]) -> list[Prepared]:
        """The prepared as they are, but for chunks: those whose turn in their call has come, with their windows."""
        found = list[Prepared]()
        for one in prepared:
            turn = one.slot.call
            if turn is None:
                found.append(one)
                continue
            turn.jobs = one.jobs
            for slot in self._calls.decoded(one.slot, turn):
                if slot.assessment is None:  # it ended before its turn
                    found.append(Prepared(slot, []))
                else:
                    found += self._judging.guarded(slot, partial(self._feed, slot))
        return found

    def answered(self, hop: OpenHop, result: Result) -> list[Prepared]:
        """Take a reading; windows whose text is known go on, each with its own event."""
        hop.asked = True
        return self._go_on(self._calls.answered(hop, result))

    def give_up(self, slot: Slot) -> list[Prepared]:
        """A slot has ended; the windows of later chunks do not wait for its own."""
        return self._go_on([hop for hop in self._calls.give_up(slot) if hop.slot is not slot])

    def _go_on(self, ready: Sequence[OpenHop]) -> list[Prepared]:
        return [
            one
            for hop in ready
            if hop.slot.assessment is not None
            for one in self._judging.guarded(hop.slot, partial(self._window, hop))
        ]

    def _feed(self, slot: Slot) -> list[Job]:
        """A chunk's turn has come: what of its call is to be asked."""
        assert slot.call is not None, "a chunk without a turn is fed. This is a bug."
        assert slot.assessment is not None, "a chunk that ended is fed. This is a bug."
        jobs: list[Job] = list(slot.call.jobs)
        fed = self._calls.feed(slot)
        for part in fed.apart:
            jobs += self._judging.routing.look(
                slot, part.path, self._views.audio(part) if slot.terms.shed is None else ()
            )
        for hop in fed.hops:
            if hop.source is not None:  # read by an earlier attempt at this event
                jobs += self._window(hop)
            elif slot.terms.shed is not None or self._calls.is_still(hop):
                for ready in self._calls.answered(hop, unread(hop)):
                    jobs += self._window(ready)
            else:
                ticket = Ticket(slot, self._lane, self._reader.ref, True, slot.assessment, hop)
                jobs.append((self._lane, Ask(hop.view, None, ticket, *share_of(slot))))
        return jobs

    def _window(self, hop: OpenHop) -> list[Job]:
        """What was said in a window is known: it is matched and scored as any text is."""
        slot, result = hop.slot, hop.result
        assessment = slot.assessment
        assert assessment is not None, "a window of a chunk that ended goes on. This is a bug."
        own = assessment.windows[hop.place].findings
        if isinstance(result, ModelFailed):
            self._flow.metrics.model_failures.labels(self._lane).inc()
            assessment.failed(hop.view, extractor=True, lane=self._lane)
            own.degraded.append(assessment.findings.degraded[-1])
        elif isinstance(result, Late):
            if assessment.late(extractor=True):
                self._flow.metrics.overload.labels("late", "shed").inc()
            own.degraded += [one for one in assessment.findings.degraded if one.code == "late"]
        elif hop.asked:
            assessment.read(self._reader.ref)
            own.models.append(self._reader.ref)
        else:
            assessment.open_reads -= 1
        jobs = self._judging.reading.read(slot, [hop.source]) if hop.source is not None and hop.source.text else []
        if assessment.open_reads == 0 and "image" in assessment.findings.part_types:
            jobs += self._judging.reading.jointly(slot)  # what was read in its pictures waited for its windows
        return jobs
