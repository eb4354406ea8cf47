"""What is trained on and what measures: real and synthetic rows, split for good, some spelt so as to hide."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Iterator, Sequence

from train.rows import Row
from train.sources import held_apart, real_rows
from train.synthetic import Grammar, read_grammar
from worker.quality.attacks import ATTACKS

# How much of the training each source takes.
SHARES = {
    "openai": 0.13,
    "edos": 0.10,
    "davidson": 0.08,
    "hatemoji": 0.13,
    "surge": 0.04,
    "ailuminate": 0.06,
    "catqa": 0.06,
    "convabuse": 0.05,
    "synthetic": 0.35,
}
# Spellings that leave most of a word to the eye; the rest is the normaliser's work.
_LIGHT = (
    "leet",
    "leet_signs",
    "accents",
    "no_spaces",
    "camel_case",
    "split_words",
    "emoji_between",
    "swapped_letters",
    "dropped_letters",
    "starred",
    "drawn_out",
    "love",
)
_HELD_WORDINGS = 8  # one wording in eight is never trained on
_HIDDEN = 0.2  # altered copies beside the rows, harmful and harmless alike
_SEED = 20261124


def training_rows(synthetic: bool = True) -> list[Row]:
    """Everything that is not held apart, in a fixed order."""
    rows = [row for row in real_rows() if not held_apart(row)]
    if synthetic:
        rows += wordings(read_grammar(), held=False).rows(_SEED, 30)
    return rows + list(_hidden(rows))


def measuring_rows() -> list[Row]:
    """The held-apart fifth of the real rows, and rows of wordings that were never trained on."""
    real = [row for row in real_rows() if held_apart(row)]
    return real + list(wordings(read_grammar(), held=True).rows(_SEED + 1, 6))


def wordings(grammar: Grammar, *, held: bool) -> Grammar:
    """The grammar with only those wordings that are held apart, or only the others."""

    def of(wording: str) -> bool:
        return (hashlib.sha256(wording.encode()).digest()[0] % _HELD_WORDINGS == 0) is held

    return Grammar(
        tuple(dataclasses.replace(f, wordings=tuple(filter(of, f.wordings))) for f in grammar.functions),
        grammar.fillers,
    )


def _hidden(rows: Sequence[Row]) -> Iterator[Row]:
    """Copies of some rows, spelt so as to pass a filter: labels stay, for harmful and harmless rows alike."""
    dice = random.Random(_SEED)
    for row in rows:
        if dice.random() < _HIDDEN:
            text = ATTACKS[dice.choice(_LIGHT)](row.text, _SEED)
            yield row._replace(text=text, weight=row.weight * 0.7)
