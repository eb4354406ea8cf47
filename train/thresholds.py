"""
`python -m train.thresholds`: thresholds for policies/default.json, chosen by held-apart and everyday rows alone.

Each category may flag the same share of everyday rows, the largest share with which all together stay within the
budget; a block is as rare as a fifth of that. What harmful rows that leaves flagged is printed beside.
"""

from __future__ import annotations

import argparse
from importlib.resources import files

import numpy as np
from rich.console import Console
from rich.table import Table

from train.calibrate import event_odds, everyday, thinned
from train.data import measuring_rows
from train.fit import family
from train.rows import CATEGORIES, Row, labels
from worker.core.views import Floats, Thresholds
from worker.score.models.minilm import MiniLM

_BLOCKED = 0.2  # of what may be flagged


def main() -> None:
    """Print thresholds and what they flag."""
    asked = argparse.ArgumentParser(prog="python -m train.thresholds", description=__doc__)
    asked.add_argument(
        "--budget", type=float, default=0.045, help="share of everyday rows flagged (default %(default)s)"
    )
    asked.add_argument("--threads", type=int, default=2)
    options = asked.parse_args()
    lines = files("worker.score").joinpath("background.txt").read_text("utf-8").splitlines()
    rows = [*thinned(measuring_rows()), *(Row(line, labels(), "background") for line in lines)]
    odds = event_odds(MiniLM("cpu", options.threads), [row.text for row in rows])
    scores: Floats = (1 / (1 + np.exp(-odds))).astype(np.float32)
    harmless = np.array([everyday(row) for row in rows])
    flag, block = (within(scores[harmless], options.budget * share) for share in (1.0, _BLOCKED))
    for name, at_flag, at_block in zip(CATEGORIES, flag, block, strict=True):
        print(f"{name:25s} flag {at_flag:.2f}  block {at_block:.2f}")
    _show(rows, scores, flag, block)


def within(scores: Floats, budget: float) -> Thresholds:
    """float64 [13]: thresholds at one false-positive rate for all, the highest with at most `budget` rows in all."""
    best: Thresholds = np.ones(scores.shape[1])
    for rate in np.linspace(0, budget, 200):
        found = np.clip(np.ceil(np.quantile(scores, 1 - rate, axis=0) * 100 + 1) / 100, 0.05, 0.97)
        if (scores >= found).any(1).mean() <= budget:
            best = found
    return best


def _show(rows: list[Row], scores: Floats, flag: Thresholds, block: Thresholds) -> None:
    table = Table("rows", "n", "flagged %", "blocked %")
    kinds: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        known = np.nan_to_num(row.labels, nan=0.0).any()
        source = row.source if row.source.startswith("synthetic") else family(row)
        kinds.setdefault(f"{source} {'harmful' if known else 'everyday' if everyday(row) else 'harmless'}", []).append(
            place
        )
    for kind, places in sorted(kinds.items()):
        shares = (f"{100 * (scores[places] >= limit).any(1).mean():.1f}" for limit in (flag, block))
        table.add_row(kind, str(len(places)), *shares)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
