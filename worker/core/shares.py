"""Shares with their uncertainty: Wilson's score interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `of`, with the bounds of its 95 % Wilson interval; all of it from 0 to 1."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """0 when there is nothing to count."""
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson, E. B. (1927), J. Am. Stat. Assoc. 22:209; (0, 1) when there is nothing to count."""
        n, p, z = self.of, self.value, _Z
        if n == 0:
            return 0.0, 1.0
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
        # At the ends the interval touches 0 and 1 exactly; rounding must not say otherwise.
        return 0.0 if self.count == 0 else max(low, 0.0), 1.0 if self.count == n else min(high, 1.0)

    def as_json(self) -> dict[str, Any]:
        """Count, share and interval."""
        low, high = self.interval
        return {"count": self.count, "of": self.of, "share": self.value, "low": low, "high": high}

    def __str__(self) -> str:
        low, high = self.interval
        return f"{percent(self.value)} ({percent(low).removesuffix(' %')}–{percent(high).removesuffix(' %')})"


def percent(share: float) -> str:
    """`0.031 %`, `4.2 %`, `100 %`: two figures, so that rare and common both can be read."""
    value = share * 100
    if value == 0 or value >= 99.95:
        return f"{value:.0f} %"
    decimals = max(1 - math.floor(math.log10(value)), 0) if value < 10 else 1
    return f"{value:.{min(decimals, 5)}f} %"
