"""How long a batch takes: a + b·cost for each shape of a model's batches, refitted after each of them. Pure."""

from __future__ import annotations

import math

_PRIOR = 1.0  # what the line of all shapes weighs in the line of one, in batches
_LAST = 0.1  # what a line weighs in its own next version: it settles what batches all alike leave open
_SURE = 2.0  # standard errors that `bound_s` allows for


class _Line:
    """Least squares over fading memory, leaning on two invented observations on the line `prior`, of `weight` each."""

    __slots__ = ("_memory", "_n", "_x", "_xx", "_xy", "_y", "fixed", "slope")

    def __init__(self, memory: float, fixed: float, slope: float) -> None:
        self._memory = memory
        self._n = self._x = self._xx = self._y = self._xy = 0.0
        self.fixed, self.slope = fixed, slope

    def observe(self, cost: float, seconds: float, prior: tuple[float, float], weight: float) -> None:
        keep = self._memory
        self._n = keep * self._n + 1
        self._x = keep * self._x + cost
        self._xx = keep * self._xx + cost * cost
        self._y = keep * self._y + seconds
        self._xy = keep * self._xy + cost * seconds
        # the invented ones stand at no cost and at twice the usual one, so that batches all alike leave a line, too
        far = 2 * self._x / self._n
        fixed, slope = prior
        n, x, xx = self._n + 2 * weight, self._x + weight * far, self._xx + weight * far * far
        y = self._y + weight * (2 * fixed + slope * far)
        xy = self._xy + weight * far * (fixed + slope * far)
        self.slope = max(0.0, (n * xy - x * y) / (n * xx - x * x))
        self.fixed = max(0.0, (y - self.slope * x) / n)


class Latency:
    """
    Seconds that a batch takes, as a + b·padded cost, for each bucket of shape.

    A bucket holds batches whose dearest items are within a factor of two of each other, since attention makes a long
    row dearer than its tokens. A bucket that has seen little leans on the line of all batches. Memory fades by
    exponential weights, so that a machine that slows down is noticed within some fifty batches.

    Args:
        fixed_s, per_cost_s: a and b until batches were seen.
        memory: what an observation still weighs after one more; above 0, below 1.
    """

    def __init__(self, fixed_s: float = 0.005, per_cost_s: float = 1e-5, memory: float = 0.98) -> None:
        self._memory = memory
        self._all = _Line(memory, fixed_s, per_cost_s)
        self._lines: dict[int, _Line] = {}  # by the bit length of the dearest item's cost
        self._off = 0.01  # faded mean square of the relative error
        self.margin = _margin(self._off)  # what estimates are multiplied with to be rarely exceeded; at least 1

    def observe(self, cost: float, seconds: float, dearest: float | None = None) -> None:
        """Learn that a batch of padded `cost`, its dearest item of cost `dearest` (None: not known), took `seconds`."""
        line = self._line(dearest)
        expected = line.fixed + line.slope * cost
        if expected > 0:
            off = min(1.0, (seconds / expected - 1) ** 2)
            self._off = self._memory * self._off + (1 - self._memory) * off
            self.margin = _margin(self._off)
        self._all.observe(cost, seconds, (self._all.fixed, self._all.slope), _LAST)
        if dearest is None:
            return
        bucket, prior = _bucket(dearest), (self._all.fixed, self._all.slope)
        if bucket not in self._lines:
            self._lines[bucket] = _Line(self._memory, *prior)
        self._lines[bucket].observe(cost, seconds, prior, _PRIOR)

    def estimate_s(self, cost: float, dearest: float | None = None) -> float:
        """Seconds a batch will take, as far as is known; never negative."""
        line = self._line(dearest)
        return line.fixed + line.slope * cost

    def bound_s(self, cost: float, dearest: float | None = None) -> float:
        """Seconds that a batch will rarely exceed."""
        return self.estimate_s(cost, dearest) * self.margin

    def _line(self, dearest: float | None) -> _Line:
        return self._all if dearest is None else self._lines.get(_bucket(dearest), self._all)


def _margin(off: float) -> float:
    return 1 + _SURE * math.sqrt(off)


def _bucket(dearest: float) -> int:
    return int(dearest).bit_length()
