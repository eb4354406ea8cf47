"""What is trained on and what measures: real and synthetic rows, split for good, some hidden or joined."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from train.identities import Identities
from train.rows import Row
from train.sources import held_apart, real_rows
from train.synthetic import Grammar, read_grammar
from worker.quality.attacks import ATTACKS
from worker.window.normalise import normalise

# How much of the training each source takes.
SHARES = {
    "openai": 0.06,
    "edos": 0.06,
    "davidson": 0.08,
    "hatemoji": 0.10,
    "surge": 0.04,
    "ailuminate": 0.05,
    "catqa": 0.03,
    "convabuse": 0.04,
    "excerpts": 0.05,
    "synthetic": 0.49,
}
# Spellings that leave most of a word to the eye: what the model sees as written. Of the others it sees what the
# normaliser makes of them.
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
    "pig_latin",
    "love",
)
_SLIPS = ("swapped_letters", "dropped_letters")  # what no normaliser undoes: as common as all others together
_SAME_AGAIN = ("padded", "encoded")  # families: what is decoded says the same as the row itself
_HELD_WORDINGS = 8  # one wording in eight is never trained on
_PER_WORDING = 8
_HIDDEN = 0.3  # altered copies beside the rows, harmful and harmless alike
_JOINED = 0.25  # copies with harmless lines around them
_CUT = 0.25  # of those: the row in two, a line or nothing between, as the caption and the words of a picture
_LONG = 300  # characters of a row that is altered
_EXCERPT = (20, 300)  # characters
_EXCERPTS = 6  # of a long row
_SEED = 20261124
_END = re.compile(r"(?<=[.!?])\s+|\n+")


class Lesson(NamedTuple):
    """A row to learn, and the same about another group, of which the same must be said; None where none is named."""

    row: Row
    twin: str | None = None


def lessons(synthetic: bool = True, *, hidden: bool = True, joined: bool = True) -> list[Lesson]:
    """
    Everything that is not held apart, in a fixed order.

    synthetic: with rows of the grammar; hidden: with disguised copies; joined: with copies among other lines.
    """
    grammar = read_grammar()
    rows = [row for row in real_rows() if not held_apart(row)]
    if synthetic:
        rows += wordings(grammar, held=False).rows(_SEED, _PER_WORDING)
    rows += [*(_joined(rows) if joined else ()), *(_hidden(rows) if hidden else ()), *_excerpts(rows)]
    identities = Identities(grammar.fillers["identity"])
    dice = random.Random(_SEED)
    return [Lesson(row, identities.swapped(row.text, dice)) for row in rows]


def measuring_rows() -> list[Row]:
    """The held-apart fifth of the real rows, and rows of wordings that were never trained on."""
    real = [row for row in real_rows() if held_apart(row)]
    return real + list(wordings(read_grammar(), held=True).rows(_SEED + 1, 6))


def wordings(grammar: Grammar, *, held: bool) -> Grammar:
    """The grammar with only those wordings and parts that are held apart, or only the others."""

    def of(wording: str) -> bool:
        return (hashlib.sha256(wording.encode()).digest()[0] % _HELD_WORDINGS == 0) is held

    return grammar.kept(of)


def _hidden(rows: Sequence[Row]) -> Iterator[Row]:
    """Copies of some rows, spelt so as to pass a filter: labels stay, for harmful and harmless rows alike."""
    dice = random.Random(_SEED)
    every = [name for name, attack in ATTACKS.items() if attack.family not in _SAME_AGAIN]
    for row in rows:
        if dice.random() >= _HIDDEN or len(row.text) > _LONG:
            continue
        plain = dice.random()
        name = dice.choice(_SLIPS if plain < 0.4 else _LIGHT if plain < 0.75 else every)
        text = ATTACKS[name](row.text, _SEED)
        read = normalise(text) if name not in _LIGHT else None
        yield row._replace(text=read.text if read is not None else text, weight=row.weight * 0.7)


def _joined(rows: Sequence[Row]) -> Iterator[Row]:
    """Copies of some rows among harmless lines: what violates does so in any company."""
    dice = random.Random(_SEED)
    harmless = [row.text for row in rows if (row.labels == 0).all() and len(row.text) < 200]
    for row in rows:
        if dice.random() >= _JOINED or len(row.text) > _LONG:
            continue
        around = dice.sample(harmless, dice.choice((1, 1, 1, 2, 3, 6, 12)))
        place = dice.randrange(len(around) + 1)
        if dice.random() < 0.5:  # as a cut through a long text leaves them
            around = [_half(line, behind=at < place) for at, line in enumerate(around)]
        lines = [*around[:place], row.text, *around[place:]]
        if dice.random() < _CUT and " " in row.text:
            first, second = _in_two(row.text, dice)
            lines = [first, *around[:1], second] if dice.random() < 0.6 else [first, second, *around[:1]]
        yield row._replace(text=dice.choice((" ", " ", ". ", "\n")).join(lines), weight=row.weight * 0.7)


def _excerpts(rows: Sequence[Row]) -> Iterator[Row]:
    """Sentences of long harmless texts: long ones are read by their sentences, and each must be harmless as well."""
    dice = random.Random(_SEED)
    for row in rows:
        if row.source != "openai" or len(row.text) <= _LONG or (row.labels == 1).any():
            continue
        cut = [piece for piece in _END.split(row.text) if _EXCERPT[0] <= len(piece) <= _EXCERPT[1]]
        for text in dice.sample(cut, min(_EXCERPTS, len(cut))):
            yield row._replace(text=text, source="excerpts/openai", weight=1.0)


def _in_two(text: str, dice: random.Random) -> tuple[str, str]:
    """The text cut between two of its words."""
    words = text.split()
    at = dice.randrange(1, len(words))
    return " ".join(words[:at]), " ".join(words[at:])


def _half(line: str, *, behind: bool) -> str:
    """The second half of a line's words, or the first."""
    words = line.split()
    middle = len(words) // 2
    return " ".join(words[middle:] if behind else words[:middle])
