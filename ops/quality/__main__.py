"""
`python -m ops.quality`: the project's own suites under the default policy; writes the figures of docs/quality.md.

Needs ../shared/data. `--limit N` takes N rows of each suite, evenly, and the page says so.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from ops.quality.apart import TOLD
from ops.quality.suites import HAND, Suite, suites
from ops.quality.writing import PAGE, put
from worker.app import load_models
from worker.cli.eval import bench, progress_bar
from worker.core import log
from worker.core.shares import percent
from worker.quality import page
from worker.quality.attacks import ATTACKS
from worker.quality.labelled import Labelled, read_labelled
from worker.settings import load

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "quality"
POLICIES = ROOT / "policies"
_TOLD = {
    "real": "rows of the public sets held apart, at most 250 of a source",
    "contrast": "wordings of the grammar that were never trained on, harmful and their harmless twins",
    "swaps": "held-back wordings that name a group, each said of every group",
    "attacks": "clearly harmful and harmless short rows of both, plain and under each attack",
}
# An SVG in a page of its own follows light and dark by itself.
_ALONE = (
    "<style>svg{color:#1c2024;--line:#d8dbe0}"
    "@media(prefers-color-scheme:dark){svg{color:#e4e7eb;--line:#3a4048}}</style>"
)
Reports = Mapping[str, dict[str, Any]]


def main() -> None:
    """Measure, and write the page's figures and pictures."""
    asked = argparse.ArgumentParser(prog="python -m ops.quality", description=__doc__)
    asked.add_argument("--limit", type=int, help="rows of each suite (default: all)")
    asked.add_argument("--only", help="suites by name, with commas; nothing is written to docs")
    asked.add_argument("--json", type=Path, help="write every suite's report to this file")
    options = asked.parse_args()
    log.configure(level="error")
    began = time.perf_counter()
    chosen = {name: rows for name, rows in suites().items() if options.only is None or name in options.only.split(",")}
    found = asyncio.run(_measure(chosen, options.limit))
    took = time.perf_counter() - began
    if options.json:
        options.json.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    console = Console(highlight=False)
    for name, report in found.items():
        console.print(f"{name}: {_summary(report)}", soft_wrap=True)
    if options.only is None:
        _write(found, options.limit, took)
        console.print(f"wrote {PAGE.relative_to(ROOT)} and {PICTURES.relative_to(ROOT)}/ after {took:.0f} s")


async def _measure(chosen: Mapping[str, Suite], limit: int | None) -> dict[str, dict[str, Any]]:
    settings = load(None, {"policies": POLICIES})
    models = await asyncio.to_thread(load_models, settings.models.model_dump())
    found = {}
    async with bench(settings, models, POLICIES, "demo") as measured:
        with progress_bar() as bar:
            task = bar.add_task("", total=None)

            def moved(what: str, done: int, of: int) -> None:
                bar.update(task, description=what, completed=done, total=of)

            for name, suite in chosen.items():
                rows = _sampled(list(read_labelled(map(orjson.dumps, suite), name)), limit)
                found[name] = await measured(rows, list(ATTACKS.values()) if name == "attacks" else [], moved)
    return found


def _sampled(rows: list[Labelled], limit: int | None) -> list[Labelled]:
    """Evenly, but whole pairs: a sentence said of some groups alone says little."""
    if limit is None or len(rows) <= limit:
        return rows
    pairs = list(dict.fromkeys(row.pair for row in rows if row.pair))
    if not pairs:
        return [rows[i * len(rows) // limit] for i in range(limit)]
    wanted = max(1, limit * len(pairs) // len(rows))
    kept = {pairs[i * len(pairs) // wanted] for i in range(wanted)}
    return [row for row in rows if row.pair in kept]


def _summary(report: Mapping[str, Any]) -> str:
    whole = report["categories"]["any"]
    at = whole["points"]["policy"]
    told = f"{report['rows']} rows, AUROC {page.figure_told(whole['auroc'])}, AP {page.figure_told(whole['ap'])}, "
    told += f"recall {page.share_told(at['recall'])}, false positives {page.share_told(at['false_positive_rate'])}"
    if report["attacks"]:
        told += "; " + page.together_told(report["attacks_together"])
    return told


def _write(found: Reports, limit: int | None, took: float) -> None:
    PICTURES.mkdir(exist_ok=True)
    pictures = {f"real-{name}": svg for name, svg in page.draw(found["real"] | {"attacks": {}}).items()}
    pictures["attacks"] = page.draw(found["attacks"])["attacks"]
    for name, svg in pictures.items():
        (PICTURES / f"{name}.svg").write_text(svg.replace(">", f">{_ALONE}", 1), "utf-8")
    figures = "\n".join(_figures(found, limit, took, pictures))
    put("figures: make eval", "end of figures", figures)


def _figures(found: Reports, limit: int | None, took: float, pictures: Iterable[str]) -> list[str]:
    real = found["real"]
    models = ", ".join(f"{model['name']} {model['version']} ({model['digest'][7:15]})" for model in real["models"][:1])
    cut = f" **A sample: at most {limit} rows of each suite, so intervals are wide.**" if limit else ""
    policy = f"{real['policy']['id']} {real['policy']['version']}"
    return [
        f"Made by `make eval` in {took / 60:.0f} min, under policy {policy} with {models}.{cut}",
        "",
        *_table(
            ("suite", "what", "rows", "AUROC any", "AP any", "recall", "false positives"),
            [(name, told, str(found[name]["rows"]), *_whole(found[name])) for name, told in _TOLD.items()],
        ),
        "",
        "The same rows by one question each, violating or not:",
        "",
        *_table(
            ("suite", "what", "violate", "do not", "AUROC any", "AP any", "recall", "false positives", "right"),
            [(name, told, *_asked(found[name])) for name, told in (TOLD | HAND).items()],
        ),
        "",
        "Recall and false positives at the default policy, a flag or more. By category on `real`:",
        "",
        *_table(("category", "violate", "do not", "AUROC", "AP", "ECE"), page.category_rows(real)),
        "",
        " ".join(f"![{name}](quality/{name}.svg)" for name in pictures if name != "attacks"),
        "",
        "### Groups",
        "",
        page.swaps_told(found["swaps"]["swaps"]),
        "The ten groups with the widest gap, by the rows of `swaps`:",
        "",
        *_table(
            ("group", "rows", "false positives", "gap", "subgroup AUC", "BPSN AUC", "BNSP AUC"),
            page.group_rows(found["swaps"])[:10],
        ),
        "",
        "### Attacks",
        "",
        _sentence(page.together_told(found["attacks"]["attacks_together"])),
        "",
        "![attacks](quality/attacks.svg)",
        "",
        *_table(
            ("attack", "caught plain, missed attacked", "harmless flagged plain", "harmless flagged attacked"),
            page.attack_rows(found["attacks"]),
        ),
    ]


def _whole(report: Mapping[str, Any]) -> list[str]:
    whole = report["categories"]["any"]
    at = whole["points"]["policy"]
    rates = [page.share_told(at[name]) for name in ("recall", "false_positive_rate")]
    return [page.figure_told(whole["auroc"]), page.figure_told(whole["ap"]), *rates]


def _asked(report: Mapping[str, Any]) -> list[str]:
    whole = report["categories"]["any"]
    at = whole["points"]["policy"]
    yes, no = whole["positives"], whole["negatives"]
    right = (at["recall"]["share"] * yes + (1 - at["false_positive_rate"]["share"]) * no) / (yes + no)
    return [str(yes), str(no), *_whole(report), percent(right)]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


if __name__ == "__main__":
    main()
