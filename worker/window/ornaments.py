"""Ornaments taken off: accents on every letter, brackets around each, control characters between them."""

from __future__ import annotations

import bisect
import re
from itertools import accumulate
from typing import Final

from worker.window import hidden
from worker.window.confusables import bare_letters
from worker.window.disguise import LEET, Kept
from worker.window.words import alphabetical, ranks, share_known

MARKS: Final = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
IN_BRACKETS: Final = re.compile("[\u249c-\u24b5\U0001f110-\U0001f129]{2,}")
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2060-\u2064\u00ad\ufeff]+")
_OPENING: Final = "([{【「⟦⟨"
BRACKETED: Final = re.compile(r"(?<!\w)(?:[(\[{【「⟦⟨][A-Za-z][)\]}】」⟧⟩]){2,24}(?!\w)")
LATIN: Final = "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
ACCENTED: Final = re.compile(rf"[{LATIN}](?:[{LATIN}{MARKS}0-9'’]*[{LATIN}{MARKS}0-9])?")
_MARKED: Final = re.compile(rf"[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]|(?<=[A-Za-z])[{MARKS}]")
WRITTEN_SO: Final = 3  # words of one disguise that make it the way the text is written
AROUND: Final = 3  # words on either side that say whether a word is in disguise
# Short words come out by chance: the most frequent places up to which they count, by length.
_FREQUENT: Final = {1: 0, 2: 250, 3: 2_500}
_LEET_INSIDE: Final = re.compile("[A-Za-z][013457][A-Za-z]")
_FEWEST_MARKS: Final = 2  # é in café is an accent
_RARE: Final = 4_000  # place of a word from which it may be a foreign one
_ALONE: Final = frozenset("ai")
ODD_CASE: Final = re.compile("[a-z][A-Z]|[A-Z]{2}[a-z]")
_DRAWN: Final = re.compile(r"(.)\1{2,}")
LONGEST: Final = 20  # letters of a word that is looked for


def in_accents(text: str) -> bool:
    """Whether words of `text` carry marks that no language gave them: asked of every text beyond ASCII."""
    return bool(accented_words(text))


def only_noise(text: str) -> bool:
    """Whether backspaces in `text` take nothing back: it makes more words when they, and other controls, are noise."""
    if "\x08" not in text and "\x7f" not in text:
        return False
    taken = hidden.DELETED.sub(lambda m: (hidden.delete(m) or (m[0], None))[0], text)
    return share_known(_CONTROLS.sub("", text)) > share_known(_CONTROLS.sub("", taken))


def may_be_bracketed(text: str) -> bool:
    """Whether three single letters may stand in brackets: [k][i][l][l]."""
    return any(text.count(mark) > 2 for mark in _OPENING)


def unbracket(match: re.Match[str]) -> Kept | None:
    """[k][i][l][l] to kill; (a)(b)(c) is a list of clauses."""
    places = range(1, len(match[0]), 3)
    word = "".join(match[0][i] for i in places)
    return (word, places) if len(word) > 5 or counts(word.lower()) else None


def without_brackets(match: re.Match[str]) -> Kept:
    """⒦⒤⒧⒧ to kill; one letter alone numbers a list."""
    letters = [chr(ord(c) - (0x249C - 97 if c < "\uffff" else 0x1F110 - 65)) for c in match[0]]
    return "".join(letters), range(len(letters))


def bared(match: re.Match[str]) -> Kept:
    """A word without its accents."""
    pieces = [bare_letters(c) for c in match[0]]
    return "".join(pieces), [i for i, piece in enumerate(pieces) for _ in piece]


def accented_words(text: str, disguised: bool = False) -> set[int]:
    """
    Where words start that carry marks as ornament: most letters have one and they are English words without, or a
    text that is English but for the marks has them on everyday words.
    """
    if text.isascii() or not (ornate := len(_MARKED.findall(text))):
        return set()
    if ornate < _FEWEST_MARKS and not disguised and not _LEET_INSIDE.search(text):
        return set()
    every = list(ACCENTED.finditer(text))
    words = [m for m in every if _MARKED.search(m[0])]
    bare = [plain(bare_letters(m[0])) for m in words]
    sizes = [len(word) if len(word) > 2 else 0 for word in bare]
    marked = [len(_MARKED.findall(m[0])) if size else 0 for m, size in zip(words, sizes, strict=True)]
    known = [size if counts(word) else 0 for size, word in zip(sizes, bare, strict=True)]
    few = len(words) < WRITTEN_SO
    strewn = disguised or (
        sum(_is_everyday(word) for word in bare) + sum(_is_leet(m[0]) for m in every) >= WRITTEN_SO
        and sum(known) >= 0.85 * sum(sizes)
        and _share_known([plain(bare_letters(m[0])) for m in every]) >= 0.85
    )
    around = zip(votes(known, sizes), votes(marked, sizes), strict=True)
    found: set[int] = set()
    for i, ((good, letters), (dressed, _)) in enumerate(around):
        dense = letters >= 4 and good >= 0.7 * letters and dressed >= (0.7 if few else 0.45) * letters
        if dense or ((strewn or _is_leet(words[i][0])) and counts(bare[i])):
            found.add(words[i].start())
    return found


def _is_everyday(word: str) -> bool:
    return len(word) > 2 and ranks().get(word, _RARE) < _RARE


def _is_leet(word: str) -> bool:
    return not word.isalpha() and any(map(str.isdigit, word)) and _is_everyday(plain(bare_letters(word)))


def _share_known(words: list[str]) -> float:
    return sum(len(word) for word in words if counts(word)) / max(1, sum(map(len, words)))


def votes(goods: list[int], weights: list[int]) -> list[tuple[int, int]]:
    """For each word, what speaks for it and its weight, with those of the words around."""
    good, weight = (list(accumulate(column, initial=0)) for column in (goods, weights))
    spans = [(max(0, i - AROUND), min(len(weights), i + AROUND + 1)) for i in range(len(weights))]
    return [(good[b] - good[a], weight[b] - weight[a]) for a, b in spans]


def plain(piece: str) -> str:
    """Letters as `counts` wants them: small, leet read."""
    return piece.lower().translate(LEET).replace("’", "'")


def counts(word: str) -> bool:
    """Whether `word` is a word that hardly comes out by chance."""
    if len(word) == 1:
        return word in _ALONE
    rank = ranks().get(word)
    return rank is not None and rank < _FREQUENT.get(len(word), len(ranks()))


def spelt(choices: list[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The readings that make the likeliest word: a frequent one, by the likeliest look of most letters."""
    words = alphabetical()
    best: tuple[int, tuple[str, ...]] | None = None
    todo: list[tuple[str, tuple[str, ...]]] = [("", ())]
    while todo:
        start, pieces = todo.pop()
        at = bisect.bisect_left(words, start)
        if at == len(words) or not words[at].startswith(start):
            continue
        if len(pieces) == len(choices):
            if words[at] == start and counts(start):
                unlikely = sum(piece != likely[0] for piece, likely in zip(pieces, choices, strict=True))
                best = min(best or (len(words) << 8, pieces), ((ranks()[start] + 1) << 3 * min(unlikely, 3), pieces))
            continue
        todo += [(start + plain(choice), (*pieces, choice)) for choice in choices[len(pieces)]]
    return best[1] if best else None


def drawn_out(letters: str) -> bool:
    """Whether letters are a word with a letter three times and more."""
    drawn = _DRAWN.sub(r"\1", letters)
    return drawn != letters and (counts(drawn) or counts(_DRAWN.sub(r"\1\1", letters)))
