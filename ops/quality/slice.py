"""
The small slice that the tests measure: `python -m ops.quality.slice` writes its rows and what they gave.

Rows are of wordings of our own grammar that were never trained on. Run it again when a model or a policy got better:
the test holds the next change to it.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

import orjson

from ops.quality.suites import suites
from worker.app import load_models
from worker.cli.eval import bench
from worker.core import log
from worker.quality.attacks import ATTACKS
from worker.quality.labelled import read_labelled
from worker.score.profile import Models
from worker.settings import load

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "data" / "quality"
ROWS, BASELINE = FOLDER / "slice.jsonl", FOLDER / "baseline.json"
POLICIES = ROOT / "policies"
_ATTACKS = ("leet", "cyrillic", "base64")
_CURVES = ("roc", "precision_recall", "reliability")


def main() -> None:
    """Write the rows and the baseline."""
    asked = argparse.ArgumentParser(prog="python -m ops.quality.slice", description=__doc__)
    asked.add_argument("--keep-rows", action="store_true", help="measure the rows that are there again")
    log.configure(level="error")
    if not asked.parse_args().keep_rows:
        found = suites()
        swaps = [row for row in found["swaps"] if row["group"] in ("muslims", "women", "gay people", "white people")]
        rows = found["contrast"][::9] + swaps[::3]
        FOLDER.mkdir(exist_ok=True)
        ROWS.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    models = load_models(load().models.model_dump())
    report = asyncio.run(measured(models))
    BASELINE.write_bytes(orjson.dumps(_short(report), option=orjson.OPT_INDENT_2) + b"\n")
    print(f"{report['rows']} rows, {BASELINE.stat().st_size} bytes of figures")


async def measured(models: Models) -> dict[str, Any]:
    """The report of the slice, under the default policy."""
    settings = load(None, {"policies": POLICIES})
    with ROWS.open("rb") as lines:
        rows = list(read_labelled(lines, str(ROWS)))
    async with bench(settings, models, POLICIES, "demo") as measure:
        found = await measure(rows, [], lambda what, done, of: None)
        attacked = await measure(rows[::6], [ATTACKS[name] for name in _ATTACKS], lambda what, done, of: None)
    return found | {name: attacked[name] for name in ("attacks", "attacks_together")}


def _short(report: dict[str, Any]) -> dict[str, Any]:
    """Without curves and speed, which are not compared."""
    kept = {
        name: {key: value for key, value in one.items() if key not in _CURVES}
        for name, one in report["categories"].items()
    }
    return {key: value for key, value in report.items() if key != "events_per_s"} | {"categories": kept}


if __name__ == "__main__":
    main()
