"""Words between words that say nothing: `kill lol all xD of :) them @sam`, or one word over and over."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable
from typing import Final

from worker.window.disguise import Found, Rewritten
from worker.window.encoded import TELLS
from worker.window.words import ranks, share_known

_TOKEN: Final = re.compile(r"\s*\S+")
_FACE: Final = re.compile(
    r"[:;=8xX]['’]?[-o^]?[()\[\]{}dDpPoO/\\|*3$]{1,3}|[()\[\]][-o^]?['’]?[:;=8]|\^[_.-]*\^|<3+|[xX][dD]+|[-oOuU]_+[-oOuU]"
)
_SAID: Final = (
    "lol lmao lmfao rofl haha hahaha hehe hihi jk xd omg um umm uh uhh uhm er erm hm hmm mhm ugh yay pls plz tbh imo "
    "imho lel kek heh meh duh"
)
INTERJECTIONS: Final = frozenset(_SAID.split())
_FEWEST: Final = 3  # fillers that make it the way a text is written,
_SHARE: Final = 0.2  # and so much of its words
_LEFT: Final = 3  # words without them
_AGAIN: Final = 4  # times that one word is said
_OFTEN: Final = 0.25  # of the words are that one
_ENGLISH: Final = 0.85  # of the letters are in known words: of another language every second word is unknown
_FREQUENT: Final = 60  # places by frequency: `the` and `you` are said often by right


def filled(text: str) -> bool:
    """Whether words stand between the words; cheap, since it is asked of every text."""
    words = text.lower().split()
    if len(words) < 2 * _FEWEST:
        return False
    if _seem(words) >= _FEWEST or said_often(words):
        return True
    return len(set(words)) < 0.8 * len(words) and not all(map(ranks().__contains__, words))


def said_often(words: list[str]) -> bool:
    """Whether one word is said so often as a filler is."""
    if len(words) - len(set(words)) < _AGAIN - 1:
        return False
    return max(Counter(words).values()) >= max(_AGAIN, _OFTEN * len(words))


def _seem(words: list[str]) -> int:
    return sum(word in INTERJECTIONS or not word[0].isalnum() or word[:2] == "xd" for word in words)


def unfill(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that takes them out."""

    def step(found: Found) -> Found:
        words = [_bare(word) for word in found.text.split()]
        said = _fillers(words)
        count = sum(word in said for word in words)
        if count < max(_FEWEST, _SHARE * len(words)) or len(words) - count < _LEFT:
            return found
        return rewritten(found, _TOKEN, lambda match: ("", ()) if _bare(match[0].strip()) in said else None)

    return step


def _fillers(words: list[str]) -> set[str]:
    """Those of the words that say nothing between the others."""
    known, counts = ranks(), Counter(words)
    again = {a for a, b in itertools.pairwise(words) if a == b}  # love love love is said, not strewn
    again |= TELLS.keys()  # a spelling alphabet's words are no fillers
    most = max(_AGAIN, _OFTEN * len(words))
    strewn = {word for word, n in counts.items() if n >= most and known.get(word, _FREQUENT) >= _FREQUENT} - again
    unknown = {
        word for word, n in counts.items() if n > 1 and len(word) > 1 and word.isalpha() and word not in known
    } - again
    plain = {word for word in counts if word in INTERJECTIONS or _FACE.fullmatch(word) or _is_name(word)}
    seldom = strewn | (unknown if len(unknown) > 1 else set())
    rest = " ".join(word for word in words if word not in seldom)
    return plain | (seldom if share_known(rest) >= _ENGLISH else set())


def _is_name(word: str) -> bool:
    return word[0] == "@" and word[1:].replace("_", "").isalnum() and len(word) > 2


def _bare(word: str) -> str:
    """In small letters, and without the marks that end a sentence."""
    lower = word.lower()
    return lower if not lower[0].isalnum() else lower.rstrip(".,!?;") or lower
