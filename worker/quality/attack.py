"""What an attack is, and what attacks are made of: letters swapped by a table, marks between letters, words changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Change = Callable[[str, random.Random], str]


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to hide a text. `reads_as`: what a person still sees in it."""

    name: str
    family: str  # letters, hidden, spacing, spelling, markup, encoded, padded
    change: Change

    def __call__(self, text: str, seed: int = 0) -> str:
        """The text, hidden. The same text and seed give the same answer."""
        return self.change(text, random.Random(f"{self.name}:{seed}:{text}"))


def compose(*attacks: Attack) -> Attack:
    """One after the other, the first one first."""

    def change(text: str, dice: random.Random) -> str:
        for attack in attacks:
            text = attack.change(text, dice)
        return text

    return Attack("+".join(attack.name for attack in attacks), "composed", change)


def table(letters: str, looks: str) -> dict[int, str]:
    """Each letter with what takes its place."""
    return {ord(letter): look for letter, look in zip(letters, looks, strict=True)}


def swap(table: Mapping[int, str], share: float = 1.0) -> Change:
    """Each letter in the table replaced, by chance `share`."""

    def change(text: str, dice: random.Random) -> str:
        return "".join(table.get(ord(c), c) if dice.random() < share else c for c in text)

    return change


def between(mark: str, share: float = 1.0) -> Change:
    """`mark` after each letter that another letter follows."""

    def change(text: str, dice: random.Random) -> str:
        out = []
        for i, c in enumerate(text):
            out.append(c)
            if c.isalpha() and text[i + 1 : i + 2].isalpha() and dice.random() < share:
                out.append(mark)
        return "".join(out)

    return change


def word_by_word(rule: Callable[[str, random.Random], str], share: float = 1.0) -> Change:
    """`rule` on words of four letters and more, by chance `share`."""

    def change(text: str, dice: random.Random) -> str:
        words = text.split(" ")
        return " ".join(rule(w, dice) if len(w) > 3 and w.isalpha() and dice.random() < share else w for w in words)

    return change


def letter_by_letter(signs: Mapping[str, str], between: str) -> Change:
    """A sign for each letter; marks are left out, emoji stay."""

    def change(text: str, dice: random.Random) -> str:
        words = (
            " ".join(signs.get(c, c) for c in word if c in signs or not c.isascii()) for word in text.lower().split()
        )
        return between.join(word for word in words if word)

    return change
