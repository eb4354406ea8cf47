"""
`python -m train.readings`: does one calibration line do for events of any number of readings? The maximum over many
chances is higher by chance alone; what is taken from sentences of long texts (`doubt`) should make up for it.

Held-apart rows, by how many views each has: of a category the mean of what is said and the share that violates.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from train.calibrate import event_odds, thinned
from train.data import measuring_rows
from train.rows import CATEGORIES
from worker.core.events import PartType
from worker.core.views import TextSource
from worker.score.models.minilm import MiniLM
from worker.window.views import Views

_BANDS = {"1": (1, 1), "2 or 3": (2, 3), "4 and more": (4, 10_000)}
_FEWEST = 8  # labelled rows that a figure is given for


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(prog="python -m train.readings", description=__doc__)
    asked.add_argument("--threads", type=int, default=2)
    model = MiniLM("cpu", asked.parse_args().threads)
    rows = thinned(measuring_rows())
    views = Views(model)
    sources = [TextSource("parts/0", row.text, (PartType.TEXT,)) for row in rows]
    counts = np.array([len(views.texts([(one, views.normalised(one.text))])[0]) for one in sources])
    said = 1 / (1 + np.exp(-event_odds(model, [row.text for row in rows])))
    labelled = np.stack([row.labels for row in rows])
    table = Table("said → violate", *_BANDS)
    table.add_row("rows", *(str(int(((counts >= low) & (counts <= high)).sum())) for low, high in _BANDS.values()))
    for column, name in enumerate(CATEGORIES):
        cells = []
        for low, high in _BANDS.values():
            known = (counts >= low) & (counts <= high) & ~np.isnan(labelled[:, column])
            if known.sum() < _FEWEST:
                cells.append("")
                continue
            cells.append(f"{said[known, column].mean():.3f} → {labelled[known, column].mean():.3f} ({known.sum()})")
        table.add_row(name, *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
