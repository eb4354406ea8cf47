"""Whether a text is words and full stops as most messages are, so that nobody need look for a disguise in it."""

from __future__ import annotations

import functools
from typing import Final

from worker.window.disguise import suspicious
from worker.window.fillers import INTERJECTIONS, said_often
from worker.window.misspelt import intended
from worker.window.words import ranks, throughout

_WORD: Final = r"(?:[A-Za-z][a-z]{1,20}(?:'[a-z]{1,2})?|[AIaiu])"
# No sign but commas and full stops, no letter by itself but three, no capital within a word: what most rules ask for.
_SHAPE: Final = throughout(rf"{_WORD}(?:[,.!?]? {_WORD})*[.!?]{{0,3}}")
_STOPS: Final = str.maketrans("", "", ",.!?")
_HEX: Final = frozenset("abcdef")
_FEWEST: Final = 4  # words of which one may be unknown


def ordinary(text: str) -> bool:
    """True only for texts that no step changes; asked of every text first, so it is the cheapest question."""
    if not text.isascii() or not _SHAPE(text) or suspicious(text):
        return False
    bare = text.lower().translate(_STOPS)
    words = bare.split()
    if 2 * (len(text) - len(bare)) > len(words) or said_often(words):  # a stop behind every second word
        return False
    unknown = set(words) - _unsuspected()
    return not unknown or (len(unknown) == 1 and _alone(unknown.pop(), words))


def _alone(unknown: str, words: list[str]) -> bool:
    """Whether one word that nobody knows, a name perhaps, is all that is odd about the text."""
    if len(words) < _FEWEST or words.count(unknown) > 1 or unknown in INTERJECTIONS or _HEX.issuperset(unknown):
        return False
    known, at = ranks(), words.index(unknown)
    before, after = "".join(words[max(0, at - 1) : at + 1]), "".join(words[at : at + 2])
    if (before != unknown and before in known) or (after != unknown and after in known):
        return False  # a word cut in two
    return 2 * len(unknown) < sum(map(len, words)) and intended(unknown) is None


@functools.cache
def _unsuspected() -> frozenset[str]:
    return frozenset(ranks()) - INTERJECTIONS
