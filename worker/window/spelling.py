"""Words taken apart, run together or spelt with signs, read again by the words that people use."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Final

from worker.window.disguise import Found, Kept, Rewritten
from worker.window.words import ranks, resolve, share_known, split

RUN_TOGETHER: Final = re.compile(r"(?<!\S)(?=\S*[A-Za-z']{16})\S{18,3000}")
CAMEL: Final = re.compile(r"(?<![\w'@#/.%=&-])[A-Z]?[a-z']*(?:[A-Z][a-z']*){2,}(?![\w@/=%(]|[.]\w)")
SPLIT: Final = re.compile(r"(?<![^\W_]|['’@#])[A-Za-z]{2,}(?: [A-Za-z]{2,})+(?![^\W_]|['’-])")
STARRED: Final = re.compile(r"(?<![\w*#@/.-])[A-Za-z]+[*#]{1,3}(?:[A-Za-z]+[*#]{0,3})+(?![\w/*#])")
JOINED: Final = re.compile(r"(?<!\w)[A-Za-z]([,/|+^~;:=])[A-Za-z](?:\1[A-Za-z]){2,40}(?!\w)")
_JOINED_SHORT: Final = {
    mark: re.compile(rf"(?<!\w)[A-Za-z](?:{re.escape(mark)}[A-Za-z]){{1,2}}(?!\w)") for mark in ",/|+^~;:="
}
QUOTED: Final = re.compile(r"\A\s*[\"“”„«»'‘’`]{1,3}([^\"“”„«»`]{8,})[\"“”«»'’`]{1,3}[.!?]?\s*\Z")
_MARKED: Final = {mark: re.compile(rf"(?<=\w){re.escape(mark)}(?=\s|\Z)") for mark in ",;:.!|~*/-"}
_FEWEST_MARKED: Final = 5  # words
_PROSE: Final = 0.5  # of the letters are in known words
_MARKED_SO: Final = 0.8  # of the words
LEET: Final = re.compile(r"(?<![\w.@$!|/\\+:#&=%-])[A-Za-z0-9@$!|€¢()]{2,24}(?![\w@/\\+=%-]|[.:][\w/])")
LEET_THROUGHOUT: Final = re.compile(r"(?<![\w@/\\+:#&=%])[A-Za-z0-9@$!|€¢()']{1,24}(?![\w@/\\+=%])")
_EMOJI: Final = "\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001f64f\U0001f680-\U0001faff"
_DRAWN: Final = f"[{_EMOJI}][\ufe0f\u200d\U0001f3fb-\U0001f3ff]*"
EMOJI_INSIDE: Final = re.compile(f"(?<![A-Za-z])[A-Za-z](?:(?:{_DRAWN})+[A-Za-z])+(?![A-Za-z])")
EMOJI_GAP: Final = re.compile(f"(?<=[\\w'’,.!?]) ?(?:{_DRAWN} ?)+(?=[\\w'’])")
_LETTERS: Final = re.compile(r"[A-Za-z']+")
_NO_PROSE: Final = re.compile(r"[/=%_\\{}|]|@\w+\.\w|\d{3}|www\.|[a-z]\.(?:com|org|net|io)\b", re.IGNORECASE)
_HUMP: Final = re.compile(r"[A-Z]?[a-z']+|[A-Z]")
_SIGNS: Final = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "i", "|": "li", "€": "e", "¢": "c", "(": "c",
}  # fmt: skip
_STRANGE: Final = 0.2  # of a sentence's letters may belong to no known word
_SMALL: Final = 150  # places by frequency
_NO_NAME: Final = frozenset("$!|€¢")
_SOME: Final = 4  # words
_MANY: Final = 6
_FACES: Final = ":;=/\\|()<>-"  # what a message may end with, as in `:/`
_MEASURE: Final = re.compile(
    r"[$€¢]?\d+[.,\d]*[A-Za-z]{1,4}|[A-Za-z]{1,3}\d+|[A-Za-z]+\d{1,4}|[$€¢][A-Z]{1,5}", re.ASCII
)
_INSIDE: Final = re.compile(r"[A-Za-z][013457@$!|]+[A-Za-z]")


def read_starred(match: re.Match[str]) -> Kept | None:
    """f*ck, when one word of that shape is clearly the most frequent."""
    word = match[0]
    if len(word) < 4 or sum(c.isalpha() for c in word) < 2:
        return None
    found = resolve(word)
    return None if found is None else (found, range(len(word)))


def join_signs(match: re.Match[str]) -> Kept | None:
    """k/i/l/l, when that is a word: a list of letters is none."""
    places = range(0, len(match[0]), 2)
    word = match[0][::2]
    return (word, places) if word.lower() in ranks() else None


def join_short(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that joins k/i/l/l, and words of two and three letters where two longer ones are written so."""

    def step(found: Found) -> Found:
        marks = [match[1] for match in JOINED.finditer(found.text) if join_signs(match)]
        if marks:
            found = rewritten(found, JOINED, join_signs)
        for mark in sorted({mark for mark in marks if marks.count(mark) >= 2}):
            found = rewritten(found, _JOINED_SHORT[mark], join_signs)
        return found

    return step


