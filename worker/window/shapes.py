"""Letters built of signs (|< 1 |_ |_, /-\\, \\/\\/), and letters drawn out in pairs and more."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Final

from worker.window.disguise import Found, Kept, Rewritten
from worker.window.words import anywhere, paths, ranks

_MOST: Final = 150  # words that are looked at
_FEWEST: Final = 2
_SO: Final = 3  # words written so that make it the way of the text
# Letters drawn out: in a text where two words have runs of three, pairs and lone letters too.
DRAWN: Final = re.compile(r"(?<![\w@#/.'’-])[A-Za-z]{2,60}(?![\w@/]|['’]\w|\.\w)")
_TRIPLE: Final = re.compile(r"([A-VYZa-vyz])\1\1+", re.IGNORECASE)
_RUN: Final = re.compile(r"([a-z])\1+")
_DRAWN_SHARE: Final = 0.25  # of the words
_RARER: Final = 200  # times rarer is what a pair makes of a word by chance: oof, iin


def may_be_drawn(text: str) -> bool:
    """Whether two words have a letter three times in a row."""
    return len(list(itertools.islice(_drawn(text), _FEWEST))) == _FEWEST


def _drawn(text: str) -> Iterator[re.Match[str]]:
    """Runs of three within words: AAA and III are what they seem."""
    for run in _TRIPLE.finditer(text):
        if text[run.start() - 1 : run.start()].isalpha() or text[run.end() : run.end() + 1].isalpha():
            yield run


def undraw(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that shortens runs of letters, pairs as well."""

    def step(found: Found) -> Found:
        drawn = sum(1 for _ in _drawn(found.text))
        if drawn < _FEWEST or drawn < _DRAWN_SHARE * len(found.text.split()):
            return found
        return rewritten(found, DRAWN, _undrawn)

    return step


def _undrawn(match: re.Match[str]) -> Kept | None:
    kept = _shortened(match[0].lower())
    return None if kept is None else ("".join(match[0][i] for i in kept), kept)


@functools.lru_cache(4096)
def _shortened(word: str) -> tuple[int, ...] | None:
    """The places of the letters that make the most frequent word."""
    if _RUN.search(word) is None:
        return None
    ends = {run.start(): run.end() for run in _RUN.finditer(word)}

    def units(at: int) -> Iterator[tuple[int, str]]:
        yield ends.get(at, at + 1), word[at]
        if at in ends:
            yield ends[at], 2 * word[at]

    options = [(ranks()[meant], kept) for meant, kept in paths(len(word), units)]
    if not options or min(options)[0] * _RARER > ranks().get(word, _RARER * len(ranks())):
        return None
    return min(options)[1]


SHAPES: Final = re.compile(r"\S{1,80}")
_SHAPES: Final = dict(
    pair.split(" ")
    for pair in r"""|< k,|{ k,|_| u,|\/| m,/\/\ m,|\| n,/\/ n,\/\/ w,/-\ a,/\ a,() o,[] o,|3 b,|) d,[) d,|-| h,|= f
ph f,_| j,|_ l,|* p,|> p,|2 r,\/ v,>< x,`/ y,vv w,| li,! il,1 il,0 o,3 e,4 a,5 s,6 bg,7 tl,8 b,9 g,2 zr,@ a,$ s,€ e
& e,¢ c,( c,< c,[ c,{ c,^ a,# h,+ t,† t,¥ y,§ s,µ u,μ u,ß b,¡ i,ü u,% x,£ l""".replace("\n", ",").split(",")
) | {"0,": "q"}  # fmt: skip
_LONGEST_SHAPE: Final = max(map(len, _SHAPES))
_SIGN_OR_SHAPE: Final = (
    r"[A-Za-z][|<(\[{+†¥§µß¡#&%^$€£@0-9!]+[A-Za-z]|[|\\/(][\\/|<>)_=*0-9-]|[†¥§µß¡ü]|vv|[0-9@$#&+|<({\[][A-Za-z]{2}"
)
_MAY_BE_SHAPES: Final = anywhere(_SIGN_OR_SHAPE)
_ANY_SHAPE: Final = re.compile(_SIGN_OR_SHAPE)
_TAIL: Final = ".,?!;:)\"'"
_SIGNED_SHARE: Final = 0.34  # of the chunks have such letters,
_WORDS_SHARE: Final = 0.7  # and so many are words then


def may_be_shapes(text: str) -> bool:
    """Whether three signs stand where letters do."""
    if not _MAY_BE_SHAPES(text):
        return False
    return sum(1 for _ in itertools.islice(_ANY_SHAPE.finditer(text), _SO)) == _SO


def read_shapes(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that reads letters built of signs, in a text that becomes words by it."""

    def step(found: Found) -> Found:
        return rewritten(found, SHAPES, _read_chunk) if may_be_shapes(found.text) and _in_shapes(found.text) else found

    return step


def _in_shapes(text: str) -> bool:
    chunks = text.split()[:_MOST]
    signed = [chunk for chunk in chunks if not (chunk.isascii() and chunk.strip(_TAIL).isalpha())]
    read = [(chunk, one[0]) for chunk in signed if (one := _lattice(chunk)) is not None]
    long = sum(len(word) > 2 for _, word in read)
    words = len(read) + sum(chunk.strip(_TAIL).lower() in ranks() for chunk in chunks if chunk not in signed)
    return long >= _SO and len(read) >= _SIGNED_SHARE * len(chunks) and words >= _WORDS_SHARE * len(chunks)


def _read_chunk(match: re.Match[str]) -> Kept | None:
    chunk = match[0]
    if chunk.strip(_TAIL).lower() in ranks() or (chunk.isalpha() and chunk.isascii()):
        return None
    found = _lattice(chunk) or _guessed(chunk)
    return None if found is None else (found[0], found[1])


@functools.lru_cache(4096)
def _lattice(chunk: str) -> tuple[str, tuple[int, ...]] | None:
    """The most frequent word that the signs of `chunk` can be read as, marks at its end left, and its places."""
    lower, tail = chunk.lower(), len(chunk.rstrip(_TAIL))
    for end in dict.fromkeys((len(chunk), *range(max(tail, len(chunk) - 3), len(chunk)), tail)):
        words = list(paths(end, functools.partial(_units, lower[:end])))
        if words:
            word, places = min(words, key=lambda found: ranks()[found[0]])
            return word + chunk[end:], (*places, *range(end, len(chunk)))
    return None


def _units(chunk: str, at: int) -> Iterator[tuple[int, str]]:
    """Where a shape that starts at `at` ends, and a letter that it may be."""
    if chunk[at].isalpha() or chunk[at] == "'":
        yield at + 1, chunk[at]
    for end in range(at + 1, min(at + _LONGEST_SHAPE, len(chunk)) + 1):
        for letter in _SHAPES.get(chunk[at:end], ""):
            yield end, letter


def _guessed(chunk: str) -> tuple[str, tuple[int, ...]] | None:
    """The likeliest letters, the longest shapes first; None for numbers and what has other signs."""
    word, places, at, body = "", [], 0, chunk.rstrip(_TAIL)
    while at < len(body):
        size = next((n for n in range(_LONGEST_SHAPE, 0, -1) if body[at : at + n].lower() in _SHAPES), 1)
        word += _SHAPES.get(body[at : at + size].lower(), body[at])[0]
        places.append(at)
        at += size
    if len(word) < 2 or body.isdigit() or not word.replace("'", "").isalpha():
        return None
    return word + chunk[len(body) :], (*places, *range(len(body), len(chunk)))
