"""Whether a text is words and full stops as most messages are, so that nobody need look for a disguise in it."""

from __future__ import annotations

from typing import Final

import re2

from worker.window.disguise import suspicious
from worker.window.fillers import INTERJECTIONS, said_often
from worker.window.words import ranks

_WORD: Final = r"(?:[A-Za-z]?[a-z]{1,30}(?:'[a-z]{1,2})?|I|A)"
# No sign but commas and full stops, no letter by itself but two, no capital within a word: what most rules ask for.
_SHAPE: Final = re2.compile(rf"{_WORD}(?:[,.!?]? {_WORD})*[.!?]{{0,3}}")
_STOPS: Final = str.maketrans("", "", ",.!?")
_ALONE: Final = frozenset({"a", "i", "u"})


def ordinary(text: str) -> bool:
    """True only for texts that no step changes; asked of every text first, so it is the cheapest question."""
    if not text.isascii() or not _SHAPE.fullmatch(text) or suspicious(text):
        return False
    bare = text.lower().translate(_STOPS)
    words = bare.split()
    if not all(map(ranks().__contains__, words)) or any(len(word) == 1 and word not in _ALONE for word in words):
        return False
    if 2 * (len(text) - len(bare)) > len(words):  # a stop behind every second word
        return False
    return INTERJECTIONS.isdisjoint(words) and not said_often(words)
