"""`python -m train`: data, training, calibration, and the artefact that the worker loads. One run, one seed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from train.artefact import pin, write
from train.calibrate import UNCALIBRATED, calibrated
from train.data import SHARES, measuring_rows, training_rows
from train.fit import Ids, Plan, train
from train.model import Adapted
from worker.score.models.adapted import FILE, read
from worker.score.weights import MINILM_TOKENIZER


def main() -> None:
    """Train, calibrate, write."""
    asked = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    asked.add_argument("--steps", type=int, default=Plan().steps, help="batches of 32 rows (default %(default)s)")
    asked.add_argument("--threads", type=int, default=1, help="threads (default %(default)s)")
    asked.add_argument("--no-synthetic", action="store_true", help="ablation: real rows alone")
    asked.add_argument("--weights", type=Path, help="keep the trained weights here, or calibrate those that are here")
    asked.add_argument("--out", type=Path, default=FILE, help="the artefact (default: the one that the worker loads)")
    options = asked.parse_args()
    model = _trained(options)
    write(options.out, model, UNCALIBRATED)
    write(options.out, model, calibrated(read(options.out), measuring_rows(), options.threads))
    print(f"{options.out.name}: {options.out.stat().st_size / 1e6:.2f} MB")
    if options.out == FILE:
        pin(FILE)


def _trained(options: argparse.Namespace) -> Adapted:
    if options.weights and options.weights.is_file():
        model = Adapted().eval()
        model.load_state_dict(torch.load(options.weights, weights_only=True), strict=False)
        return model
    rows = training_rows(synthetic=not options.no_synthetic)
    shares = {name: share for name, share in SHARES.items() if name != "synthetic" or not options.no_synthetic}
    total = sum(shares.values())
    print(f"{len(rows)} rows", flush=True)
    plan = Plan(steps=options.steps, threads=options.threads)
    model = train(rows, encode, {name: share / total for name, share in shares.items()}, plan)
    if options.weights:
        torch.save({name: value for name, value in model.state_dict().items() if learnt(name)}, options.weights)
    return model


def learnt(name: str) -> bool:
    """Whether a parameter is one that training moves."""
    return name.startswith("heads.") or name.endswith((".up", ".down"))


def encode(texts: Sequence[str]) -> list[Ids]:
    """int32 [n] ids with special tokens, at most 510."""
    tokenizer = Tokenizer.from_file(str(MINILM_TOKENIZER.path()))
    tokenizer.no_padding()
    tokenizer.enable_truncation(510)
    return [np.array(found.ids, np.int32) for found in tokenizer.encode_batch(list(texts))]


if __name__ == "__main__":
    main()
