"""A track: one speaker's chunks put where they belong on the clock of the call, whatever order they come in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from worker.core.views import Floats
from worker.window.resample import RATE, resample, stretch, usable

_TICKS: Final = RATE // 1000  # 16 kHz samples a millisecond
_ROUNDING: Final = 2 * _TICKS  # stamps are whole milliseconds
_JITTER: Final = 40 * _TICKS  # clocks of senders and of sound cards are not the same one
_OVERLAP: Final = RATE // 4  # what an encoder adds at the ends of a file, and more
_JUMP: Final = 60 * RATE
_REMEMBERED: Final = 256  # chunks whose repetition is known as such

Pcm = npt.NDArray[np.int16]
Span = tuple[int, int]  # [first, last) on the clock of the call, in 16 kHz samples


class Chunk(NamedTuple):
    """A decoded chunk: int16 [T] at `rate`, and what its event says of where it stands."""

    event: str  # the event's id
    samples: Pcm
    rate: int
    at_ms: int | None = None
    seq: int | None = None
    offset: int = 0  # of its record in the partition

    @property
    def length(self) -> int:
        """16 kHz samples."""
        return len(self.samples) * RATE // self.rate


class Place(Enum):
    """What became of a chunk."""

    TAKEN = "it has its place, or waits for those before it"
    REPEAT = "it came before and changes nothing"
    APART = "it belongs nowhere near the others: too late, or from another clock"


class _Run:
    """Sound without a gap, at one rate. `start` is a 16 kHz sample on the clock of the call."""

    __slots__ = ("count", "kept_from", "pieces", "rate", "start")

    def __init__(self, start: int, rate: int) -> None:
        self.start = start
        self.rate = rate
        self.pieces: list[Pcm] = []
        self.count = 0  # samples at `rate`, those let go among them
        self.kept_from = 0

    @property
    def end(self) -> int:
        return self.start + self.count * RATE // self.rate

    def add(self, samples: Pcm) -> None:
        self.pieces.append(samples)
        self.count += len(samples)

    def made(self, first: int, last: int) -> Floats:
        """The 16 kHz samples [first, last) of the clock, as far as the run has them."""
        start, end, before = stretch(self.rate, first - self.start, last - self.start, self.kept_from)
        held = np.concatenate(self.pieces)
        self.pieces = [held]
        piece = held[start - self.kept_from : end - self.kept_from].astype(np.float32) / np.float32(32_768)
        return resample(piece, self.rate)[before : before + last - first]

    def let_go(self, before: int) -> None:
        """Drop what nothing from the 16 kHz sample `before` on needs."""
        start, _, _ = stretch(self.rate, before - self.start, before - self.start, self.kept_from)
        held = np.concatenate(self.pieces)
        self.pieces = [held[start - self.kept_from :].copy()]
        self.kept_from = start


class Track:
    """
    Pure. `take` chunks, read `head`, cut out `[first, last)` with `sound`.

    A chunk stands where its `at_ms` says; without one, behind the chunk with the `seq` before its own; without either,
    behind what came before it. A place that stays empty for `lateness` is a gap. Stamps off by a few milliseconds, and
    clocks that drift, are no gaps.

    Args:
        lateness: how long a missing chunk is waited for, in 16 kHz samples of newer sound.
    """

    def __init__(self, lateness: int) -> None:
        self._lateness = lateness
        self.head: int | None = None  # the sound is complete up to here: 16 kHz samples on the clock of the call
        self.begins = 0  # where its first sound stands
        self._newest = 0
        self._shift = 0  # what the sender's clock lags behind, since it was set back
        self._next_seq: int | None = None
        self._waiting: list[Chunk] = []
        self._runs: list[_Run] = []
        self._apart: Chunk | None = None  # the last one, when nothing was taken since
        self._before: Chunk | None = None  # the one that it follows, when it follows one
        self._seen: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def bytes_held(self) -> int:
        """Of samples."""
        pieces = [len(piece) for run in self._runs for piece in run.pieces]
        return 2 * (sum(pieces) + sum(len(chunk.samples) for chunk in self._waiting))

    def take(self, chunk: Chunk) -> Place:
        """Put a chunk in its place."""
        chunk = chunk._replace(rate=usable(chunk.rate))
        known_by = _print(chunk)
        if known_by in self._seen:
            return Place.REPEAT
        if self.head is not None and not self._fits(chunk):
            return Place.APART
        self._seen.append(known_by)
        self._apart = None
        if chunk.at_ms is None and chunk.seq is None:
            self.flush()
            self.head = self.head or 0
            self._append(chunk, self.head)
            return Place.TAKEN
        self._waiting.append(chunk)
        self._newest = max(self._newest, self._start_of(chunk) + chunk.length)
        self._settle()
        return Place.TAKEN

    def flush(self) -> None:
        """Nothing that is missing will come any more: all that waits takes its place."""
        self._settle(all_of_it=True)

    def moves_to(self, chunk: Chunk) -> bool:
        """True when a chunk that `take` put apart follows one that it put apart before: the clock has jumped."""
        before, self._apart = self._apart, chunk
        if before is None:
            return False
        if chunk.at_ms is not None and before.at_ms is not None:
            follows = abs((chunk.at_ms - before.at_ms) * _TICKS - before.length) <= _slack(chunk)
        else:
            follows = chunk.seq is not None and before.seq is not None and chunk.seq == before.seq + 1
        if follows:
            self._before = before
        return follows

    def move(self) -> int:
        """
        Go on where the chunks that were put apart are: ahead at their own time, else behind the last sound.

        Returns:
            where that is.
        """
        self.flush()
        first, chunk = self._before, self._apart
        assert self.head is not None, "a track jumps that has not begun. This is a bug."
        assert first is not None, "a track jumps without a second chunk to say so. This is a bug."
        assert chunk is not None, "a track jumps without a chunk. This is a bug."
        if first.at_ms is not None:
            self._shift = max(self.head - first.at_ms * _TICKS, 0)
            self.head = first.at_ms * _TICKS + self._shift
        start = self._newest = self.head
        self._next_seq, self._before = first.seq, None
        for one in (first, chunk):
            self.take(one)
        return start

    def sound(self, first: int, last: int) -> tuple[Floats, list[Span]]:
        """
        The 16 kHz samples [first, last), float32, gaps as silence; and which of them came.

        What stands before `last` is let go: ask for it in order.
        """
        made, came = np.zeros(last - first, np.float32), list[Span]()
        for run in self._runs:
            low, high = max(first, run.start), min(last, run.end)
            if low < high:
                made[low - first : high - first] = run.made(low, high)
                came.append((low, high))
        self._runs = [run for run in self._runs if run.end > last or run is self._runs[-1]]
        for run in self._runs:
            if run.start < last:
                run.let_go(min(last, run.end))
        return made, came

    def _fits(self, chunk: Chunk) -> bool:
        """Whether its place is where sound is still awaited, or may soon be."""
        assert self.head is not None
        ahead = self._start_of(chunk) - self.head
        return -_OVERLAP <= ahead <= _JUMP and (ahead + chunk.length > 0 or -ahead <= _ROUNDING)

    def _start_of(self, chunk: Chunk) -> int:
        if chunk.at_ms is not None:
            return chunk.at_ms * _TICKS + self._shift
        if self.head is None:
            return (chunk.seq or 0) * chunk.length
        if chunk.seq is not None and self._next_seq is not None:
            return self.head + (chunk.seq - self._next_seq) * chunk.length
        return self.head

    def _settle(self, *, all_of_it: bool = False) -> None:
        """Append what is next, as far as nothing is missing or no longer waited for."""
        while self._waiting:
            chunk = min(self._waiting, key=self._start_of)
            start = self._start_of(chunk)
            patient = not all_of_it and self._newest < (start if self.head is None else self.head) + self._lateness
            if self.head is None:
                # whether an earlier one is still to come is not known, unless this is the first
                if patient and chunk.at_ms != 0 and (chunk.at_ms is not None or chunk.seq):
                    return
                self.head = self.begins = start
            elif start - self.head > _slack(chunk) and patient:
                return
            self._waiting.remove(chunk)
            self._append(chunk, start)

    def _append(self, chunk: Chunk, start: int) -> None:
        assert self.head is not None
        samples, apart = chunk.samples, start - self.head
        run = self._runs[-1] if self._runs else None
        if apart > _slack(chunk):
            self.head, run = start, None
        elif -apart > _slack(chunk) and -apart <= _OVERLAP:
            samples = samples[-apart * chunk.rate // RATE :]
        if run is None or run.rate != chunk.rate or run.end != self.head:
            run = _Run(self.head, chunk.rate)
            self._runs.append(run)
        run.add(samples)
        self.head = run.end
        self._newest = max(self._newest, self.head)
        if chunk.seq is not None:
            self._next_seq = chunk.seq + 1

    def offsets_waiting(self) -> Iterator[int]:
        """Of the records of the chunks that wait."""
        return (chunk.offset for chunk in self._waiting)


def to_pcm(samples: Floats) -> Pcm:
    """float32 [T] in [-1, 1] to 16 bits: what such a file had, and more than any call has."""
    pcm: Pcm = np.clip(np.rint(samples * np.float32(32_768)), -32_768, 32_767).astype(np.int16)
    return pcm


def _slack(chunk: Chunk) -> int:
    """How far a chunk may stand from where it should and still follow: less than its own length, so none can hide."""
    return min(_JITTER, max(_ROUNDING, chunk.length // 2))


def _print(chunk: Chunk) -> int:
    """By which its repetition is known: what it holds, and where it says it stands, or else its event."""
    place = chunk.seq if chunk.at_ms is None else chunk.at_ms
    return hash((chunk.event if place is None else place, chunk.samples.tobytes()))
