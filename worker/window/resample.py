"""Any sample rate to 16 kHz, piece by piece: every piece comes out as it would out of the whole."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from scipy.signal import firwin, resample_poly

from worker.core.views import Floats

RATE: Final = 16_000
_HALF: Final = 10  # taps on either side, in samples of the slower of the two rates, as in scipy's resample_poly
_STOPBAND: Final = ("kaiser", 5.0)
_KERNEL_PHASES: Final = 1_000_000  # a rate whose filter would be larger is rounded to a whole hundred


def usable(rate: int) -> int:
    """`rate`, or the nearest whole hundred when its ratio to 16 kHz would need an enormous filter."""
    up, down = _ratio(rate)
    return rate if up * down <= _KERNEL_PHASES else round(rate, -2)


def resample(samples: Floats, rate: int) -> Floats:
    """float32 [T] at `rate`, a `usable` one, to float32 [ceil(T * 16000 / rate)]; silence stands before and behind."""
    if rate == RATE or not len(samples):
        return samples
    up, down = _ratio(rate)
    found = resample_poly(samples, up, down, window=_filter(up, down))
    return np.asarray(found, dtype=np.float32)


def stretch(rate: int, first: int, last: int, kept_from: int) -> tuple[int, int, int]:
    """
    Which samples at `rate` it takes to make the 16 kHz samples [first, last) of a run, whatever came after them.

    Args:
        kept_from: index of the first sample at `rate` that is still there; a value that this function gave.

    Returns:
        the samples [start, end) at `rate`, and how many of the made ones stand before `first`.
    """
    up, down = _ratio(rate)
    context = math.ceil(_HALF * max(up, down) / (up * down)) * down if rate != RATE else 0
    start = max(kept_from, first // up * down - context, 0)
    return start, math.ceil(last * down / up), first - start // down * up


def _ratio(rate: int) -> tuple[int, int]:
    common = math.gcd(rate, RATE)
    return RATE // common, rate // common


@lru_cache(maxsize=16)
def _filter(up: int, down: int) -> Floats:
    most = max(up, down)
    return np.asarray(firwin(2 * _HALF * most + 1, 1 / most, window=_STOPBAND), dtype=np.float32)
