"""Letters written as others that look alike in plain print (thern, vvill, kiII, clog), read as what they look like."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from worker.window.disguise import Found, Kept, Rewritten
from worker.window.misspelt import is_known_form
from worker.window.words import anywhere, paths, ranks

WORD: Final = re.compile(
    r"(?<![\w'’@#/\\%=&+*$<>.-])[A-Za-z0-9]{1,30}(?:['’][A-Za-z]{1,3})?(?![\w@#/\\=%+*$]|['’-]\w|\.\w)"
)
_LOOKS: Final = {
    "rn": "m", "nn": "m", "vv": "w", "uu": "w", "cl": "d", "ii": "u", "li": "h", "lc": "k", "q": "g", "l": "i",
    "i": "l", "I": "l", "VV": "w", "Vv": "w", "UU": "w", "Uu": "w", "0": "o", "1": "il", "3": "e", "4": "a", "5": "s",
}  # fmt: skip
_LONGEST: Final = max(map(len, _LOOKS))
_SIGN: Final = (
    r"[rn]n|vv|uu|cl|l[ic]|ii|VV|UU|Vv|Uu|[A-Za-z'’]I[a-z]|[a-z'’]I|\bI[a-z]|[A-Z]l[A-Z]|q[^u]|\bl[^aeiouy]|[hw]l|lll"
)
_MAY_LOOK: Final = re.compile(f"(?:{_SIGN}|q$|^l$|[A-Z]l|l[^aeiouly])").search
_MAY_BE_PAIRED: Final = anywhere(rf"(?s)(?:{_SIGN}|q\b).*\s.*(?:{_SIGN}|q\b|\bl$)")
# What no English word has: capitals and small letters mixed, letters that never stand so.
_NEVER: Final = re.compile(
    r"[a-z]I|[A-Z]I+[a-z]|\bI+[a-z]|[A-Z]l+[A-Z]|vv|VV|Vv|uu|\brn|\bnn|cl(?:[^aeiouyA-Z']|\b)|q(?!u)|ii|lll|\blc"
    r"|lcl|tli|wli|\blt\b|\bls\b|\bAII\b|['’]II\b"
)
_BARS: Final = re.compile("I+")
_MOST: Final = 150  # unknown words that are looked at in a text: time is linear
_FEWEST: Final = 2
_UNREAD: Final = 2  # words that are read for each that stays unknown
_LONG: Final = 6  # letters of a word that hardly becomes another by chance
_FREQUENT: Final = 1000  # is what a shorter one becomes
_RARE: Final = 3000  # is a known word that may be another,
_RARER: Final = 10  # times rarer than that
_RANKS: Final = {1: 20, 2: 250, 3: 2500}  # up to which short words count, by length
_PUNCTUATION: Final = ".,!?;:\"'()…“”"


class Reading(NamedTuple):
    """The word that is meant, in small letters, and what was read as others."""

    word: str
    signs: frozenset[str]


def may_be_paired(text: str) -> bool:
    """Whether two unknown words are known ones as they look."""
    if not _MAY_BE_PAIRED(text):
        return False
    known, words = ranks().__contains__, text.lower().split()
    strange = [word.strip(_PUNCTUATION) for word in itertools.filterfalse(known, words)]
    if len(list(itertools.filterfalse(known, strange))) < _FEWEST:
        return False
    each = zip(text.split(), words, strict=False)
    odd = [word.strip(_PUNCTUATION) for word, small in each if not known(small) and _MAY_LOOK(word)]
    read = (word for word in dict.fromkeys(odd[:_MOST]) if not known(word.lower()) and reading(word))
    return len(list(itertools.islice(read, _FEWEST))) == _FEWEST


def unpair(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that reads look-alike letters, in a text whose unknown words become known ones by it."""

    def step(found: Found) -> Found:
        signs = _signs(found.text) if may_be_paired(found.text) else frozenset()
        return rewritten(found, WORD, lambda match: _unpaired(match, signs)) if signs else found

    return step


