"""
`python -m ops.quality.senses`: what pictures and speech hide under the default policy; writes it into docs/quality.md.

Needs ../shared/data, espeak-ng and three fonts (`drawing.PACKAGES`). `--limit N` takes N sentences and pictures of each
suite, and the page says so.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from ops.quality.senses import measuring
from ops.quality.senses.judging import judge
from ops.quality.senses.measuring import DISTANCES, KINDS, Rows
from ops.quality.senses.sentences import sentences
from ops.quality.writing import PAGE, put
from worker.app import load_models
from worker.core import log
from worker.settings import load

ROOT = Path(__file__).resolve().parents[3]
POLICIES = ROOT / "policies"
DRAWN, SPOKEN = 32, 24  # sentences of the pictures and of the speech
SUITES = ("figstep", "pictures", "copies", "speech")
_PICTURES = (
    "picture", "what", "words read", "caught as text, missed as a picture", "of these misread", "harmless flagged"
)  # fmt: skip
_SPEECH = ("words wrong", "flagged, of those flagged as text", "harmless flagged")


def main() -> None:
    """Measure, print, and write the page's part."""
    asked = argparse.ArgumentParser(prog="python -m ops.quality.senses", description=__doc__)
    asked.add_argument("--limit", type=int, help="sentences and pictures of each suite (default: all)")
    asked.add_argument("--only", help=f"of {', '.join(SUITES)}, with commas; nothing is written to docs")
    options = asked.parse_args()
    log.configure(level="error")
    began = time.perf_counter()
    chosen = SUITES if options.only is None else options.only.split(",")
    lines = asyncio.run(_measure(chosen, options.limit))
    took = time.perf_counter() - began
    print("\n".join(lines))
    if options.only is None:
        cut = f" **A sample: at most {options.limit} of each.**" if options.limit else ""
        whole = "\n".join((f"Made by `make senses` in {took / 60:.0f} min.{cut}", *lines))
        put("figures: ops.quality.senses", "end of these figures", whole)
        print(f"wrote {PAGE.relative_to(ROOT)} after {took:.0f} s")


async def _measure(chosen: Sequence[str], limit: int | None) -> list[str]:
    models = await asyncio.to_thread(load_models, load(None, {"policies": POLICIES}).models.model_dump())
    lines: list[str] = []
    async with judge(models, POLICIES) as ask:
        if "figstep" in chosen:
            rows = await measuring.figstep(ask, limit)
            lines += _part("FigStep", ("FigStep's instructions", "flagged or blocked", "blocked", "words read"), rows)
        if "pictures" in chosen:
            plainly = await measuring.told(ask, sentences(min(limit or DRAWN, DRAWN)))
            lines += _part("Print in pictures", _PICTURES, await measuring.pictures(ask, plainly))
            lines += [measuring.summary(plainly), ""]
        if "speech" in chosen:
            plainly = await measuring.told(ask, sentences(min(limit or SPOKEN, SPOKEN)))
            rows = await measuring.voices(ask, plainly) + await measuring.conditions(ask, plainly)
            lines += [*_part("Speech", ("voice or condition", *_SPEECH), rows), measuring.summary(plainly), ""]
    if "copies" in chosen:
        found, false = await measuring.copies(limit)
        head = [f"{kind}, {distance} bits" for kind in KINDS for distance in DISTANCES]
        lines += _part("Copies of known pictures", ("copy", *head), found)
        lines += ["Unlike pictures that hit:", "", *_table(("pictures", *head), false), ""]
    return lines


def _part(title: str, head: Sequence[str], rows: Rows) -> list[str]:
    return ["", f"### {title}", "", *_table(head, rows), ""]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


if __name__ == "__main__":
    main()
