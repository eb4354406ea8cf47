"""Early exit: which views the embedded model settles, and which go on to a guard. Pure but for a file read once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.core.views import Floats, View
from worker.score.concepts import Heads
from worker.score.models.guard.concepts import GuardPolicy

BAND_FILE = Path(__file__).with_name("band.json")


@dataclass(frozen=True, slots=True)
class Band:
    """
    Below `low` a text is clearly clean, with a bound on what that misses.

    digest: of the embedded model whose scores it was chosen by. low: probability, the highest of the trained heads.
    bound: share of violating texts that may be under it, with `confidence`.
    """

    digest: str
    low: float
    bound: float
    confidence: float

    @classmethod
    def shipped(cls, digest: str) -> Band | None:
        """The band that `python -m train.band` chose; None when that was for another model than `digest`."""
        found = json.loads(BAND_FILE.read_text("utf-8"))
        band = cls(*(found[name] for name in cls.__slots__))
        return band if band.digest == digest else None


class Cascade:
    """
    Says of a text that the first model has scored whether the guard must see it.

    There is no upper end: a text that the first model is sure of is rare, and just where it is wrong most dearly.

    Args:
        first, guard: names of the scorers. band: None sends everything on.
        says: whether a text's tokens (int32 [n]) say anything to the first model.
        first_reads: whether the first model reads a text's language.
    """

    def __init__(
        self,
        first: str,
        guard: str,
        band: Band | None,
        says: Callable[[npt.NDArray[np.int32]], bool],
        first_reads: Callable[[str], bool],
    ) -> None:
        self.first, self.guard = first, guard
        self._band = band
        self._says, self._first_reads = says, first_reads

    def understood(self, view: View) -> bool:
        """Whether the first model's score of a view says anything."""
        return self._says(view.content) and (view.text is None or self._first_reads(view.text))

    def goes_on(self, view: View, scores: Floats, heads: Heads, asked: GuardPolicy, *, listed: bool) -> bool:
        """
        True when the guard must judge a view.

        Args:
            scores: float32 [C] of the first model. heads, asked: what both look for under the policy.
            listed: a list has blocked the event already.
        """
        if listed:
            return False
        if self._band is None or (asked.covered & (heads.trained < 0)).any():
            return True  # a category that the band was not measured on has no bound
        trained = scores[heads.trained >= 0]
        return bool((trained >= np.float32(self._band.low)).any()) or not self.understood(view)