def marked(text: str) -> str | None:
    """The mark that stands behind nearly every word, as in `x, y, z,`; None where none does."""
    words = text.split()
    if len(words) < _FEWEST_MARKED:
        return None
    last = words[0][-1:]
    said = sum(word[-1] == last for word in words)
    most = last in _MARKED and said >= _MARKED_SO * (len(words) - 1)
    return last if most and share_known(text) >= _PROSE else None


def unmark(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that takes that mark off."""

    def step(found: Found) -> Found:
        mark = marked(found.text)
        return found if mark is None else rewritten(found, _MARKED[mark], lambda match: ("", ()))

    return step


def unquote(match: re.Match[str]) -> Kept:
    """A text that is nothing but a quotation quotes nobody: it says what it says."""
    return match[1], range(match.start(1), match.end(1))


def join_emoji(match: re.Match[str]) -> Kept | None:
    """k🔥i🔥l🔥l."""
    places = [i for i, c in enumerate(match[0]) if c.isascii()]
    word = "".join(match[0][i] for i in places)
    return (word, places) if len(word) > 2 else None


def join_halves(match: re.Match[str]) -> Kept | None:
    """ki ll: halves of which one is no word, and which are one together."""
    known, text = ranks(), match[0]
    words = [(found.start(), found[0]) for found in re.finditer(r"[A-Za-z]+", text)]
    dropped: set[int] = set()
    i = 0
    while i + 1 < len(words):
        (_, one), (at, two) = words[i], words[i + 1]
        whole = (one + two).lower()
        if len(whole) > 3 and whole in known and (one.lower() not in known or two.lower() not in known):
            dropped.add(at - 1)
            i += 1
        i += 1
    if not dropped:
        return None
    kept = [i for i in range(len(text)) if i not in dropped]
    return "".join(text[i] for i in kept), kept


def split_camel(match: re.Match[str]) -> Kept | None:
    """HowDoIKill, when each part is a word: most names of programs are not."""
    known = ranks()
    parts = [(found.start(), found.end()) for found in _HUMP.finditer(match[0])]
    unknown = sum(b - a for a, b in parts if match[0][a:b].lower() not in known)
    if len(parts) < 3 or match[0].isupper() or unknown > (_STRANGE * len(match[0]) if len(parts) > _SOME else 0):
        return None
    return _between(match[0], parts) if _has_small_word(match[0], parts, 3) else None


def split_run(match: re.Match[str]) -> Kept | None:
    """howdoikill: a chunk without spaces that is nearly all words, three or more; addresses and code are none."""
    chunk = match[0]
    if _NO_PROSE.search(chunk.rstrip(_FACES)):
        return None
    parts: list[tuple[int, int]] = []
    unknown = letters = 0
    for run in _LETTERS.finditer(chunk):
        letters += len(run[0])
        for a, b, is_word in _pieces(run[0]):
            unknown += 0 if is_word else b - a
            parts.append((run.start() + a, run.start() + b))
    # A long word may be three short ones by chance; a sentence is many, most of them more than syllables.
    many = len(parts) > _SOME
    if len(parts) < 3 or letters < (2.5 if many else 3) * len(parts) or unknown > (_STRANGE * letters if many else 0):
        return None
    # `to` and `is` are small words too, where nothing looks like what is left of a long one.
    whole = len(parts) > _MANY and all(b - a > 1 or chunk[a] in "aAiI" for a, b in parts)
    return _between(chunk, parts) if _has_small_word(chunk, parts, 2 if whole else 3) else None


def _pieces(run: str) -> list[tuple[int, int, bool]]:
    return [(0, len(run), True)] if run.lower() in ranks() else split(run)


def _has_small_word(text: str, parts: list[tuple[int, int]], fewest: int) -> bool:
    """Sentences have words such as `the` and `you`; long words and names that fall into words have none."""
    known = ranks()
    return any(b - a >= fewest and known.get(text[a:b].lower(), _SMALL) < _SMALL for a, b in parts)


def read_signs(match: re.Match[str]) -> Kept | None:
    """h4te, k1ll, 7h3: any reading of the signs that is a word; measures, versions and prices stay."""
    word = match[0].rstrip("!|)")
    signs = [c for c in word if c in _SIGNS]
    if (
        not signs
        or len(word) < 3
        or not any(c.isalpha() for c in word)
        or any(c.isdigit() and c not in _SIGNS for c in word)
    ):
        return None
    if _MEASURE.fullmatch(word) or len(signs) > 6 or (word.isupper() and len(word) < 4):
        return None
    if any(c in "!|(" for c in signs) and not _INSIDE.search(word):
        return None
    found = _reading(word)
    return None if found is None else (found + match[0][len(word) :], range(len(match[0])))


def read_signs_boldly(match: re.Match[str]) -> Kept | None:
    """In a text that is written so throughout: short words as well, and those nobody knows as they look."""
    if match[0] == "!":  # by itself before a word
        return ("i", None) if match.string[match.end() : match.end() + 1] == " " else None
    word = match[0].rstrip("!)")
    found = _reading(word)
    if found is None:  # a bar at the end is a mark then, no letter
        word = match[0].rstrip("!|)")
        found = _reading(word)
    if word.startswith("@") and len(word) > 4 and not _NO_NAME.intersection(word):  # somebody's name
        return None
    if not any(c in _SIGNS for c in word) or any(c.isdigit() and c not in _SIGNS for c in word):
        return None
    if found is None:
        if sum(c.isalpha() for c in word) < 2:
            return None
        found = "".join(_SIGNS.get(c, c)[0] for c in word)
    return found + match[0][len(word) :], range(len(match[0]))


def _reading(word: str) -> str | None:
    """The most frequent word that the signs can be read as; None without one."""
    known = ranks()
    options = itertools.islice(itertools.product(*(_SIGNS.get(c, c) for c in word.lower())), 64)
    words = [found for found in map("".join, options) if found in known]
    return min(words, key=known.__getitem__) if words else None


def _between(text: str, parts: list[tuple[int, int]]) -> Kept | None:
    """A space before each part that follows another at once, standing for the letter after it."""
    starts = {b[0] for a, b in itertools.pairwise(parts) if a[1] == b[0]}
    if not starts:
        return None
    pieces: list[str] = []
    places: list[int] = []
    for i, c in enumerate(text):
        if i in starts:
            pieces.append(" ")
            places.append(i)
        pieces.append(c)
        places.append(i)
    return "".join(pieces), places
