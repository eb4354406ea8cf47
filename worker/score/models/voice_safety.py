"""Roblox's voice-safety classifier: what a voice does, not what it says; heads for the categories that ask for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from worker.core.errors import ConfigError, ModelFailed
from worker.core.events import PART_TYPES, PartType
from worker.core.ports import CategorySpec
from worker.core.views import Concepts, Floats, ModelRef, Thresholds, View, ViewKind
from worker.score.models.guard.checkpoint import Checkpoint, Dtype

NAME = "voice-safety"
PREFIX = "voice/"  # of its detectors: "voice/harassment"
RATE = 16_000

_WINDOW = 15 * RATE  # what it was trained on
_STEP = 12 * RATE  # so that nothing falls on a seam
_BUCKET = 3 * RATE  # windows are padded to whole buckets: a score never depends on the neighbours in a batch
_POINTS = (0.3, 0.5, 0.7)  # high recall, balanced, high precision: its makers publish no thresholds
_BATCH = 16


@dataclass(frozen=True, slots=True)
class VoiceHeads:
    """columns, heads: int64 [n], which of a policy's C categories take which head's score (the highest of several)."""

    columns: npt.NDArray[np.int64]
    heads: npt.NDArray[np.int64]
    categories: int


class VoiceConcepts:
    """Compiles categories for `VoiceSafety`: those that name one of its heads among their detectors."""

    def __init__(self, heads: Sequence[str]) -> None:
        self._heads = {f"{PREFIX}{head}": number for number, head in enumerate(heads)}

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """`VoiceHeads` by scorer name; nothing when no category names a head."""
        pairs = [
            (column, self._heads[detector])
            for column, category in enumerate(categories)
            for detector in category.detectors
            if detector in self._heads
        ]
        if not pairs:
            return {}
        columns, heads = (np.array(numbers, np.int64) for numbers in zip(*pairs, strict=True))
        return {NAME: VoiceHeads(columns, heads, len(categories))}

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """Fixed numbers, for sound alone."""
        found = self.compile(categories).get(NAME)
        if found is None:
            return None
        points = np.full((len(_POINTS), len(PART_TYPES), len(categories)), np.nan)
        points[:, PartType.AUDIO, found.columns] = np.array(_POINTS)[:, np.newaxis]
        return points


class VoiceSafety:
    """
    The scorer of clips, any length: windows of 15 s, the highest counts.

    Version 2 is transformers' own WavLM classifier, and so is any checkpoint of that architecture with other heads.
    Version 3 has a model class of its own that transformers does not hold: it is refused.

    Args:
        checkpoint: its heads stand in `id2label`. device: "cpu" or "cuda".

    Raises:
        WeightsRejected: files or tensors are missing. ConfigError: another architecture.
    """

    kind = ViewKind.AUDIO

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu", dtype: Dtype = "float32") -> None:
        if "WavLMForSequenceClassification" not in checkpoint.architectures:
            raise ConfigError(
                f"checkpoint {checkpoint.name} is no WavLMForSequenceClassification: "
                "models.guard.voice takes version 2 of the voice-safety classifier, or one of its architecture"
            )
        self._model = checkpoint.model(device, dtype)
        self._device = device
        labels: dict[int, str] = self._model.config.id2label
        self.heads = tuple(_detector(labels[number]) for number in range(len(labels)))
        self.ref = ModelRef(NAME, checkpoint.name, f"sha256:{checkpoint.digest}")

    def score(self, views: Sequence[View], concepts: Sequence[VoiceHeads]) -> list[Floats]:
        """
        For each view (float32 [T] at 16 kHz), float32 [C]; NaN where a category names no head.

        Raises:
            ModelFailed: the network raised, or gave no finite number.
        """
        windows = [(place, samples) for place, view in enumerate(views) for samples in cut(view.content)]
        highest = np.zeros((len(views), len(self.heads)), np.float32)
        try:
            for places, batch in _buckets(windows):
                np.maximum.at(highest, places, self._heads_of(batch))
        except Exception as error:
            raise ModelFailed(f"{NAME} failed on a batch of {len(views)} clips: {type(error).__name__}") from error
        if not np.isfinite(highest).all():
            raise ModelFailed(f"{NAME} gave no finite number for a clip")
        return [_spread(scores, wanted) for scores, wanted in zip(highest, concepts, strict=True)]

    def _heads_of(self, batch: Floats) -> Floats:
        """float32 [B, H] probabilities of windows [B, T]; each head stands by itself."""
        with torch.inference_mode():
            samples = torch.from_numpy(batch).to(self._device, self._model.dtype)
            found: Any = self._model(input_values=samples).logits.float().sigmoid().cpu().numpy()
        return np.asarray(found, np.float32)


def cut(samples: Floats) -> list[Floats]:
    """Windows of at most 15 s, a new one every 12 s, with silence to a whole number of 3 s."""
    starts = range(0, max(1, len(samples) - (_WINDOW - _STEP)), _STEP)
    windows = [samples[start : start + _WINDOW] for start in starts]
    return [np.pad(window, (0, -len(window) % _BUCKET or (_BUCKET if not len(window) else 0))) for window in windows]


def _buckets(windows: Sequence[tuple[int, Floats]]) -> list[tuple[npt.NDArray[np.int64], Floats]]:
    """Places of views, and windows of one length, a batch at a time."""
    by_length: dict[int, list[tuple[int, Floats]]] = defaultdict(list)
    for place, window in windows:
        by_length[len(window)].append((place, window))
    found = []
    for _, some in sorted(by_length.items()):
        for first in range(0, len(some), _BATCH):
            places, batch = zip(*some[first : first + _BATCH], strict=True)
            found.append((np.array(places, np.int64), np.stack(batch).astype(np.float32)))
    return found


def _spread(scores: Floats, wanted: VoiceHeads) -> Floats:
    found = np.full(wanted.categories, np.nan, np.float32)
    for column, head in zip(wanted.columns.tolist(), wanted.heads.tolist(), strict=True):
        found[column] = np.fmax(found[column], scores[head])
    return found


def _detector(label: str) -> str:
    """ABUSE_TYPE_SEXUAL_CONTENT, DatingAndRomantic: as "sexual-content", "dating-and-romantic"."""
    plain = label.removeprefix("ABUSE_TYPE_")
    if plain.isupper():
        return plain.lower().replace("_", "-")
    spaced = "".join(f"-{c.lower()}" if c.isupper() else c for c in plain).lstrip("-")
    return spaced.replace("_", "-")
