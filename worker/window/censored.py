"""Letters under signs and blocks (k*ll, p**pl*, st.pid, k█ll), read as the words they stand for."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Final

from worker.window.disguise import Found, Kept, Rewritten
from worker.window.respelt import ends, index, tail
from worker.window.words import anywhere, ranks

_MOST: Final = 150  # words that are looked at
_FEWEST: Final = 2
_SO: Final = 3  # words written so that make it the way of the text
_SHORT: Final = 3
_VOWELS: Final = frozenset("aeiou")
_BLOCKS: Final = "█▇▆▓▒░■□▪▫◼◻◾◽⬛⬜▮▯▬●○◯◦◉⚫⚪⭕✖✕✗✘❌"
_DOTS: Final = "•…·"  # of lists, pauses and Catalan words too
_SELECTOR: Final = "\ufe0f"  # behind a sign that is drawn as an emoji
_SIGNS: Final = rf"*#@_.%^~&?={_BLOCKS}{_DOTS}{_SELECTOR}-"
CENSORED: Final = re.compile(
    rf"(?<![\w*@#/.:&=%^~+\\${_BLOCKS}{_DOTS}-])[A-Za-z{_SIGNS}][A-Za-z{_SIGNS}]{{1,19}}"
    rf"(?![\w@#/*$=+\\%&:({_BLOCKS}]|['’]\w)"
)
_STARS: Final = frozenset(f"*#@{_BLOCKS}")
_UNDER: Final = frozenset(_SIGNS) - {_SELECTOR}
_TWO_HIDDEN: Final = re.compile(rf"[a-z][*#{_BLOCKS}]{{2}}[a-z]")
_NO_SIGN: Final = f".-?_~={_DOTS}"  # at the end of a word
_MAY_BE_CENSORED: Final = anywhere(
    rf"[A-Za-z](?:[*#_%^~&?@={_BLOCKS}{_DOTS}]{_SELECTOR}?)+[A-Za-z]|[A-Za-z][.-][A-Za-z].*[A-Za-z][._-][A-Za-z]"
)
_MAY_BE_BLOTTED: Final = anywhere(rf"[A-Za-z](?:[{_BLOCKS}]{_SELECTOR}?)+[A-Za-z]")
_CLEARLY: Final = math.log(2.0)


def may_be_censored(text: str) -> bool:
    """Whether a sign stands between letters, or a star beside one."""
    return _MAY_BE_CENSORED(text)


def may_be_blotted(text: str) -> bool:
    """Whether a block, circle or cross stands between letters: asked before emoji are taken out."""
    return not text.isascii() and _MAY_BE_BLOTTED(text)


def uncensor(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that reads the signs in words as letters: where one word is clearly meant, or where many are so."""

    def step(found: Found) -> Found:
        words = [match[0].replace(_SELECTOR, "").rstrip(_NO_SIGN) for match in CENSORED.finditer(found.text)]
        inside = [word for word in words if len(word) > _SHORT and word[0].isalpha() and _UNDER.intersection(word)]
        read = [one for word in dict.fromkeys(inside[:_MOST]) if (one := _under(word.lower())) is not None]
        if not read:
            return found
        several = sum(clear > _CLEARLY for clear, _ in read) >= _FEWEST
        return rewritten(found, CENSORED, lambda match: _uncovered(match, len(read) >= _SO, several))

    return step


def _uncovered(match: re.Match[str], boldly: bool, several: bool) -> Kept | None:
    whole = match[0].replace(_SELECTOR, "")
    word = whole.rstrip(_NO_SIGN)
    found = _under(word.lower())
    if found is None or (not boldly and (len(word) <= _SHORT or not (word[0] + word[-1]).isalpha())):
        return None
    if not boldly and (found[0] <= _CLEARLY or not (several or _STARS.issuperset(_UNDER.intersection(word)))):
        return None
    capitals = "".join(c for c in word if c.isalpha())
    meant = found[1].upper() if capitals.isupper() and len(capitals) > 1 else found[1]
    first = word[0] if word[0].isalpha() else meant[0]
    return first + meant[1:] + whole[len(word) :], [i for i, c in enumerate(match[0]) if c != _SELECTOR]


@functools.lru_cache(4096)
def _under(word: str) -> tuple[float, str] | None:
    """How clearly, in nats, and which word: signs stand for vowels rather than for others."""
    letters = [c for c in word if c not in _UNDER]
    if len(letters) == len(word) or len(word) < _SHORT or len(letters) < 2 or 5 * len(letters) < 2 * len(word):
        return None
    known = ranks()
    parts = re.split(r"[^a-z]+", word)
    # A sign between letters that are all there; f**king is no fking.
    whole = _VOWELS.intersection(letters) and "".join(letters) in known and _TWO_HIDDEN.search(word) is None
    if whole or (len(parts) > 1 and all(len(part) > 1 and part in known for part in parts)):
        return None
    shared = index("ends").get(ends(word), ()) if word[0].isalpha() else index("tails").get(tail(word), ())
    costs: list[tuple[float, str]] = []
    for meant in shared:
        hidden = [b for a, b in zip(word, meant, strict=True) if a != b]
        if all(a == b or a in _UNDER for a, b in zip(word, meant, strict=True)):
            costs.append((math.log(known[meant] + 5) + 2.0 * sum(c not in _VOWELS for c in hidden), meant))
    costs.sort()
    return None if not costs else (costs[1][0] - costs[0][0] if len(costs) > 1 else math.inf, costs[0][1])
