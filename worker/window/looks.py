"""Letters read as they look: compatibility forms, stacked marks, other scripts in disguise, accents on every letter."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from worker.window import marks
from worker.window.confusables import EMOJI, SCRIPTS, SIGNS, STYLED, TWINS, options
from worker.window.disguise import Found, Kept, Rewritten
from worker.window.ornaments import (
    ACCENTED,
    IN_BRACKETS,
    LONGEST,
    MARKS,
    ODD_CASE,
    WRITTEN_SO,
    accented_words,
    bared,
    drawn_out,
    spelt,
    votes,
    without_brackets,
)
from worker.window.signed import WORD, in_signs, measure, signed_letters
from worker.window.words import split

# What NFKC turns into plain letters and marks, but not spaces, signs such as ™, fractions or footnote numbers.
FOLDED: Final = (
    "\u02b0-\u02b8\u02e0-\u02e4\u1d2c-\u1d6a\u1d78\u1d9b-\u1dbf\u2071\u207f\u2090-\u209c\u2102-\u2115\u2119-\u211d\u2124"
    "\u2126-\u2139\u2145-\u2149\u2160-\u2188\u2460-\u24ff\u2c7c\u2c7d\u3000\ufb00-\ufb06\uff04\uff10-\uff19\uff20-\uff3a\uff41-\uff5a"
    "\U0001d400-\U0001d7ff\U0001f110-\U0001f149"
)
LOOKS: Final = "".join(SCRIPTS) + "".join(STYLED)
_FOLD: Final = re.compile(f"[{FOLDED}]+")
_STACK: Final = re.compile(f".?[{MARKS}]+", re.DOTALL)
_STYLE: Final = re.compile(f"[{''.join(STYLED)}]+")
_STYLE_TABLE: Final = str.maketrans(STYLED)
_SMALL_Q: Final = re.compile("ǫ(?=[ᴜuU])")  # small capitals have none of their own
_SMALL_CAPITALS: Final = re.compile("[ᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ]")
_WIDE: Final = re.compile("[\uff01-\uff5e]+")
_WIDE_LETTER: Final = re.compile("[\uff21-\uff3a\uff41-\uff5a]")
_CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SCRIPT: Final = re.compile(f"[{''.join(SCRIPTS)}]")
_GREEK_OR_CYRILLIC: Final = re.compile("[\u0370-\u052f]")
_OF_SMALL_LANGUAGES: Final = frozenset("ѕԁһӏѵԝԛҽ")
# Scripts that real text puts beside Latin letters without a space.
_LOOSE: Final = re.compile(
    "[\u0590-\u109f\u1100-\u139f\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\ufb1d-\ufdff\ufe70-\uffef]"
)
_LETTER: Final = rf"(?:[^\W_]|[{MARKS}\u0590-\u109f{''.join(SIGNS)}{''.join(c for c in SCRIPTS if not c.isalnum())}])"
_UNIT: Final = re.compile(rf"{_LETTER}+(?:['’@$!|€]{_LETTER}+)*")
# A letter that touches, or one by itself.
_LETTER_BEFORE: Final = re.compile(rf"[\w{''.join(EMOJI)}]\ufe0f?\Z|(?:\A|\s)[A-Za-z{''.join(EMOJI)}]\ufe0f?\s\Z")
_LETTER_BEHIND: Final = re.compile(rf"[\w{''.join(EMOJI)}]|\s[A-Za-z{''.join(EMOJI)}]\ufe0f?(?:\s|\Z)")
_ASCII_LETTER: Final = re.compile("[A-Za-z]")
_MOST: Final = 0.6  # of the letters there are in English words once read


def look_alikes(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that folds compatibility forms, takes stacked marks off and reads look-alikes as Latin."""

    def step(found: Found) -> Found:
        signed = signed_letters(found.text) if in_signs(found.text) else {}
        found = rewritten(found, WORD, lambda m: _replaced(m, signed)) if signed else found
        found = rewritten(found, IN_BRACKETS, without_brackets)
        wide = len(_WIDE_LETTER.findall(found.text)) >= WRITTEN_SO and not _CJK.search(found.text)
        found = rewritten(found, _WIDE if wide else _FOLD, _folded)
        found = rewritten(found, _FOLD, _folded) if wide else found
        stacked = sum(map(_is_stacked, _STACK.finditer(found.text))) >= WRITTEN_SO
        found = rewritten(found, _STACK, _unmarked if stacked else marks.unstacked)
        if _SMALL_CAPITALS.search(found.text):
            found = rewritten(found, _SMALL_Q, lambda _: ("q", (0,)))
        found = rewritten(found, _STYLE, _unstyled)
        read = _latinised(found.text) if _SCRIPT.search(found.text) else {}
        found = rewritten(found, _UNIT, lambda m: _replaced(m, read)) if read else found
        bare = accented_words(found.text, stacked or len(read) >= WRITTEN_SO)
        return rewritten(found, ACCENTED, lambda m: bared(m) if m.start() in bare else None) if bare else found

    return step


def _folded(match: re.Match[str]) -> Kept | None:
    return None if _is_picture(match) else marks.folded(match)


def _unstyled(match: re.Match[str]) -> Kept | None:
    return None if _is_picture(match) else (match[0].translate(_STYLE_TABLE), range(len(match[0])))


def _is_picture(match: re.Match[str]) -> bool:
    """Whether a letter is an emoji by itself, as in `size Ⓜ️`; ℹ️ and 🅰️ are words, and letters stand apart in a row."""
    start, end = match.span()
    if match[0] in "ℹ🅰" or match[0] not in EMOJI or match.string[end : end + 1] != "\ufe0f":
        return False
    before, behind = match.string[max(0, start - 4) : start], match.string[end + 1 : end + 5]
    return not (_LETTER_BEFORE.search(before) or _LETTER_BEHIND.match(behind))


