"""
`python -m train.ablations`: what each part of the training adds, by short runs without it, all from the published model
(the artefact that `make train` goes on from has seen everything).

Measured on rows and wordings held apart, each text read as an event is: AUROC of the highest log-odds, any label
against none, and how far the highest score of one sentence moves when it is said of another group.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from train.artefact import write
from train.calibrate import UNCALIBRATED, event_odds, thinned
from train.data import SHARES, lessons, measuring_rows
from train.encode import encode
from train.fit import Plan, beside, train
from train.identities import Identities
from train.kinds import read_kinds, told
from train.rows import Row
from train.synthetic import read_grammar
from worker.core.views import Floats
from worker.score.models.adapted import Adaptation, read
from worker.score.models.minilm import MiniLM
from worker.score.models.minilm_encoders import CpuEncoder

_SEED = 5


class Variant(NamedTuple):
    """What is left out: parts of the data, or of the loss."""

    name: str
    synthetic: bool = True
    hidden: bool = True
    joined: bool = True
    alike: bool = True
    keep: bool = True


VARIANTS = (
    Variant("all of it"),
    Variant("no synthetic rows", synthetic=False),
    Variant("no disguised copies", hidden=False),
    Variant("no copies among other lines", joined=False),
    Variant("groups need not be alike", alike=False),
    Variant("embeddings may move", keep=False),
)


class Figures(NamedTuple):
    """AUROC on `real` rows and on wordings of the grammar; mean and largest move between two groups."""

    real: float
    contrast: float
    moved: float
    moved_most: float


def main() -> None:
    """Train each variant, measure, and print a table; the published artefact stays."""
    asked = argparse.ArgumentParser(prog="python -m train.ablations", description=__doc__)
    asked.add_argument("--steps", type=int, default=200, help="of each run (default %(default)s)")
    asked.add_argument("--rows", type=int, default=1500, help="that measure (default %(default)s)")
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--only", type=int, nargs="*", help="variants by number from 0 (default: all)")
    options = asked.parse_args()
    rows = thinned(measuring_rows())
    random.Random(_SEED).shuffle(rows)
    rows = rows[: options.rows]
    table = Table("left out", "AUROC real", "AUROC contrast", "moved, mean", "moved, most")
    for number, variant in enumerate(VARIANTS):
        if options.only is None or number in options.only:
            _show(table, variant.name, measured(_trained(variant, options), rows, options.threads))
    Console(width=110).print(table)


def measured(adapted: Adaptation, rows: Sequence[Row], threads: int) -> Figures:
    """What an adaptation reaches on rows held apart."""
    model = MiniLM(encoder=CpuEncoder(threads, adapted=adapted))
    written = np.array([row.source.startswith("synthetic") for row in rows])
    truth = np.array([bool(np.nan_to_num(row.labels).any()) for row in rows])
    highest = event_odds(model, [row.text for row in rows]).max(1)
    identities = Identities(read_grammar().fillers["identity"])
    dice = random.Random(_SEED)
    pairs = [(row.text, twin) for row in rows if (twin := identities.swapped(row.text, dice)) is not None]
    one, other = (_scores(model, [pair[side] for pair in pairs]) for side in (0, 1))
    moved = np.abs(one - other)
    real, contrast = (float(roc_auc_score(truth[chosen], highest[chosen])) for chosen in (~written, written))
    return Figures(real, contrast, float(moved.mean()), float(moved.max()))


def _scores(model: MiniLM, texts: Sequence[str]) -> Floats:
    found: Floats = 1 / (1 + np.exp(-event_odds(model, texts).max(1)))
    return found


def _trained(variant: Variant, options: argparse.Namespace) -> Adaptation:
    plan = Plan(steps=options.steps, threads=options.threads)
    plan = replace(plan, of_start=0, alike=plan.alike * variant.alike, keep=plan.keep * variant.keep)
    shares = {name: share for name, share in SHARES.items() if variant.synthetic or name != "synthetic"}
    total = sum(shares.values())
    shares = {name: share / total for name, share in shares.items()}
    found = lessons(variant.synthetic, hidden=variant.hidden, joined=variant.joined)
    kinds = read_kinds()
    model = train(found, encode, shares, plan, besides=beside(plan, told(kinds), kinds, encode))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "draft.npz"
        write(file, model, UNCALIBRATED)
        return read(file)


def _show(table: Table, name: str, found: Figures) -> None:
    table.add_row(name, *(f"{value:.3f}" for value in found))


if __name__ == "__main__":
    main()
