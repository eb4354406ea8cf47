"""A speaker's windows: the track's sound in hops, each with what a speech model has yet to hear. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

import numpy as np

from worker.core.streams import CallRules
from worker.core.views import Floats
from worker.window.resample import RATE
from worker.window.track import Chunk, Pcm, Place, Span, Track, to_pcm

_GRAIN: Final = RATE // 100  # loudness is measured in steps of 10 ms
_PAUSE: Final = 12  # grains: a pause is longer than the stop in the middle of a word
_LOOK_BACK: Final = 3 * RATE  # how far before a hop's end a place to cut is looked for
_AS_QUIET: Final = 1.5  # of several places about as quiet the last one is cut at: less is heard twice


class Hop(NamedTuple):
    """
    A hop that closed, and the window that closed with it. Times are 16 kHz samples on the clock of the call.

    samples: float32 [T], what is to be heard: from `heard_from`, a pause before the hop, to `end`.
    came, missing: samples of the window that came, and that never did.
    """

    number: int
    start: int  # of the window
    end: int
    heard_from: int
    samples: Floats
    came: int
    missing: int
    last: bool


class Speaker:
    """
    One speaker's track, cut into hops on a grid that begins at 0 of the call's clock, so in whatever chunks it came.

    Args:
        rules: those in force when the speaker was first heard; they stay for as long as the track does.
    """

    def __init__(self, rules: CallRules) -> None:
        self._hop = round(rules.hop_s * RATE)
        self._window = round(rules.window_s * RATE)
        self._track = Track(round(rules.lateness_s * RATE))
        self._index = -1  # of the hop that is open; -1 before the first chunk
        self._from = 0  # where the open hop begins
        self._begin = 0  # where the speaker was first heard
        self._unread: Pcm = np.zeros(0, np.int16)  # 16 kHz, from the last cut to `_from`
        self._came: deque[Span] = deque()  # what came, back to where the window opens
        self.offsets: deque[tuple[int, int]] = deque()  # of records, with where their sound stands: for the low water

    @property
    def bytes_held(self) -> int:
        """Of samples."""
        return self._track.bytes_held + 2 * len(self._unread)

    def take(self, chunk: Chunk, *, final: bool = False) -> tuple[Place, list[Hop]]:
        """Put a chunk in its place; gives the hops that it closes, oldest first."""
        track, hops = self._track, list[Hop]()
        place = track.take(chunk) if len(chunk.samples) else Place.REPEAT
        if place is Place.APART and track.moves_to(chunk):
            place = Place.TAKEN
            track.flush()
            hops = [*self._whole(), *self._rest()]
            self._from = track.move()
            self._index = max(self._index, self._from // self._hop)
            self._unread = self._unread[:0]
        hops += self._whole()
        if final:
            track.flush()
            hops += self._whole()
            rest = self._rest()
            hops += rest
            if hops:
                hops[-1] = hops[-1]._replace(last=True)
        return place, hops

    def _whole(self) -> list[Hop]:
        """The hops whose whole sound is there."""
        head, hops = self._track.head, list[Hop]()
        if head is None:
            return hops
        if self._index < 0:
            self._from = self._begin = self._track.begins
            self._index = self._begin // self._hop
        while head >= (end := (self._index + 1) * self._hop):
            hops += self._close(end)
            self._index += 1
        return hops

    def _rest(self) -> list[Hop]:
        """What has come of the open hop, as a hop of its own."""
        head = self._track.head
        if head is None or head <= self._from:
            return []
        hops = self._close(head)
        self._index += 1
        return hops

    def _close(self, end: int) -> list[Hop]:
        """The hop from `_from` to `end`; none where nothing of it came."""
        fresh, came = self._track.sound(self._from, end)
        start, self._from = self._from, end
        if not came:
            self._unread = self._unread[:0]
            return []
        opens = max(end - self._window, self._begin, 0)
        self._came.extend(came)
        while self._came[0][1] <= opens:
            self._came.popleft()
        heard_from = start - len(self._unread)
        samples = np.concatenate((self._unread.astype(np.float32) / np.float32(32_768), fresh))
        self._unread = to_pcm(fresh[_cut(fresh) :])
        there = sum(stop - max(begin, opens) for begin, stop in self._came)
        return [Hop(self._index, opens, end, heard_from, samples, there, end - opens - there, last=False)]


def _cut(hop: Floats) -> int:
    """
    Where the next reading begins: the last of the quiet places near the end of a hop, in samples from its beginning.

    It looks at nothing but the last seconds of the hop, so a track that is rebuilt is cut where it was.
    """
    near = hop[-_LOOK_BACK:] if len(hop) > _LOOK_BACK else hop
    grains = len(near) // _GRAIN
    if grains <= _PAUSE:
        return 0
    tail = near[len(near) - grains * _GRAIN :]
    loud = np.abs(tail).reshape(grains, _GRAIN).mean(axis=1)
    smooth = np.convolve(loud, np.full(_PAUSE, 1 / _PAUSE, np.float32), mode="valid")
    quiet = np.flatnonzero(smooth <= smooth.min() * _AS_QUIET + 1e-5)
    at = len(near) - grains * _GRAIN + (int(quiet[-1]) + _PAUSE // 2) * _GRAIN
    return len(hop) - len(near) + at
