"""The trained model as the file that the worker loads, and its digest where the worker looks for it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from train.calibrate import Calibration
from train.model import Adapted
from worker.score.asked import Asked
from worker.score.models import adapted
from worker.score.models.adapted import published
from worker.score.models.minilm_encoders import merged

_RANK = 16


def write(path: Path, model: Adapted, calibration: Calibration, asked: Asked | None = None) -> None:
    """
    What was added to the published weights: thin products where the rank allows, else bytes with a step for each row,
    single precision for the heads, half for the conditioned one. The same model gives the same bytes.
    """
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    before = dict(merged(published()).named_parameters())
    for name, now in model.encoder.named_parameters():
        delta = (now.detach() - before[name].detach()).numpy()
        if not delta.any():
            continue
        if delta.ndim == 1:
            arrays[f"{name}:plain"] = delta.astype(np.float16)
            continue
        thin = None if now.requires_grad else _thin(delta)
        if thin is not None:
            arrays[f"{name}:up"], arrays[f"{name}:down"] = thin
            continue
        steps = (np.abs(delta).max(1) / 127).astype(np.float32)
        arrays[f"{name}:steps"] = steps
        arrays[f"{name}:bytes"] = np.round(delta / np.maximum(steps, 1e-12)[:, None]).astype(np.int8)
    heads = model.heads
    for name, weights in (
        ("looks", heads.query),
        ("seen", heads.seen),
        ("whole", heads.whole),
        ("peak", heads.peak),
        ("bias", heads.bias),
    ):
        arrays[name] = weights.detach().numpy().astype(np.float32)
    arrays |= {name: value.astype(np.float32) for name, value in calibration._asdict().items()}
    if asked is not None:
        arrays |= {f"asked.{field.name}": getattr(asked, field.name).astype(np.float16) for field in fields(asked)}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _thin(delta: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float16]] | None:
    """[out, 16] and [16, in] whose product is the delta; None when its rank is higher."""
    up, sizes, down = np.linalg.svd(delta, full_matrices=False)
    if sizes[_RANK:].sum() > 1e-3 * sizes.sum():
        return None
    root = np.sqrt(sizes[:_RANK])
    return (up[:, :_RANK] * root).astype(np.float16), (root[:, None] * down[:_RANK]).astype(np.float16)


def pin(path: Path) -> None:
    """Write the file's sha256 into the module that checks it."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    module = Path(adapted.__file__)
    text = module.read_text("utf-8")
    module.write_text(re.sub(r'^SHA256 = "[^"]*"', f'SHA256 = "{digest}"', text, flags=re.MULTILINE), "utf-8")
