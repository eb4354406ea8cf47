"""
The project's own suites as labelled events: rows of ../shared/data held apart, wordings never trained on, swaps, and
sentences by another hand.

No head learnt from any of it (`train.sources.held_apart`, `train.data.wordings`). The calibration and the thresholds
of the default policy were chosen on the same rows and wordings (not on those by another hand), so rates and
calibration errors here are a little too good.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ops.quality.apart import apart
from train.data import wordings
from train.rows import CATEGORIES, Row
from train.sources import held_apart, real_rows
from train.synthetic import Grammar, read_grammar

Suite = list[dict[str, Any]]
_SEED = 7
_HAND = Path(__file__).with_name("another_hand.tsv")
HAND = {
    "hand_functions": "hate and what looks like it by function, by another hand",
    "hand_harder": "what is hardest: hate denied, condemned, reclaimed and hinted, and its twins, by three more hands",
    "hand_lookalikes": "harmful prompts and harmless ones that sound so, by another hand",
    "hand_prompts": "the same harmful prompts, and everyday messages, by another hand",
}
# Sources whose harmless rows were read by people as harmless altogether, not only as no hate.
_HARMLESS_ALTOGETHER = ("openai", "davidson/neither", "surge", "convabuse", "synthetic")
_CLEAR = ("ailuminate", "catqa", "openai", "hatemoji", "davidson/hate")
_PER_SOURCE = 250
_SWAPPED = 4  # wordings of a function that are said of every group


def suites() -> dict[str, Suite]:
    """Every suite by name; the same rows each time."""
    real = list(_shuffled(row for row in real_rows() if held_apart(row)))
    held = wordings(read_grammar(), held=True)
    written = list(held.rows(_SEED, 2))
    return {
        "real": list(_events(_spread(real))),
        "contrast": list(_events(written)),
        "swaps": list(_swaps(held)),
        "attacks": list(_events([*_attackable(real), *_attackable(_shuffled(written))])),
        **{
            name: [_event(f"{name}/{number}", row.text, {"any": bad}) for number, (row, bad) in enumerate(rows)]
            for name, rows in apart(real, written).items()
        },
        **_by_another_hand(),
    }


def _by_another_hand() -> dict[str, Suite]:
    """
    Hate and what looks like it, look-alikes of prompts, and prompts against everyday messages: written once by people
    who had read no wording of ours and no published suite. Nothing is trained on them, and nothing chosen by them.
    """
    found: dict[str, Suite] = {name: [] for name in HAND}
    with _HAND.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)):
            bad = int(row["label"])
            event = _event(f"hand/{row['function']}/{number}", row["text"], {"any": bad})
            if row["suite"] == "hate":
                found["hand_functions"].append(event | ({"group": row["group"]} if row["group"] else {}))
            if row["suite"] == "harder":
                found["hand_harder"].append(event)
            if row["suite"] == "asks":
                found["hand_lookalikes"].append(event)
            if row["suite"] == "everyday" or (row["suite"] == "asks" and bad):
                found["hand_prompts"].append(event)
    return found


def _shuffled(rows: Iterable[Row]) -> list[Row]:
    found = list(rows)
    random.Random(_SEED).shuffle(found)
    return found


def _spread(rows: Sequence[Row]) -> list[Row]:
    """At most so many of each source, so that the largest does not speak for all."""
    taken: dict[str, int] = {}
    found = []
    for row in rows:
        taken[row.source] = taken.get(row.source, 0) + 1
        if taken[row.source] <= _PER_SOURCE:
            found.append(row)
    return found


def _attackable(rows: Sequence[Row], each: int = 60) -> list[Row]:
    """Short rows, as many harmful as harmless: clearly one or the other."""
    short = [row for row in rows if 20 <= len(row.text) <= 300]
    harmful = [row for row in short if _any(row) == 1 and row.source.startswith((*_CLEAR, "synthetic"))]
    harmless = [row for row in short if _any(row) == 0]
    return harmful[:each] + harmless[:each]


def _any(row: Row) -> int | None:
    if (row.labels == 1).any():
        return 1
    return 0 if row.source.startswith(_HARMLESS_ALTOGETHER) else None


def _events(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows, 1):
        labels = {name: int(value) for name, value in zip(CATEGORIES, row.labels, strict=True) if value == value}
        whole = _any(row)
        yield _event(f"{row.source}/{number}", row.text, labels if whole is None else labels | {"any": whole})


def _swaps(held: Grammar) -> Iterator[dict[str, Any]]:
    """Held-back wordings that name a group, some of each function, said of every group: one pair a wording."""
    groups = held.fillers["identity"]
    for function in held.functions:
        for wording in [wording for wording in function.wordings if "{identity" in wording][:_SWAPPED]:
            for forms in groups:
                # The other slots draw from the wording's own seed: only the group differs within a pair.
                dice = random.Random(f"{_SEED}:{wording}")
                named = wording.replace("{identity}", forms[0])
                named = named.replace("{identity.one}", forms[1]).replace("{identity.adj}", forms[2])
                text = Grammar((), held.fillers).filled(named, dice)
                harmful = int(function.harmful)
                event = _event(f"{function.source}/{forms[0]}", text, {"any": harmful})
                yield event | {"group": forms[0], "pair": f"{function.source}: {wording}"}


def _event(name: str, text: str, labels: dict[str, int]) -> dict[str, Any]:
    return {"id": name, "tenant": "eval", "parts": [{"type": "text", "text": text}], "labels": labels}
