"""The trained model as the file that the worker loads, and its digest where the worker looks for it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from train.calibrate import Calibration
from train.model import Adapted, LowRank
from worker.score.models import adapted


def write(path: Path, model: Adapted, calibration: Calibration) -> None:
    """Half precision for deltas, single for the heads. The same model gives the same bytes."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, layer in model.encoder.named_modules():
        if isinstance(layer, LowRank):
            arrays[f"{name}.weight:up"] = (layer.up.detach() * layer.scale).numpy().astype(np.float16)
            arrays[f"{name}.weight:down"] = layer.down.detach().numpy().astype(np.float16)
    heads = model.heads
    for name, weights in (
        ("looks", heads.query),
        ("seen", heads.seen),
        ("whole", heads.whole),
        ("bias", heads.bias),
    ):
        arrays[name] = weights.detach().numpy().astype(np.float32)
    arrays |= {name: value.astype(np.float32) for name, value in calibration._asdict().items()}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def pin(path: Path) -> None:
    """Write the file's sha256 into the module that checks it."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    module = Path(adapted.__file__)
    text = module.read_text("utf-8")
    module.write_text(re.sub(r'^SHA256 = "[^"]*"', f'SHA256 = "{digest}"', text, flags=re.MULTILINE), "utf-8")
