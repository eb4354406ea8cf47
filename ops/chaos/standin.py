"""Models whose answers the verifier can foretell and whose time is given: a scorer of texts and one of pictures."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.core.ports import CategorySpec
from worker.core.views import Concepts, Floats, ModelRef, View, ViewKind
from worker.score.batch import BatchLimits
from worker.score.profile import Models

_KNOWN = {"stormy": 1, "gusty": 2}
_SCORES = {0: 0.02, 2: 0.3, 1: 0.7}  # by the strongest word in a view
_TEXT, _PICTURE = "standin-text", "standin-picture"
_FIXED_S, _EACH_S, _PICTURE_S = 0.02, 0.0002, 0.05
_LOOK_S = 0.05


class _Words:
    """A tokenizer of words."""

    window_tokens = 128

    def encode(self, texts: Sequence[str]) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]]:
        """For each text int32 [n] ids and int32 [n, 2] characters."""
        found = []
        for text in texts:
            places = [(m.group(), m.span()) for m in re.finditer(r"\w+", text)]
            ids = np.array([_KNOWN.get(word, 100 + hash(word) % 1_000) for word, _ in places], dtype=np.int32)
            found.append((ids, np.array([span for _, span in places], dtype=np.int32).reshape(-1, 2)))
        return found


class _StandIn:
    """
    A scorer that takes a GPU's time and knows two words.

    hang: a file; while it is there, no batch comes back.
    """

    def __init__(self, name: str, kind: ViewKind, takes: tuple[float, float] | None, hang: Path | None) -> None:
        self.ref = ModelRef(name, "1", "sha256:" + "0" * 64)
        self.kind = kind
        self._takes = takes  # seconds a batch, and an item
        self._hang = hang

    def score(self, views: Sequence[View], concepts: Sequence[Concepts]) -> list[Floats]:
        """float32 [C] for each view: NaN but for the categories it knows."""
        if self._takes is not None:
            time.sleep(self._takes[0] + self._takes[1] * len(views))
        while self._hang is not None and self._hang.exists():
            time.sleep(_LOOK_S)
        return [self._one(view, known) for view, known in zip(views, concepts, strict=True)]

    def _one(self, view: View, known: npt.NDArray[np.bool_]) -> Floats:
        scores = np.full(len(known), np.nan, dtype=np.float32)
        seen = set(view.content.tolist()) if self.kind is ViewKind.TEXT else set()
        word = next((number for number in (1, 2) if number in seen), 0)
        scores[known] = _SCORES[word]
        return scores


class _Concepts:
    """Every category with a definition is scored, by both."""

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """bool [C] by scorer; nothing when no category has a definition."""
        known = np.array([category.definition is not None for category in categories])
        return {_TEXT: known, _PICTURE: known} if known.any() else {}

    def points(self, categories: Sequence[CategorySpec]) -> None:
        """No operating points: nothing was calibrated."""
        return


def standin_models(hang: Path | None = None, *, timed: bool = True) -> Models:
    """A profile of stand-ins. `timed=False`: they answer at once."""
    text = _StandIn(_TEXT, ViewKind.TEXT, (_FIXED_S, _EACH_S) if timed else None, hang)
    picture = _StandIn(_PICTURE, ViewKind.IMAGE, (_PICTURE_S, _EACH_S) if timed else None, None)
    return Models(
        tokenizer=_Words(),
        scorers={_TEXT: text, _PICTURE: picture},
        concepts=_Concepts(),
        limits={_TEXT: BatchLimits(64, 8_192), _PICTURE: BatchLimits(16, 32_000_000)},
    )
