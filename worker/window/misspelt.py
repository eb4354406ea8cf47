"""Letters swapped, left out or too many (klil, kll, kiill), pig latin (illkay): words that are one step from a word."""

from __future__ import annotations

import functools
import itertools
import re
import string
from typing import Final

from worker.window.disguise import Kept
from worker.window.words import ranks, share_known

WORD: Final = re.compile(r"(?<![\w'’@#/.\\%=&+-])[A-Za-z]{3,16}(?![\w@#/\\=%+]|['’-]\w|\.\w)")
PIG: Final = re.compile(r"(?<![\w'@#])[A-Za-z]{2,18}(?:ay|AY)(?!\w)")
_PIG_WORDS: Final = 2  # that make it the way a text is written
_SWAP: Final = 4.0  # a swap is that much likelier than a letter left out: by rank
_ENDS: Final = ("s", "es", "d", "ed", "ing", "in", "er", "ers", "ly", "y", "n", "ness", "able")
_SLIPS: Final = 0.08  # of the words
_KNOWN: Final = 0.15  # of the letters belong to words that stand there,
_READABLE: Final = 0.5  # and so many with those that were meant: other languages are a step from few English words
_WHOLLY: Final = 0.8  # where hardly a word stands there
_SHORT: Final = 3  # a shorter word is a step from too many others, and one so short
_DOUBLED: Final = re.compile(r"([a-z])\1")
_MOST_DOUBLED: Final = 4
_FREQUENT: Final = 1000  # is taken for one of so many


def slips(text: str) -> bool:
    """
    Whether words of an English text are to be read as others: one in twelve at least.

    Asked of every text, so it is cheap. A long text with a slip or two says what it says all the same.
    """
    found = _misspelt(text)
    if not found or len(found) < _SLIPS * len(text.split()):
        return False
    known = share_known(text)
    letters = sum(c.isalpha() for c in text)
    readable = known + sum(map(len, found)) / letters
    return readable >= (_READABLE if known >= _KNOWN else _WHOLLY)


def mend(match: re.Match[str]) -> Kept | None:
    """The word that was meant, in the place of the one that stands there; names, which are capital, stay."""
    found = intended(match[0]) if _common(match) else None
    return None if found is None else (found, None)


def _misspelt(text: str) -> list[str]:
    return [match[0] for match in WORD.finditer(text) if _common(match) and intended(match[0]) is not None]


@functools.lru_cache(16_384)
def intended(word: str) -> str | None:
    """The most frequent word that a swap of neighbours, a letter lost, one too many or doubled ones make `word` of."""
    known, lower = ranks(), word.lower()
    if len(lower) < _SHORT or lower in known or is_known_form(lower):
        return None
    rarest = _FREQUENT if len(lower) == _SHORT else len(known)
    pairs = range(len(lower) - 1)
    swapped = {lower[:i] + lower[i + 1] + lower[i] + lower[i + 2 :] for i in pairs}
    filled = {lower[:i] + c + lower[i:] for i in range(1, len(lower)) for c in string.ascii_lowercase}
    options = [(known[w] / _SWAP, w) for w in swapped if known.get(w, rarest) < rarest]
    options += [(known[w], w) for w in filled if known.get(w, rarest) < rarest]
    if len(lower) > _SHORT + 1:
        options += [(known[w], w) for w in _less(lower) if w in known and len(w) > _SHORT]
        options += [(known[w] / _SWAP, w) for w in _once(lower) if w in known]
    return min(options)[1] if options else None


def _less(lower: str) -> set[str]:
    """The word without any one of its letters but the first."""
    return {lower[:i] + lower[i + 1 :] for i in range(1, len(lower))}


def _once(lower: str) -> set[str]:
    """The word with some of its doubled letters, or all, written once."""
    doubled = [match.start() for match in _DOUBLED.finditer(lower)][:_MOST_DOUBLED]
    found: set[str] = set()
    for keep in itertools.product((False, True), repeat=len(doubled)):
        dropped = {at for at, kept in zip(doubled, keep, strict=True) if not kept}
        found.add("".join(c for i, c in enumerate(lower) if i not in dropped))
    return found - {lower}


def pig_latin(text: str) -> bool:
    """Whether `text` is written in it."""
    return sum(read_pig(match) is not None for match in PIG.finditer(text)) >= _PIG_WORDS


def read_pig(match: re.Match[str]) -> Kept | None:
    """illkay to kill, eatyay and eatway to eat; words that end so by themselves stay."""
    word = match[0].lower()
    if word in ranks():
        return None
    found = _unpigged(word)
    return None if found is None else (found, None)


@functools.lru_cache(4096)
def _unpigged(word: str) -> str | None:
    known, body = ranks(), word[:-2]
    options = [body[-k:] + body[:-k] for k in range(1, min(4, len(body)) + 1)]
    options += [body[:-1]] if body[-1:] in "ywh" else []
    words = [option for option in options if option in known]
    return min(words, key=known.__getitem__) if words else None


def _common(match: re.Match[str]) -> bool:
    """No name: small letters, or the first word of the text, or all capitals."""
    word = match[0]
    return word.islower() or match.start() == 0 or word.isupper()


def is_known_form(word: str) -> bool:
    """A plural, a past or the like of a known word: lists of words have few of them."""
    return any(word.endswith(end) and _is_stem(word[: -len(end)]) for end in _ENDS)


def _is_stem(stem: str) -> bool:
    known = ranks()
    doubled = stem[-1:] == stem[-2:-1] and stem[:-1] in known
    return len(stem) > 2 and (stem in known or stem + "e" in known or doubled)
