"""
Suites of one question each, as other projects and buyers ask them, from the same rows held apart: only `any` counts.

OpenAI's rows; clear prompts against everyday talk; look-alikes of prompts; hate by function; real hate by source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from train.calibrate import background, everyday, thinned
from train.fit import family
from train.rows import CATEGORIES, Row

_HATE = CATEGORIES.index("hate")
_PROMPTS = ("synthetic/lookalikes", "synthetic/illicit")
_FUNCTIONS = ("hate", "group", "kindness", "trades", "voices")  # in the names of the grammar's functions

TOLD = {
    "openai": "OpenAI's development rows",
    "prompts": "harmful prompts of AILuminate and CatQA; everyday rows of six sources",
    "lookalikes": "wordings that ask for harm, and harmless ones of the same words",
    "functions": "wordings of hate, and of what looks like it, by function",
    "hatemoji": "HatemojiBuild, written to mislead models",
    "edos": "EDOS: posts found by their words, sexist or not",
    "davidson": "Davidson: posts with slurs, hateful or neither hateful nor offensive",
}


def apart(real: Sequence[Row], written: Sequence[Row]) -> dict[str, list[tuple[Row, int]]]:
    """Each suite's rows and whether they violate, 1 or 0. `real`, `written`: rows held apart."""
    talk = [row for row in (*thinned(real), *written, *background()) if everyday(row)]
    prompts = [row for row in real if family(row) in ("ailuminate", "catqa")]
    asked = [row for row in written if row.source.startswith(_PROMPTS) or "asked" in row.source]
    functions = [row for row in written if any(name in row.source for name in _FUNCTIONS)]
    return {
        "openai": _judged((row for row in real if family(row) == "openai"), _any),
        "prompts": [(row, 1) for row in prompts] + [(row, 0) for row in talk],
        "lookalikes": _judged(asked, _any),
        "functions": _judged(functions, _any),
        **{
            name: _judged((row for row in real if family(row) == name and row.source != "davidson/offensive"), _hate)
            for name in ("hatemoji", "edos", "davidson")
        },
    }


def _judged(rows: Iterable[Row], whether: Callable[[Row], Any]) -> list[tuple[Row, int]]:
    return [(row, int(whether(row))) for row in rows]


def _any(row: Row) -> bool:
    return bool((row.labels == 1).any())


def _hate(row: Row) -> bool:
    return bool(row.labels[_HATE] == 1)
