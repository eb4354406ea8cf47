"""What training added to MiniLM: low-rank deltas, a head for each category of the default taxonomy, its calibration."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.core.views import Floats
from worker.score import asked
from worker.score.asked import Asked
from worker.score.features import Reading, features
from worker.score.weights import verified

FILE = Path(__file__).with_name("minilm_adapted.npz")
SHA256 = "811f3b913e644dd560d4fa5cac8d9f38d8ce7add764d330df17c4285e9cca708"  # `make train` writes it
LABELS = (
    "hate",
    "hate/threatening",
    "harassment",
    "harassment/threatening",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "illicit",
    "illicit/violent",
)
DETECTORS = tuple(label.replace("/", "-") for label in LABELS)  # what policies call the heads

_HEADS = ("looks", "seen", "whole", "peak", "bias", "slope", "shift", "points")
_ASKED = "asked."

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Adaptation:
    """
    The artefact of `make train`.

    deltas: by the name of a parameter of the published model, what to add to it, float32 of its shape.
    looks, seen, whole, peak: float32 [13, 384] of the heads; bias: float32 [13].
    slope, shift: float32 [13], the lines that make log-odds calibrated. points: float32 [3, 13], thresholds of the
    operating points. asked: what reads custom categories. digest: of the whole artefact. layers: a digest of the deltas
    alone.
    """

    deltas: Mapping[str, Matrix]
    looks: Matrix
    seen: Matrix
    whole: Matrix
    peak: Matrix
    bias: Matrix
    slope: Matrix
    shift: Matrix
    points: Matrix
    asked: Asked
    digest: str
    layers: str

    def reading(self, tokens: Floats, lengths: npt.NDArray[np.int32], sums: Floats) -> Reading:
        """What is seen in padded tokens; arguments as of `log_odds`."""
        log_odds = self.log_odds(tokens, lengths, sums)
        # a sum and a mean point the same way, and only the direction counts
        embeddings = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        slots = self.asked.slots(tokens, lengths)
        return Reading(embeddings, log_odds, features(self.asked.restored(sums), log_odds, slots))

    def log_odds(self, tokens: Floats, lengths: npt.NDArray[np.int32], sums: Floats) -> Floats:
        """
        float32 [B, 13] of padded tokens (float32 [B, L, 384]), of which the first `lengths` (int32 [B]) count.

        sums: float32 [B, 384], over those tokens.

        Each head weighs the tokens by how much they are what it looks for, and adds what it thinks of their mean and
        of the one token that speaks for it the most.
        """
        values = tokens.reshape(-1, tokens.shape[2]) @ np.concatenate([self.looks, self.seen, self.peak]).T
        values = values.reshape(*tokens.shape[:2], 3, len(LABELS))
        looks, seen, peak = values[:, :, 0], values[:, :, 1], values[:, :, 2]
        beyond = np.arange(tokens.shape[1]) >= lengths[:, None]
        looks[beyond] = peak[beyond] = -np.inf
        shares = np.exp(looks - looks.max(1, keepdims=True))
        found = (shares * seen).sum(1) / shares.sum(1) + (sums / lengths[:, None]) @ self.whole.T
        found += peak.max(1) + self.bias
        calibrated: Floats = (found * self.slope + self.shift).astype(np.float32)
        return calibrated


@cache
def adaptation() -> Adaptation:
    """
    The artefact that ships.

    Raises:
        WeightsRejected: it is missing or not the pinned one.
    """
    return read(verified(FILE, SHA256))


def read(path: Path) -> Adaptation:
    """
    An artefact, unchecked.

    A delta is stored as the product of two thin matrices (`:up`, `:down`), as bytes with a step for each row (`:bytes`,
    `:steps`), or as it is (`:plain`); a layer may have several, which add up.
    """
    with np.load(path) as stored:
        found = {name: stored[name] for name in stored.files}
    deltas: dict[str, Matrix] = {}
    for name in sorted(found):
        layer, _, part = name.partition(":")
        if part == "up":
            change = found[name].astype(np.float32) @ found[f"{layer}:down"].astype(np.float32)
        elif part == "bytes":
            change = found[name].astype(np.float32) * found[f"{layer}:steps"].astype(np.float32)[:, None]
        elif part == "plain":
            change = found[name].astype(np.float32)
        else:
            continue
        deltas[layer] = deltas[layer] + change if layer in deltas else change
    heads = {name: found[name].astype(np.float32) for name in _HEADS if name in found}
    heads.setdefault("peak", np.zeros_like(heads["looks"]))
    conditioned = {
        name.removeprefix(_ASKED): value.astype(np.float32) for name, value in found.items() if name.startswith(_ASKED)
    }
    parts = b"".join(found[name].tobytes() for name in sorted(found) if ":" in name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    layers = hashlib.sha256(parts).hexdigest()
    return Adaptation(
        deltas=deltas, digest=digest, layers=layers, asked=Asked(**conditioned) if conditioned else silent(), **heads
    )


def published() -> Adaptation:
    """The model as published: no deltas, and heads that say nothing. For comparisons."""
    nothing, flat = np.zeros((len(LABELS), 384), np.float32), np.zeros(len(LABELS), np.float32)
    points = np.full((3, len(LABELS)), np.nan, np.float32)
    none, said = silent(), "published"
    return Adaptation({}, nothing, nothing, nothing, nothing, flat, flat, flat, points, none, said, said)


def silent() -> Asked:
    """A conditioned head that restores nothing and says nothing."""
    slots, whole = np.zeros((asked.WIDTH, 384), np.float32), np.zeros((1, 384), np.float32)
    looks, easily = np.zeros((asked.SLOTS, 384), np.float32), np.zeros(385, np.float32)
    return Asked(np.eye(384, dtype=np.float32), looks, slots, slots, whole, whole, easily)
