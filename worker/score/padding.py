"""How much of what a lane computes may be padding: a share, of its batches together. Pure."""

from __future__ import annotations

_KEPT = 0.99  # of what was spared, after one more batch: a quiet hour pays for the next hundred batches, not for a day


class Padding:
    """
    What batches with little padding have spared, others may have.

    So padding is never more than `most` of all that was computed, yet a batch that little waits for may have more.

    Args:
        most: padding as a share of what is computed, 0 to 1.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._spared = 0.0  # units of cost, never negative

    def is_usual(self, cost: int, padded: int) -> bool:
        """True when a batch keeps within the share by itself."""
        return padded - cost <= self._most * padded

    def fits(self, cost: int, padded: int) -> bool:
        """True when a batch of items of `cost` that computes `padded` keeps the lane within its share."""
        return padded - cost <= self._most * padded + _KEPT * self._spared

    def left(self, cost: int, padded: int) -> None:
        """Such a batch has left."""
        self._spared = max(0.0, _KEPT * self._spared + self._most * padded - (padded - cost))