def _is_stacked(match: re.Match[str]) -> bool:
    return (match[0][0].isdigit() and "\u20e3" not in match[0]) or marks.unstacked(match) is not None


def _unmarked(match: re.Match[str]) -> Kept | None:
    """Any mark off a plain letter or digit; leet stands under marks too."""
    base = match[0][0]
    return (base, (0,)) if base.isascii() and base.isalnum() else marks.unstacked(match)


def _replaced(match: re.Match[str], read: dict[int, str]) -> Kept | None:
    pieces = [read.get(match.start() + i, c) for i, c in enumerate(match[0])]
    new = "".join(pieces)
    return None if new == match[0] else (new, [i for i, piece in enumerate(pieces) for _ in piece])


def _latinised(text: str) -> dict[int, str]:
    """
    What to write in place of the characters of words in disguise, by place.

    A word that mixes Latin letters and look-alikes is always one. A word of look-alikes alone is one where most
    letters of the words around it make English words once read: real Russian or Greek makes few.
    """
    units = [unit for unit in _units(text) if any(map(_is_foreign, map(text.__getitem__, unit)))]
    words = ["".join(map(text.__getitem__, unit)) for unit in units]
    latin, foreign = sum(map(len, re.findall("[A-Za-z]+", text))), sum(map(_is_foreign, text))
    pure = [
        not isinstance(unit, range) or not _ASCII_LETTER.search(word) for unit, word in zip(units, words, strict=True)
    ]
    known = [_reading(word)[1] for word in words]
    certain = [known[i] or (not pure[i] and _is_mixed(word, latin >= foreign)) for i, word in enumerate(words)]
    weights = [0 if _is_formula(word, known[i]) or measure(word) else len(word) for i, word in enumerate(words)]
    if len(words) == 1 and not latin and _GREEK_OR_CYRILLIC.search(words[0]) and not _is_alien(words[0]):
        return {}  # мама and поле are words of their own
    around_each = votes([w if sure else 0 for w, sure in zip(weights, certain, strict=True)], weights)
    mostly = sum(w for w, sure in zip(weights, certain, strict=True) if sure) >= _MOST * sum(weights)
    # In a long text of another script a few words in a row come out by chance.
    fewest = 4 if mostly or len(words) < 9 else 12
    read: dict[int, str] = {}
    for i, (good, around) in enumerate(around_each):
        share = 1.0 if len(words) < 3 else 0.3 if mostly else _MOST
        alone = known[i] and len(words[i]) >= 3 and latin > 0
        if (
            (certain[i] and not pure[i] and weights[i])
            or (good and good >= share * around and (around >= fewest or alone or (mostly and len(words) > 3)))
            or (len(words[i]) > 1 and latin > foreign and TWINS.issuperset(words[i]))
        ):
            read.update(zip(units[i], _reading(words[i])[0], strict=True))
    return read


def _units(text: str) -> Iterator[Sequence[int]]:
    """The places of each word's letters; letters that stand apart (k i l l) are one word from three on."""
    apart: list[int] = []
    for match in _UNIT.finditer(text):
        start, end = match.span()
        if end - start == 1 and (not apart or (start - apart[-1] == 2 and text[start - 1] != "\n")):
            apart.append(start)
            continue
        yield from (apart,) if len(apart) > 2 else ((at,) for at in apart)
        apart = [start] if end - start == 1 else []
        if not apart:
            yield range(start, end)
    yield from (apart,) if len(apart) > 2 else ((at,) for at in apart)


@functools.lru_cache(8192)
def _is_foreign(c: str) -> bool:
    return c in SCRIPTS or (not c.isascii() and c.isalpha() and not (c < "\u0250" or "\u1e00" <= c <= "\u1eff"))


def _is_alien(word: str) -> bool:
    """Whether a word by itself is no Russian or Greek one: of twins alone, or with letters of small languages."""
    return TWINS.issuperset(word) or not _OF_SMALL_LANGUAGES.isdisjoint(word)


def _is_mixed(word: str, latin_text: bool) -> bool:
    """Whether scripts change inside a word as no language does it: SMSка has its ending in Russian only."""
    if _LOOSE.search(word):
        return False
    return latin_text or sum(a != b for a, b in pairwise(map(_is_foreign, filter(str.isalpha, word)))) > 1


def _is_formula(word: str, known: bool) -> bool:
    """α, μm, Δt and kΩ are what they seem."""
    return len(word) < 3 + (not known) and any("\u0370" <= c <= "\u03ff" for c in word)


@functools.lru_cache(8192)
def _reading(word: str) -> tuple[tuple[str, ...], bool]:
    """What stands for each character, and whether that is an English word."""
    choices = [options(c) for c in word]
    firsts = tuple(likely[0] if likely else c for c, likely in zip(word, choices, strict=True))
    found = spelt(choices) if len(word) <= LONGEST and all(choices) else None
    pieces = found or firsts
    if ODD_CASE.search("".join(pieces)):
        pieces = tuple(piece.lower() for piece in pieces)
    return pieces, found is not None or (all(choices) and _says("".join(firsts).lower()))


def _says(letters: str) -> bool:
    """Whether letters are a word drawn out, or words run together."""
    if drawn_out(letters):
        return True
    if not 12 <= len(letters) <= 300:
        return False
    pieces = split(letters)
    return sum(b - a for a, b, word in pieces if word) >= 0.8 * len(letters) and 3 * len(pieces) <= len(letters)
