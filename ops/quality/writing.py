"""Figures put into docs/quality.md, between two marks that stand there."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "quality.md"


def put(begin: str, end: str, figures: str) -> None:
    """`figures` in place of what stands between the comments `begin` and `end`, an empty line on either side."""
    between = re.compile(f"(<!-- {re.escape(begin)} -->\n).*?(<!-- {re.escape(end)} -->)", re.DOTALL)
    PAGE.write_text(between.sub(lambda old: f"{old[1]}\n{figures}\n\n{old[2]}", PAGE.read_text("utf-8")), "utf-8")
