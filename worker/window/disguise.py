"""Disguises made of plain characters: leet (h4te), letters spaced out (k i l l), letters drawn out (kiiill)."""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from worker.window.words import anywhere, ranks

Kept = tuple[str, Sequence[int] | None]  # new text, and for each character its place in the match (None: all of it)

Rule = Callable[[re.Match[str]], Kept | None]
Found = TypeVar("Found", bound=Any)  # a text on its way, with its characters in `text`
Rewritten = Callable[[Found, re.Pattern[str], Rule], Found]  # `rewriting.rewritten`

_DIGITS: Final = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t"}
_SIGNS: Final = {"@": "a", "$": "s", "!": "i", "|": "l", "€": "e", "¢": "c"}
LEET: Final = str.maketrans(_DIGITS | _SIGNS)

# A sign inside a word, or a digit between letters, or a sign before or after one.
LEET_WORD: Final = re.compile(
    r"(?<![\w.@$!|/\\+:#&=%-])(?=[\w@$!|€¢]*?(?:[A-Za-z][013457@$!|€¢]+[A-Za-z]|[@$][A-Za-z]|[A-Za-z]\$))"
    r"[A-Za-z0-9@$!|€¢]{2,24}(?![\w@/\\+=%-]|[.:][\w/])"
)
_END: Final = r"(?![^\W_]|['’])"  # an underscore is no letter here
SPACED_OUT: Final = re.compile(
    rf"(?<![^\W_])(?<!['’@$])[A-Za-z@$](?:([ \t\n_*·-])[A-Za-z0134@$!]{_END}(?:\1[A-Za-z0134@$!]{_END}){{1,40}}"
    rf"|\.[A-Za-z0134@$!]{_END}(?:\.[A-Za-z0134@$!]{_END}){{2,40}})(?![.]?[^\W_]|[@$])"
)
DRAWN_OUT: Final = re.compile(r"(?<![\w./@-])(?=[A-Za-z]*?([A-VYZa-vyz])\1\1)[A-Za-z]{4,}(?![\w@]|\.\w)")
_RUN: Final = re.compile(r"([A-VYZa-vyz])\1{2,}")  # www and xxx mean what they say
_ROMAN: Final = re.compile(r"[IVXLCDM]+|[ivxlcdm]+")
# re2 reads any text once, whatever the pattern; it has no back-references, so runs of a letter are listed.
_SUSPICIOUS: Final = anywhere(
    r"[A-Za-z][013457@$!|€¢(]+[A-Za-z]|[@$][A-Za-z]|[A-Za-z]\$|\b[0134578][A-Za-z][A-Za-z0-9]"
    r"|[\x08\x7f]|[A-Za-z0-9+/_'-]{16}|(?:[0-9a-fA-F]{2}[ :]){6}|[a-z][A-Z]|[A-Z]{2}[a-z]|[A-Za-z][*#]+[A-Za-z*#]"
    r"|[A-Za-z][,/|+^~;:=][A-Za-z][,/|+^~;:=]"
    r"|&#[0-9xX]|%[0-9a-fA-F]{2}[^%]*%[0-9a-fA-F]{2}|[.-]{1,6}(?: {1,3}| ?[/|] ?|\n)[.-]{1,6}[ /|\n]"
    r"|(?i:golf|hotel|india|juliett?|kilo|lima|mike|oscar|romeo|sierra|tango|echo|al(?:f|ph)a|november|uniform)"
    r"[ ,/|.\n-]{1,3}[A-Za-z-]{4,8}[ ,/|.\n-]"
    r"|(?:\b[A-Za-z]|[@$])(?:[ \t\n*·.-](?:[A-Za-z0134]\b|[@$!])){2}|[A-Za-z@$](?:_[A-Za-z0134@$!]){2}|"
    + "|".join(3 * c for c in string.ascii_letters if c not in "wxWX")
)
_PAIRS: Final = {
    mark: re.compile(
        rf"(?<![^\W_])[A-Za-z@$](?:{re.escape(mark)}[A-Za-z0134@$!]{_END}){{1,2}}(?!{re.escape(mark)}?[^\W_])"
    )
    for mark in "._*·-"
} | {" ": re.compile(r"(?:(?<=\s\s)|(?<![\s\S]))[A-Za-z] [A-Za-z](?: [A-Za-z])?(?=\s\s|$)")}
_PERSONALS: Final = re.compile(r"[mwftr]4[mwftra]", re.IGNORECASE)
_LEET_CHARACTERS: Final = frozenset(_DIGITS) | frozenset(_SIGNS)


