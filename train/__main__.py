"""`python -m train`: data, training, calibration, and the artefact that the worker loads. One run, one seed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from train.artefact import pin, write
from train.calibrate import UNCALIBRATED, calibrated
from train.conditioned import fitted
from train.data import SHARES, lessons, measuring_rows
from train.encode import encode
from train.fit import Plan, beside, train
from train.kinds import Kind, Told, read_kinds, told
from train.model import FROZEN, Adapted
from worker.score.models.adapted import FILE, read

FIRST = Path(__file__).with_name("first.npz")  # what an earlier training gave (docs/adr/0017-what-training-moves.md)


def main() -> None:
    """Train, calibrate, write."""
    asked = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    asked.add_argument("--steps", type=int, default=Plan().steps, help="batches of 32 rows (default %(default)s)")
    asked.add_argument("--threads", type=int, default=1, help="threads (default %(default)s)")
    asked.add_argument("--fresh", action="store_true", help="begin with the published model, not with train/first.npz")
    asked.add_argument("--no-synthetic", action="store_true", help="ablation: real rows alone")
    asked.add_argument("--weights", type=Path, help="keep the trained weights here, or calibrate those that are here")
    asked.add_argument("--out", type=Path, default=FILE, help="the artefact (default: the one that the worker loads)")
    options = asked.parse_args()
    kinds = read_kinds()
    rows = told(kinds)
    model = _trained(options, rows, kinds)
    write(options.out, model, UNCALIBRATED)
    conditioned = fitted(read(options.out), rows, kinds, options.threads)
    write(options.out, model, calibrated(read(options.out), measuring_rows(), options.threads), conditioned)
    print(f"{options.out.name}: {options.out.stat().st_size / 1e6:.2f} MB")
    if options.out == FILE:
        pin(FILE)


def _trained(options: argparse.Namespace, rows: Sequence[Told], kinds: Sequence[Kind]) -> Adapted:
    if options.weights and options.weights.is_file():
        model = Adapted(None if options.fresh else read(FIRST)).eval()
        model.load_state_dict(torch.load(options.weights, weights_only=True), strict=False)
        return model
    found = lessons(synthetic=not options.no_synthetic)
    shares = {name: share for name, share in SHARES.items() if name != "synthetic" or not options.no_synthetic}
    total = sum(shares.values())
    print(f"{len(found)} rows", flush=True)
    plan = Plan(steps=options.steps, threads=options.threads)
    start = None if options.fresh else read(FIRST)
    shared = {name: share / total for name, share in shares.items()}
    besides = beside(plan, rows, kinds, encode)
    model = train(found, encode, shared, plan, start, besides, _saved(options.weights))
    if options.weights:
        torch.save({name: value for name, value in model.state_dict().items() if learnt(name)}, options.weights)
    return model


def _saved(path: Path | None) -> Callable[[dict[str, Tensor]], None] | None:
    return None if path is None else lambda weights: torch.save(weights, path.with_suffix(".part"))


def learnt(name: str) -> bool:
    """Whether a parameter is one that training moves."""
    place = re.match(r"encoder\.encoder\.layer\.(\d+)\.", name)
    return name.startswith("heads.") or (place is not None and int(place[1]) >= FROZEN)


if __name__ == "__main__":
    main()
