"""All open calls: a track and a transcript for each speaker, forgotten after a silence or when memory is short."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable

from worker.core.clock import Clock
from worker.core.records import Partition
from worker.core.streams import CallRules, StreamKey
from worker.window.call import Hop, Speaker
from worker.window.track import Chunk, Place
from worker.window.transcript import Transcript

LineKey = tuple[Hashable, StreamKey, str | None]  # partition, call, speaker


class Line:
    """What is known of one speaker of one call."""

    __slots__ = ("bytes_held", "expire_s", "speaker", "transcript", "used")

    def __init__(self, rules: CallRules) -> None:
        self.speaker = Speaker(rules)
        self.transcript = Transcript()
        self.expire_s = rules.expire_s
        self.bytes_held = 0
        self.used = 0.0


class CallWindows:
    """
    Pure but for the clock. Used on one thread.

    Args:
        most_bytes: of samples, over all calls; past it the speaker that was silent for longest is forgotten, and begins
            anew with the next chunk.
    """

    def __init__(self, clock: Clock, *, most_bytes: int) -> None:
        self._clock = clock
        self._most_bytes = most_bytes
        self._lines: OrderedDict[LineKey, Line] = OrderedDict()  # the one that was used last stands last
        self.bytes_held = 0
        self.crowded_out = 0  # speakers forgotten because memory was short

    def __len__(self) -> int:
        return len(self._lines)

    def take(
        self, partition: Partition, call: StreamKey, speaker: str | None, rules: CallRules, chunk: Chunk, *, final: bool
    ) -> tuple[Place, Line, list[Hop]]:
        """Put a chunk on its speaker's track; gives the windows that it closes, oldest first."""
        now, key = self._clock.now(), (partition, call, speaker)
        line = self._lines.get(key)
        if line is None or now - line.used > line.expire_s:
            self._drop(key)
            line = self._lines[key] = Line(rules)
        line.used = now
        self._lines.move_to_end(key)
        place, hops = line.speaker.take(chunk, final=final)
        held = line.speaker.bytes_held
        self.bytes_held += held - line.bytes_held
        line.bytes_held = held
        self._make_room(now)
        return place, line, hops

    def forget(self, partitions: Collection[Partition]) -> None:
        """Let go of calls whose partition went to another worker."""
        for key in [key for key in self._lines if key[0] in partitions]:
            self._drop(key)

    def _make_room(self, now: float) -> None:
        while len(self._lines) > 1:
            key, line = next(iter(self._lines.items()))
            if now - line.used <= line.expire_s:
                if self.bytes_held <= self._most_bytes:
                    break
                self.crowded_out += 1
            self._drop(key)

    def _drop(self, key: LineKey) -> None:
        line = self._lines.pop(key, None)
        if line is not None:
            self.bytes_held -= line.bytes_held