def suspicious(text: str) -> bool:
    """Whether any rule below might have something to do; cheap, and wrong only by saying yes too often."""
    return _SUSPICIOUS(text)


def read_leet(match: re.Match[str]) -> Kept | None:
    """h4te, k1ll, @ss, $hit, a$$, b!tch; but not 4th, covid19, mp3, h2o, 400$, A$, m4w, a handle or a cashtag."""
    word = match[0]
    letters = [c for c in word if c.isalpha()]
    digits = [c for c in word if c.isdigit()]
    signs = [c for c in word if c in _SIGNS]
    if any(c not in _DIGITS for c in digits) or (len(letters) < max(2, len(digits)) and not _mostly_signs(word)):
        return None
    if _is_code(word, letters, digits, signs) or _is_punctuated(word):
        return None
    body = word.rstrip("!|")
    if not any(c in _LEET_CHARACTERS for c in body):
        return None
    return body.translate(LEET) + word[len(body) :], range(len(word))


def _is_code(word: str, letters: list[str], digits: list[str], signs: list[str]) -> bool:
    """Names, prices and abbreviations that hold a digit or a sign by right."""
    if digits and not signs and not re.search(r"[A-Za-z][0-9]+[A-Za-z]", word):
        return True  # 4th, covid19
    if digits and not signs and (_PERSONALS.fullmatch(word) or (word.isupper() and len(word) < 4)):
        return True
    if re.search(r"[0-9][$€¢]|[$€¢][0-9]", word) or ("$" in (word[0], word[-1]) and "".join(letters).isupper()):
        return True  # a price, a cashtag or a currency
    return word[0] == "@" and len(signs) == 1 and not digits and len(word) > 4  # somebody's handle


def _is_punctuated(word: str) -> bool:
    """A missing space after `!` (cigar!Please) or alternatives (html|xhtml), rather than a letter in disguise."""
    if re.search(r"[a-z]![A-Z]", word):
        return True
    return "|" in word and (len(word) > 8 or word.count("|") > 2)


def _mostly_signs(word: str) -> bool:
    """a$$ has one letter and is a word all the same."""
    return word[0].isalpha() and word[1:] in ("$$", "$s", "s$")


def join_letters(match: re.Match[str]) -> Kept | None:
    """The letters of `k i l l` or `d.r.u.g`, together; leet among them is read in the next step."""
    word = match[0]
    places = range(0, len(word), 2)
    letters = [word[i] for i in places]
    if sum(c.isalpha() for c in letters) * 2 < len(letters) or len({c.lower() for c in letters}) == 1:
        return None
    return "".join(letters), places


def join_spaced(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """
    The step that joins letters spaced out; words of two and three too, where longer ones have the same mark between.

    Alone, `a.m.` and `U.S.A` are what they seem.
    """

    def step(found: Found) -> Found:
        marks = [match[1] or "." for match in SPACED_OUT.finditer(found.text)]
        if marks:
            found = rewritten(found, SPACED_OUT, join_letters)
        for mark, pattern in _PAIRS.items():
            if marks.count(mark) >= 2:
                found = rewritten(found, pattern, join_letters)
        return found

    return step


def shorten(match: re.Match[str]) -> Kept | None:
    """kiiill to kill: a run of three or more becomes one or two, as English words have them."""
    word = match[0]
    if len(set(word.lower())) == 1 or _ROMAN.fullmatch(word):
        return None
    runs = list(_RUN.finditer(word))
    for lengths in itertools.product((1, 2), repeat=len(runs)) if len(runs) < 6 else ():
        kept = _with_runs(word, runs, lengths)
        if "".join(word[i] for i in kept).lower() in ranks():
            return "".join(word[i] for i in kept), kept
    likely = [2 if run[1].lower() in ("lsfz" if run.end() == len(word) else "eolsftpbgmnrdz") else 1 for run in runs]
    kept = _with_runs(word, runs, likely)
    return "".join(word[i] for i in kept), kept


def _with_runs(word: str, runs: Sequence[re.Match[str]], lengths: Sequence[int]) -> list[int]:
    """Places of the word's letters, of each run only so many."""
    kept: list[int] = []
    at = 0
    for run, length in zip(runs, lengths, strict=True):
        kept += range(at, run.start() + length)
        at = run.end()
    return [*kept, *range(at, len(word))]
