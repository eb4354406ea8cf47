"""
Calls: chunks of sound in the order of their call, into windows, and what was heard of each window in turn.

A chunk waits until those before it in its call are decoded; then it goes on its speaker's track. Windows that close are
read in whatever batches the lane forms, and stitched into the transcript in the order in which they closed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Any, NamedTuple

import numpy as np

from worker.core.decisions import Findings
from worker.core.errors import ModelFailed
from worker.core.events import AudioPart, Degradation, Event, PartType
from worker.core.records import Partition
from worker.core.streams import CallRules, ClosedWindow, StreamKey
from worker.core.views import Evidence, TextSource, View, ViewKind
from worker.deliver.order import OrderGate
from worker.pipeline.flow import Flow, Slot
from worker.score.lane import Late
from worker.window.call import Hop
from worker.window.calls import CallWindows, Line
from worker.window.resample import RATE
from worker.window.track import Chunk, Place, to_pcm
from worker.window.transcript import Word

_STILL = 5e-4  # -66 dBFS: nobody speaks there, and the voice finder need not be asked
_NOTHING = Chunk("", np.zeros(0, np.int16), RATE)

Result = TextSource | ModelFailed | Late


class Heard(NamedTuple):
    """What a speaker was heard to say, for those who show it: content, which goes into no decision and no log."""

    call: StreamKey
    speaker: str | None
    since: float  # the words stand for all that was heard from here on; seconds of the call
    until: float
    words: tuple[Word, ...]


class OpenHop:
    """A window that closed and is not yet read. `place` is its place among the windows of its event."""

    __slots__ = ("asked", "hop", "line", "path", "place", "result", "slot", "source", "speaker")

    def __init__(self, slot: Slot, place: int, path: str, hop: Hop, line: Line, speaker: str | None) -> None:
        self.slot = slot
        self.place = place
        self.path = path
        self.hop = hop
        self.line = line
        self.speaker = speaker
        self.asked = False  # whether a model had a part in the result
        self.result: Result | None = None
        self.source: TextSource | None = None  # the window's text, once it is stitched

    @property
    def view(self) -> View:
        """What the speech model is asked to read."""
        hop = self.hop
        evidence = Evidence(t=(hop.heard_from / RATE, hop.end / RATE), speaker=self.speaker)
        view = View(self.path, ViewKind.AUDIO, (PartType.AUDIO,), hop.samples, len(hop.samples), evidence)
        view.word_times, view.window = True, self.place
        return view


class Turn:
    """A chunk's place in the order of its call. `came`: its turn has come; `hops` is None until it is fed."""

    __slots__ = ("came", "hops", "jobs", "key")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.came = False
        self.jobs: list[Any] = []  # what else of its event is to be asked, meanwhile
        self.hops: list[OpenHop] | None = None


class Fed(NamedTuple):
    """What a chunk's turn brings: windows to be read, and parts that belong to no window."""

    hops: list[OpenHop]
    apart: list[AudioPart]


