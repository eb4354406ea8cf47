"""
`python -m train.band`: below which score of the embedded text model a text never reaches a guard, and what that misses.

Held-apart real rows alone, from which no head learnt, split in two by their hash. On one half the cut is chosen: the
highest at which the share of violating rows under it stays, with confidence 0.95 (Clopper-Pearson), within the bound.
The other half, which the choice never saw, says what is missed and how many rows reach the guard. The score of a row is
the highest of the 13 trained heads after the maximum over its readings. `--write` puts the cut where it is read from.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import beta

from train.calibrate import event_odds, thinned
from train.rows import Row
from train.sources import held_apart, real_rows
from worker.core.views import Floats
from worker.score.cascade import BAND_FILE
from worker.score.models.minilm import MiniLM

_CONFIDENCE = 0.95


def most(missed: int, rows: int) -> float:
    """Clopper-Pearson: the largest share that would still give as few as `missed` of `rows` in 5 cases of 100."""
    return 1.0 if missed >= rows else float(beta.ppf(_CONFIDENCE, missed + 1, rows - missed))


def cut(scores: Floats, bound: float) -> float:
    """The highest cut, on the scores of violating rows (float32 [N]), whose misses stay within `bound`."""
    ordered = np.sort(scores)
    best = 0.0
    for missed, score in enumerate(ordered):
        if most(missed, len(ordered)) > bound:
            break
        best = float(score)  # rows under it: `missed` at most
    return best


def _halves(rows: Sequence[Row]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """bool [N]: True for the half that chooses."""
    return np.array([hashlib.sha256(row.text.strip().lower().encode()).digest()[1] % 2 == 0 for row in rows])


def main() -> None:
    """Choose, measure, print; write when asked."""
    asked = argparse.ArgumentParser(prog="python -m train.band", description=__doc__)
    asked.add_argument("--bound", type=float, default=0.04, help="share of violating texts that may be missed")
    asked.add_argument("--threads", type=int, default=2)
    asked.add_argument("--most", type=int, default=900, help="rows of one source")
    asked.add_argument("--write", action="store_true", help=f"write {BAND_FILE.name}")
    asked.add_argument("--scores", type=Path, help="keep scores there, and use them when they are there")
    options = asked.parse_args()
    rows = thinned([row for row in real_rows() if held_apart(row)], options.most)
    model = MiniLM("cpu", options.threads)
    if options.scores and options.scores.is_file():
        odds = np.load(options.scores)
    else:
        odds = event_odds(model, [row.text for row in rows])
        if options.scores:
            np.save(options.scores, odds)
    scores: Floats = (1 / (1 + np.exp(-odds.max(1)))).astype(np.float32)
    violating = np.array([np.nan_to_num(row.labels).any() for row in rows])
    chooses = _halves(rows)
    low = np.floor(cut(scores[violating & chooses], options.bound) * 1e4) / 1e4
    found = {"digest": model.heads_digest, "low": low, "bound": options.bound, "confidence": _CONFIDENCE}
    missed, of = int((scores[violating & ~chooses] < low).sum()), int((violating & ~chooses).sum())
    found |= {"missed": missed, "of": of, "missed_at_most": round(most(missed, of), 4)}
    found["reach"] = round(float((scores[~violating & ~chooses] >= low).mean()), 4)
    print(f"chosen on {int(chooses.sum())} rows, {int((violating & chooses).sum())} of them violating")
    for source in sorted({row.source for row in rows}):
        mine = np.array([row.source == source for row in rows]) & ~chooses
        bad, good = scores[mine & violating], scores[mine & ~violating]
        print(
            f"{source:12s} violating {len(bad):4d}, missed {int((bad < low).sum()):3d}; "
            f"harmless {len(good):4d}, reach the guard {int((good >= low).sum()):3d}"
        )
    if options.write:
        BAND_FILE.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(" ".join(f"{name}={value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