def _signs(text: str) -> frozenset[str]:
    """What letters are written as in `text`; nothing where it is not written so."""
    known = ranks()
    odd = {match[0]: match for match in WORD.finditer(text) if match[0].replace("’", "'").lower() not in known}
    words = dict(itertools.islice(odd.items(), _MOST))
    read = {word: one for word, match in words.items() if (one := reading(word)) and _counts(match, one)}
    sure = any(_is_sure(word, one) for word, one in read.items())
    if len({one.word for one in read.values()}) < _FEWEST or not sure:
        return frozenset()
    unread = sum(1 for word, match in words.items() if word not in read and _is_unread(match))
    return frozenset() if _UNREAD * unread > len(read) else frozenset().union(*(one.signs for one in read.values()))


def _counts(match: re.Match[str], found: Reading) -> bool:
    """No name, unless as no name is written."""
    return _common(match) or _NEVER.search(match[0]) is not None


def _is_sure(word: str, found: Reading) -> bool:
    if _NEVER.search(word) is not None or len(word) >= _LONG:
        return True
    return not found.signs.isdisjoint(("rn", "nn", "I")) and len(word) > 3 and ranks()[found.word] < _FREQUENT


def _is_unread(match: re.Match[str]) -> bool:
    """Whether nobody knows the word, and it is no name, number, abbreviation or form of a known one."""
    word = match[0].lower()
    return word.isalpha() and len(word) > 1 and _common(match) and not is_known_form(word)


def _common(match: re.Match[str]) -> bool:
    """Small letters, or the first word of a sentence."""
    word = match[0]
    if word[1:].islower() and word[0].isupper():
        before = match.string[max(0, match.start() - 3) : match.start()].rstrip(" ")
        return before[-1:] in "\n.!?" if before else match.start() < 3
    return not word.isupper()


def _unpaired(match: re.Match[str], signs: frozenset[str]) -> Kept | None:
    word = match[0]
    found = reading(word)
    if found is None:
        return None
    rank = ranks().get(word.lower())
    if not (found.signs & signs or _NEVER.search(word) or (rank is None and len(word) >= _LONG)):
        return None
    if rank is not None and _NEVER.search(word) is None:
        if rank < _RARE or rank < _RARER * ranks()[found.word] or not _common(match):
            return None
    elif not (_common(match) or _is_sure(word, found) or word.isupper()):
        return None
    same = len(found.word) == len(word)
    return _cased(word, found), range(len(word)) if same else None


def _cased(word: str, found: Reading) -> str:
    """The word that is meant in capitals where `word` is, but for those that stand for small letters."""
    others = [c for c in word if c.isalpha() and c not in "Il"]
    if len(others) > 1 and all(map(str.isupper, others)):
        return found.word.upper()
    first = word[0].isupper() and (word[0] != "I" or found.word[0] == "i")
    return found.word.capitalize() if first or found.word.split("'")[0] == "i" else found.word


@functools.lru_cache(16_384)
def reading(word: str) -> Reading | None:
    """The most frequent word that `word` looks like; None where it is that word itself, or none."""
    if _BARS.fullmatch(word) or word.isdigit():
        return None
    raw = word.replace("’", "'")
    options = [(ranks()[meant], meant, places) for meant, places in paths(len(raw), functools.partial(_units, raw))]
    options = [option for option in options if option[0] < _RANKS.get(len(option[1]), len(ranks()))]
    if not options:
        return None
    _, meant, places = min(options)
    signs = frozenset(sign for sign, letter in _pieces(raw, meant, places) if sign != letter)
    return Reading(meant, signs) if signs else None


def _pieces(raw: str, meant: str, places: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """What is written for each letter; whoever writes I for l writes l for I."""
    for start, end, letter in zip(places, (*places[1:], len(raw)), meant, strict=True):
        written = raw[start:end].lower()
        yield "I" if {written, letter} == {"i", "l"} else written, letter


def _units(raw: str, at: int) -> Iterator[tuple[int, str]]:
    """Where what starts at `at` ends, and the letter that it is or looks like."""
    yield at + 1, raw[at].lower()
    for end in range(at + 1, min(at + _LONGEST, len(raw)) + 1):
        for letter in _LOOKS.get(raw[at:end], ""):
            yield end, letter
