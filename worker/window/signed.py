"""Signs of money and of print, and emoji, in place of letters (§hoµ£d, w🅾️man), read where English comes out."""

from __future__ import annotations

import functools
import re
from typing import Final, NamedTuple

from worker.window.confusables import EMOJI, MONEY, SIGNS, TELLING, readings
from worker.window.ornaments import LATIN, LONGEST, ODD_CASE, WRITTEN_SO, counts, drawn_out, plain, spelt, votes
from worker.window.words import ranks

_TELLS: Final = f"{TELLING}{''.join(EMOJI)}"
_SIGNED: Final = re.compile(f"[{_TELLS}](?:\ufe0f?[A-Za-z{_TELLS}]|(?<=[A-Za-z].))")
_WEAK: Final = re.compile("[ðþæßÐÞÆ]")  # letters of some languages, which write other accents too
_SIGNS: Final = frozenset(f"{_TELLS}ðþæßÐÞÆ")
_OTHER_ACCENTS: Final = re.compile("[\u00c0-\u00c5\u00c7-\u00cf\u00d1-\u00dd\u00e0-\u00e5\u00e7-\u00ef\u00f1-\u00fd]")
_INSIDE: Final = re.compile(f"[A-Za-z0-9@$!|](?:[{_TELLS}]\ufe0f?)+[A-Za-z0-9@$!|]")
_CHARACTERS: Final = f"{LATIN}0-9@$!|'’{MONEY}{''.join(SIGNS)}{''.join(EMOJI)}"
WORD: Final = re.compile(f"[{_CHARACTERS}][{_CHARACTERS}\ufe0f]*")
_MEASURE: Final = re.compile(r"[^A-Za-z]*[0-9][^A-Za-z]*[A-Za-z]{0,2}")  # £5m, 30°C, 5µm, ©2024
_EDGE: Final = "!|'’@$0123456789\ufe0f"
STRONG: Final = 3  # of a word that is in disguise whatever stands around it
_MOST: Final = 0.6  # of the letters around are in English words once read


def in_signs(text: str) -> bool:
    """Whether a sign or an emoji that may be a letter stands beside a letter, or two together; or thorns strewn in."""
    if _SIGNS.isdisjoint(text):  # many times faster than a pattern
        return False
    if _SIGNED.search(text):
        return True
    return len(_WEAK.findall(text)) >= WRITTEN_SO and not _OTHER_ACCENTS.search(text)


def signed_letters(text: str) -> dict[int, str]:
    """
    What to write in place of the characters of words that signs of money, of print or emoji are letters of, by place.

    A word is read where it and most of the words around are English by it, and signs stand in words there as no
    language puts them: one sign in the middle of a word is enough, at its edge or in a short word two words are.
    """
    found = [(m.start(), signed_word(m[0])) for m in WORD.finditer(text)]
    words = [word for _, word in found]
    around = votes([word.known * word.weight for word in words], [word.weight for word in words])
    signed = [i for i, word in enumerate(words) if word.signed]
    near = votes([words[i].strength for i in signed], [1 for _ in signed])
    fit = votes([words[i].known * words[i].weight for i in signed], [words[i].weight for i in signed])
    throughout = sum(words[i].strength == STRONG for i in signed) >= WRITTEN_SO
    read: dict[int, str] = {}
    for i, (strength, _), (good, weight) in zip(signed, near, fit, strict=True):
        word, english = words[i], around[i][0] >= _MOST * around[i][1]
        so = strength >= STRONG + (word.size == 1) and good >= _MOST * weight
        if (word.known and english and (so or word.strength == STRONG)) or (throughout and so and word.inside):
            read.update(enumerate(word.pieces, found[i][0] + word.at))
    return read


def measure(word: str) -> bool:
    """Whether a word is a number with its sign or unit."""
    return _MEASURE.fullmatch(word) is not None


class Word(NamedTuple):
    """
    A word that may have signs for letters.

    at: its place in what was written. pieces: what each character from there is read as; size: how many letters.
    known: whether that is an English word. signed: whether signs or emoji are in it; inside: between its letters.
    strength: how much of a disguise it is by itself, 0 to STRONG. weight: its letters, 0 where they say nothing.
    """

    at: int
    pieces: tuple[str, ...]
    size: int
    known: bool
    signed: bool
    inside: bool
    strength: int
    weight: int


@functools.lru_cache(8192)
def signed_word(written: str) -> Word:
    """The word in `written`: marks and emoji at its ends are left out where it is a word without."""
    at, word, pieces, known = _signed_reading(written)
    size = sum(map(len, pieces))
    weight = 0 if measure(word) or (size < 3 and not known) else size
    signed = weight > 0 and not word.isascii()
    strength = _strength(word, size) if known and signed else 0
    return Word(at, pieces, size, known, signed, _INSIDE.search(word) is not None, strength, weight)


def _strength(word: str, size: int) -> int:
    signs = {c for c in word if c in _TELLS}
    bare = word.strip(_TELLS + "\ufe0f").lower()
    if size < 3 or (len(bare) > 2 and bare in ranks() and word.lower().startswith(bare)):
        return 0
    if not signs:
        return 1 if _WEAK.search(word) else 0
    if not re.search("[A-Za-z]", word):
        return STRONG - 1
    edge = size > 3 and len(bare) > 1 and bare not in ranks()
    return STRONG if _INSIDE.search(word) or len(signs) > 1 or edge else STRONG - 1


def _signed_reading(written: str) -> tuple[int, str, tuple[str, ...], bool]:
    """Where the word in `written` starts, the word, what its characters are read as, and whether that is English."""
    if written.isascii():
        return 0, written, tuple(written), counts(plain(written.strip(_EDGE)))
    marked, emoji = written.rstrip(_EDGE), _EDGE + "".join(EMOJI)
    for word in dict.fromkeys((written, marked, marked.rstrip(emoji), marked.strip(emoji))):
        choices = [readings(c) for c in word]
        firsts = tuple(likely[0] for likely in choices)
        found = spelt(choices) if len(word) <= 2 * LONGEST else None
        if found or drawn_out("".join(firsts).lower()):
            pieces = found or firsts
            upper = word.isupper() and len(re.findall("[A-Z]", word)) > 1
            if upper or ODD_CASE.search("".join(pieces)):
                pieces = tuple(piece.upper() if upper else piece.lower() for piece in pieces)
            return written.index(word), word, pieces, True
    return 0, written, tuple(readings(c)[0] for c in written), False