class CallPath:
    """Used on the loop's thread. `listeners` are told of each reading."""

    def __init__(self, flow: Flow, windows: CallWindows) -> None:
        self._flow = flow
        self._windows = windows
        self._gate: OrderGate[Slot] = OrderGate()
        self._queues: dict[Line, deque[OpenHop]] = {}
        self.listeners: list[Callable[[Heard], None]] = []
        flow.on_forget.append(self.forget)

    def forget(self, partitions: Collection[Partition]) -> None:
        """Let go of what was heard of partitions."""
        self._windows.forget(partitions)

    def enter(self, slot: Slot, key: Hashable) -> None:
        """Give a chunk its place in the order of its call."""
        slot.call = Turn(key)
        self._gate.enter(key, slot)

    def decoded(self, slot: Slot, turn: Turn) -> list[Slot]:
        """The slot is decoded, or ended before; gives those whose turn has come, oldest first."""
        if turn.came:
            return [slot]
        come = self._gate.done(turn.key, slot)
        for one in come:
            assert one.call is not None, "a chunk without a turn waited for it. This is a bug."
            one.call.came = True
        return come

    def feed(self, slot: Slot) -> Fed:
        """Put a chunk whose turn has come on its track; what was closed by an earlier attempt stays closed."""
        turn, assessment = slot.call, slot.assessment
        assert turn is not None, "a chunk without a turn is fed. This is a bug."
        if turn.hops is not None:
            for one in turn.hops:
                self._open_window(one)
            return Fed(turn.hops, [])
        if assessment is None or self._flow.is_stale(slot):
            turn.hops = []
            return Fed([], [])
        hops, apart = list[OpenHop](), list[AudioPart]()
        for part, chunk, final in _chunks(assessment.event):
            place, line, closed = self._take(assessment.event, assessment.policy.calls, chunk, final)
            if place is Place.APART and part is not None:
                apart.append(part)
                reason = "the chunk comes too late, or by another clock: it is judged by itself, not in its call"
                assessment.findings.degraded.append(Degradation("chunk_out_of_place", "late", part.path, reason))
            path = part.path if part is not None else "stream"
            for hop in closed:
                speaker = assessment.event.stream.speaker if assessment.event.stream else None
                one = OpenHop(slot, len(hops), f"{path}/window/{hop.number}", hop, line, speaker)
                hops.append(one)
                self._queues.setdefault(line, deque()).append(one)
                self._open_window(one)
        turn.hops = hops
        self._flow.credits.reserve(self._windows.bytes_held)
        return Fed(hops, apart)

    def answered(self, hop: OpenHop, result: Result) -> list[OpenHop]:
        """Take what was read of a hop; gives the windows whose text is known now, oldest first."""
        hop.result = result
        queue, ready = self._queues.get(hop.line), list[OpenHop]()
        while queue and queue[0].result is not None:
            ready.append(queue.popleft())
            self._stitch(ready[-1])
        if not queue:
            self._queues.pop(hop.line, None)
        return ready

    def give_up(self, slot: Slot) -> list[OpenHop]:
        """A slot ends without its windows being read: those of later chunks must not wait for them."""
        ready = list[OpenHop]()
        for hop in slot.call.hops or () if slot.call is not None else ():
            if hop.result is None:
                ready += self.answered(hop, unread(hop))
        return ready

    def is_still(self, hop: OpenHop) -> bool:
        """True when there is nothing to hear in it."""
        samples = hop.hop.samples
        return not len(samples) or float(np.abs(samples).max()) < _STILL

    def _take(self, event: Event, rules: CallRules, chunk: Chunk, final: bool) -> tuple[Place, Line, list[Hop]]:
        stream = event.stream
        assert stream is not None, "an event without a stream is part of a call. This is a bug."
        call, of = (event.tenant, stream.id), event.position.of
        return self._windows.take(of, call, stream.speaker, rules, chunk, final=final)

    def _open_window(self, one: OpenHop) -> None:
        """Its window among those of its event: the place that scores and hits go to."""
        assessment, hop = one.slot.assessment, one.hop
        if assessment is None:
            return
        main = assessment.findings
        own = Findings(main.context, main.part_types, main.stream)
        rate = float(RATE)
        assessment.windows.append(
            ClosedWindow(
                one.speaker,
                hop.number,
                hop.start / rate,
                hop.end / rate,
                hop.came / rate,
                hop.missing / rate,
                own,
                last=hop.last,
            )
        )
        assessment.open_reads += 1

    def _stitch(self, one: OpenHop) -> None:
        hop, transcript = one.hop, one.line.transcript
        since, until = hop.heard_from / RATE, hop.end / RATE
        words = list(_words(one.result, since)) if isinstance(one.result, TextSource) else []
        transcript.read(words, since)
        transcript.forget(hop.start / RATE)
        one.source = transcript.source(f"{one.path}/transcript", hop.start / RATE, until, one.speaker)
        one.source.window = one.place
        assessment = one.slot.assessment
        if assessment is not None and one.place < len(assessment.windows):
            fresh = [word for word in words if word.middle >= since]
            assessment.windows[one.place].spoken_s = round(sum(word.end - word.start for word in fresh), 2)
        if self.listeners and assessment is not None and assessment.event.stream is not None:
            call = (assessment.event.tenant, assessment.event.stream.id)
            for told in self.listeners:
                told(Heard(call, one.speaker, since, until, tuple(words)))


def _chunks(event: Event) -> Iterator[tuple[AudioPart | None, Chunk, bool]]:
    """The event's sound, part by part; the last one ends the stream when the event is final."""
    stream = event.stream
    assert stream is not None, "an event without a stream is part of a call. This is a bug."
    parts = [part for part in event.parts if isinstance(part, AudioPart)]
    for place, part in enumerate(parts):
        pcm = to_pcm(part.samples)
        chunk = Chunk(event.id, pcm, part.rate, stream.offset_ms, stream.seq, event.position.offset)
        yield part, chunk, stream.final and place == len(parts) - 1
    if not parts and stream.final:  # what it brought cannot be read: its call ends all the same
        yield None, _NOTHING, True


def _words(source: TextSource, since: float) -> Iterator[Word]:
    """With their seconds of the call; a reading's own begin with it."""
    for segment in source.segments:
        if segment.evidence.t is not None:
            start, end = segment.evidence.t
            yield Word(source.text[segment.start : segment.end], since + start, since + end)


def unread(hop: OpenHop) -> TextSource:
    """What is read where there is nothing to hear, or nobody to hear it."""
    return TextSource(f"{hop.path}/transcript", "", (PartType.AUDIO,))
