"""
`python -m train.thresholds`: thresholds for policies/default.json, chosen by held-apart and everyday rows alone.

All together may flag a share of everyday rows, the budget. Within it the thresholds are those that catch the most
violating rows for the harmless look-alikes they flag, every source counting alike; a category that would spend the
budget on few catches gets a high one. A block may spend a fifth.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from train.calibrate import background, event_odds, everyday, thinned
from train.data import measuring_rows
from train.fit import family
from train.rows import CATEGORIES, Row
from worker.core.views import Floats, Thresholds
from worker.score.models.minilm import MiniLM

_BLOCKED = 0.2  # of what may be flagged
_APART = 0.1  # from a flag to a block, at least
# Rows are too few to trust in thresholds at either end.
_FLAGS: Thresholds = np.round(np.arange(0.15, 0.705, 0.01), 2)
_BLOCKS: Thresholds = np.round(np.arange(0.35, 0.955, 0.01), 2)
_PASSES = 20
# Prompts that nobody doubts must be caught, look-alikes must pass; the other sources count once each.
_WEIGHT = {"ailuminate": 5.0, "catqa": 3.0, "synthetic": 4.0}

Mask = npt.NDArray[np.bool_]


def main() -> None:
    """Print thresholds and what they flag."""
    asked = argparse.ArgumentParser(prog="python -m train.thresholds", description=__doc__)
    asked.add_argument(
        "--budget", type=float, default=0.045, help="share of everyday rows flagged (default %(default)s)"
    )
    asked.add_argument("--threads", type=int, default=2)
    options = asked.parse_args()
    rows = [*thinned(measuring_rows()), *background()]
    odds = event_odds(MiniLM("cpu", options.threads), [row.text for row in rows])
    scores: Floats = (1 / (1 + np.exp(-odds))).astype(np.float32)
    harmless = np.array([everyday(row) for row in rows])
    worth = worth_of(rows)
    flag = chosen(scores, worth, harmless, options.budget, _FLAGS)
    block = np.maximum(chosen(scores, worth, harmless, options.budget * _BLOCKED, _BLOCKS), flag + _APART)
    for name, at_flag, at_block in zip(CATEGORIES, flag, block, strict=True):
        print(f"{name:25s} flag {at_flag:.2f}  block {at_block:.2f}")
    _show(rows, scores, flag, block)


def chosen(scores: Floats, worth: Floats, harmless: Mask, budget: float, grid: Thresholds) -> Thresholds:
    """
    float64 [13]: the thresholds of most worth that flag at most `budget` of the everyday rows.

    Coordinate ascent on worth less price times everyday rows flagged, the price found by bisection.

    Args:
        scores: float32 [N, 13].
        worth: float32 [N, 13], what it is worth that a row is flagged by a category (of several the highest counts).
        harmless: bool [N], the everyday rows.
        grid: the thresholds to choose from, rising.
    """
    low, high, best = 0.0, 1e3, np.full(scores.shape[1], grid[-1])
    for _ in range(24):
        price = (low + high) / 2
        found = _ascended(scores, worth - price * harmless[:, None] / harmless.sum(), grid)
        if (scores[harmless] >= found).any(1).mean() <= budget:
            high, best = price, found
        else:
            low = price
    return best


def _ascended(scores: Floats, worth: Floats, grid: Thresholds) -> Thresholds:
    found = np.full(scores.shape[1], grid[-1])
    for _ in range(_PASSES):
        before = found.copy()
        for column in range(scores.shape[1]):
            others = np.delete(np.arange(scores.shape[1]), column)
            flagged = scores[:, others] >= found[others]
            least = np.where(flagged, worth[:, others], -np.inf).max(1)
            gained = np.where(np.isfinite(least), np.maximum(worth[:, column] - least, 0), worth[:, column])
            order = np.argsort(-scores[:, column], kind="stable")
            total = np.concatenate(([0.0], np.cumsum(gained[order])))
            above = np.searchsorted(-scores[order, column], -grid, side="right")
            found[column] = grid[int(np.argmax(total[above]))]
        if (found == before).all():
            break
    return found


def worth_of(rows: Sequence[Row]) -> Floats:
    """
    float32 [N, 13]: a violating row flagged by what it may violate is worth something, by another category nothing; a
    harmless one costs. Sources weigh alike, on either side.
    """
    labelled = np.stack([row.labels for row in rows])
    violates = np.asarray(np.nan_to_num(labelled).any(1))
    kinds = [(family(row), bool(bad)) for row, bad in zip(rows, violates, strict=True)]
    counts = {kind: kinds.count(kind) for kind in set(kinds)}
    share = np.array([_WEIGHT.get(kind[0], 1.0) / counts[kind] for kind in kinds])
    unknown = np.array([row.source == "davidson/offensive" for row in rows])  # of its kind only: no hateful threat
    share[unknown] = 0
    found: Floats = np.where(violates[:, None], np.where(labelled == 0, 0.0, 1.0), -1.0) * share[:, None].astype(
        np.float32
    )
    return found


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
