"""Pictures and clips to views: one view a frame, one a stretch of sound no longer than the speech model hears."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from worker.core.events import AudioPart, ImagePart, PartType
from worker.core.views import Evidence, Floats, View, ViewKind
from worker.window.resample import RATE, resample, usable

_GRAIN: Final = RATE // 50  # loudness is measured in steps of 20 ms
_SLACK: Final = 4 * RATE  # how far from the even cut a quiet place is looked for
_QUIET: Final = 0.35  # of the mean loudness: below it one cuts cleanly, above it the pieces overlap
_OVERLAP: Final = RATE // 2  # longer than most words


def image_views(part: ImagePart) -> list[View]:
    """One view a frame: "parts/1", or "parts/1/frame/2" for an animation; cost is pixels."""
    frames = part.frames
    several = len(frames) > 1
    return [
        View(
            path=f"{part.path}/frame/{k}" if several else part.path,
            kind=ViewKind.IMAGE,
            types=(PartType.IMAGE,),
            content=frame,
            cost=frame.shape[0] * frame.shape[1],
            evidence=Evidence(frame=k if several else None),
            scale=part.scale,
        )
        for k, frame in enumerate(frames)
    ]


def audio_views(part: AudioPart, *, window_s: float = 30.0) -> list[View]:
    """
    One view for a clip up to `window_s` seconds; a longer one is cut evenly at quiet places, cost is samples.

    Where no place is quiet the pieces overlap by half a second, so that no word is only half heard. Evidence has the
    seconds from the clip's beginning. Every sample is in a view. A clip of another rate becomes 16 kHz first.
    """
    samples = resample(part.samples, usable(part.rate))
    return [
        View(part.path, ViewKind.AUDIO, (PartType.AUDIO,), samples[a:b], b - a, Evidence(t=(a / RATE, b / RATE)))
        for a, b in _stretches(samples, int(window_s * RATE))
    ]


def _stretches(samples: Floats, window: int) -> list[tuple[int, int]]:
    """[start, end) of the pieces, each at most `window` samples."""
    total, start = len(samples), 0
    found: list[tuple[int, int]] = []
    while total - start > window:
        rest = total - start
        pieces = math.ceil(rest / window)
        # the overlaps make the rest longer: one piece more where it would not fit
        if rest + (pieces - 1) * _OVERLAP > pieces * window:
            pieces += 1
        even = start + rest // pieces
        low, high = max(even - _SLACK, start + 2 * _OVERLAP), min(even + _SLACK, start + window)
        cut, quiet = _quietest(samples, low, high)
        found.append((start, cut))
        start = cut if quiet else cut - _OVERLAP
    if total > start:
        found.append((start, total))
    return found


def _quietest(samples: Floats, low: int, high: int) -> tuple[int, bool]:
    """The middle of the quietest 100 ms in [low, high), and whether it is quiet beside the rest."""
    grains = (high - low) // _GRAIN
    if grains < 6:
        return high, False
    loud = np.abs(samples[low : low + grains * _GRAIN]).reshape(grains, _GRAIN).mean(axis=1)
    smooth = np.convolve(loud, np.full(5, 0.2), mode="valid")
    at = int(smooth.argmin())
    return low + (at + 2) * _GRAIN + _GRAIN // 2, bool(smooth[at] <= _QUIET * loud.mean())
