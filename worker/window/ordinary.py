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
_FEW: Final = 6  # words of a text for each that is unknown


def ordinary(text: str) -> bool:
    """True only for texts that no step changes; asked of every text first, so it is the cheapest question."""
    if not text.isascii() or not _SHAPE(text) or suspicious(text):
        return False
    bare = text.lower().translate(_STOPS)
    words = bare.split()
    different = set(words)
    if 2 * (len(text) - len(bare)) > len(words) or said_often(words, len(different)):  # a stop behind every second word
        return False
    unknown = different - _unsuspected()
    return not unknown or (len(unknown) == 1 and _alone(unknown.pop(), words))


def _alone(unknown: str, words: list[str]) -> bool:
    """Whether one word that nobody knows, a name perhaps, is all that is odd about the text."""
    places = [i for i, word in enumerate(words) if word == unknown]
    if len(words) < _FEW * len(places) or unknown in INTERJECTIONS or _HEX.issuperset(unknown):
        return False
    if unknown.endswith("ay"):  # pig Latin
        return False
    if 2 * len(places) * len(unknown) >= sum(map(len, words)) or intended(unknown) is not None:
        return False
    # No word cut in two:
    beside = {word for i in places for word in ("".join(words[max(0, i - 1) : i + 1]), "".join(words[i : i + 2]))}
    return ranks().keys().isdisjoint(beside)


@functools.cache
def _unsuspected() -> frozenset[str]:
    return frozenset(ranks()) - INTERJECTIONS
