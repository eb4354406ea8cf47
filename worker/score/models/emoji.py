"""Emoji as words, by their Unicode names: MiniLM's vocabulary has none, and a word that touches one is lost with it."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

READING: Final = "emoji by name, 1"  # part of the model's digest: raise it with the names
Ids = npt.NDArray[np.int32]

# Pictures, with the selectors, joiners and skin tones that follow. Letters in squares and flags are not among them:
# those are spellings, which the normaliser undoes.
_EMOJI: Final = re.compile(
    "[\u2600-\u27bf\u2b1b\u2b1c\u2b50\u2b55\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001faff]"
    "[\ufe0e\ufe0f\u200d]*"
)
# Where the name is not what people mean.
_SAID: Final = {
    "hocho": "knife",
    "aubergine": "eggplant",
    "male sign": "man",
    "female sign": "woman",
    "wheelchair symbol": "disabled",
    "pile of poo": "shit",
    "reversed hand with middle finger extended": "middle finger",
    "fisted hand sign": "fist",
    "heavy black heart": "heart",
    "extraterrestrial alien": "alien",
    "emoji modifier fitzpatrick type-1-2": "white skin",
    "emoji modifier fitzpatrick type-3": "light skin",
    "emoji modifier fitzpatrick type-4": "brown skin",
    "emoji modifier fitzpatrick type-5": "dark skin",
    "emoji modifier fitzpatrick type-6": "black skin",
}
_RUN: Final = 2  # the same picture again and again says no more than twice


def has_emoji(text: str) -> bool:
    """Whether `spoken` would change the text."""
    return not text.isascii() and _EMOJI.search(text) is not None


def spoken(text: str) -> tuple[str, Ids]:
    """
    The text with each emoji as its name between spaces, and where each character of that stands in `text`: int32
    [n, 2], first and one past the last. A third of the same in a row, and more, are left out.
    """
    said: list[str] = []
    places: list[npt.NDArray[np.int32]] = []
    last, run, end = "", 0, 0
    for found in _EMOJI.finditer(text):
        start, stop = found.span()
        said.append(text[end:start])
        places.append(_each(end, start))
        run = run + 1 if found[0] == last and start == end else 1
        last, end = found[0], stop
        if run <= _RUN:
            name = f" {_name(found[0][0])} "
            said.append(name)
            places.append(np.tile(np.array([[start, stop]], np.int32), (len(name), 1)))
    said.append(text[end:])
    places.append(_each(end, len(text)))
    return "".join(said), np.concatenate(places)


@cache
def _name(emoji: str) -> str:
    name = unicodedata.name(emoji, "emoji").lower()
    return _SAID.get(name, name)


def _each(start: int, end: int) -> Ids:
    """int32 [n, 2]: every character where it is."""
    first = np.arange(start, end, dtype=np.int32)
    return np.stack([first, first + 1], 1)
