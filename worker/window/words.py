"""The words of ordinary messages, and what can be told with them: whether letters are words, and where words end."""

from __future__ import annotations

import bisect
import functools
import math
import re
from collections.abc import Callable, Iterator
from itertools import filterfalse
from pathlib import Path
from typing import Final

import re2

_FILE: Final = Path(__file__).with_name("words.txt")  # written by ops/quality/words.py, most frequent first
_TOKEN: Final = re.compile(r"[a-z]+(?:'[a-z]+)?")
_LONGEST: Final = 20
_UNKNOWN: Final = 11.0  # cost of a letter that belongs to no word, in nats
_WORD_OR_TWO: Final = 12  # characters
_STEPS: Final = 400  # of a search for words along paths
_STARS: Final = re.compile(r"[*#]")


@functools.cache
def ranks() -> dict[str, int]:
    """Each word with its place by frequency, from 0."""
    return {word: rank for rank, word in enumerate(_FILE.read_text("utf-8").split())}


def share_known(text: str) -> float:
    """How much of the letters of `text` belongs to known words: 0 to 1; 0 without letters."""
    known = ranks()
    tokens = _TOKEN.findall(text.lower())
    letters = sum(map(len, tokens))
    return sum(len(token) for token in tokens if token in known) / letters if letters else 0.0


def odd_words(text: str) -> bool:
    """Whether `text` may be words in another coding, or words taken apart: asked of every text, so it is cheap."""
    known, tokens = ranks(), _tokens(text.lower())
    unknown = list(filterfalse(known.__contains__, tokens))
    if not unknown:
        return False
    at = -1
    for token in unknown:  # in their order, so each is looked for behind the one before
        at = tokens.index(token, at + 1)
        if (at and tokens[at - 1] + token in known) or (at + 1 < len(tokens) and token + tokens[at + 1] in known):
            return True
    letters = sum(map(len, tokens))
    return letters >= 8 and sum(map(len, unknown)) > 0.65 * letters


def _tokens(lower: str) -> list[str]:
    """What `_TOKEN` finds; letters and spaces alone need no pattern."""
    words = lower.split()
    return words if lower.isascii() and "".join(words).isalpha() else _TOKEN.findall(lower)


def replaces(written: str, read: str) -> bool:
    """
    Whether `written` is noise to whoever reads words, and `read` is words: most letters are in no known word, or many
    and nearly all of `read`'s are in one.

    A classifier scores noise as it likes: harmless text in hex or drawn out was flagged four times as often as plain.
    """
    if len(read) <= _WORD_OR_TWO:
        return False
    plain = sum(c.isascii() and c.isalpha() for c in written)
    # What is no ASCII letter counts as unknown: look-alikes leave a few whole words by chance.
    before = share_known(written) * plain / max(1, sum(c.isalpha() for c in written))
    after = share_known(read)
    return (before < 0.35 and after >= 0.6) or (before < 0.6 and after >= 0.85 and after - before >= 0.3)


def reads_as_words(text: str) -> bool:
    """
    Whether decoded text says something: nearly all printable, mostly letters and spaces, mostly known words.

    Identifiers, hashes and pictures decode to nothing of the kind.
    """
    if len(text) < 4 or sum(c.isprintable() or c in "\n\t" for c in text) < 0.97 * len(text):
        return False
    plain = sum(c.isascii() and (c.isalpha() or c in " ,.'!?\n") for c in text)
    return plain >= 0.8 * len(text) and share_known(text) >= 0.6


def split(letters: str) -> list[tuple[int, int, bool]]:
    """
    [start, end) of the words in letters without spaces, and whether each is a known word; in order, covering all.

    The likeliest split when words are drawn by Zipf's law (Viterbi over ranks).
    """
    known, lower = ranks(), letters.lower()
    scale = math.log(len(known))
    best: list[tuple[float, int, bool]] = [(0.0, 0, True)]  # cost up to here, start of the last piece, is it a word
    for end in range(1, len(lower) + 1):
        options = [(best[end - 1][0] + _UNKNOWN, end - 1, False)]
        for start in range(max(0, end - _LONGEST), end):
            rank = known.get(lower[start:end])
            if rank is not None:
                options.append((best[start][0] + math.log((rank + 1) * scale), start, True))
        best.append(min(options))
    pieces: list[tuple[int, int, bool]] = []
    at = len(lower)
    while at:
        _, start, is_word = best[at]
        if pieces and not is_word and not pieces[-1][2]:
            pieces[-1] = (start, pieces[-1][1], False)  # letters of no word stay together
        else:
            pieces.append((start, at, is_word))
        at = start
    return pieces[::-1]


def says_something(hidden: str) -> bool:
    """Whether a hidden payload is a message: nobody hides words by chance, so a third of them known is enough."""
    shown = sum(c.isprintable() for c in hidden)  # emoji have joiners, which are not
    return len(hidden) >= 8 and shown >= 0.85 * len(hidden) and share_known(hidden) >= 0.35


def paths(size: int, units: Callable[[int], Iterator[tuple[int, str]]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """
    The known words that units make, and the places of their letters.

    units: from a place the ends of what may start there, each with the letters that it is read as.
    """
    known, words = ranks(), alphabetical()
    stack: list[tuple[int, str, tuple[int, ...]]] = [(0, "", ())]
    for _ in range(_STEPS):
        if not stack:
            return
        at, word, places = stack.pop()
        if at == size:
            if word in known:
                yield word, places
            continue
        for end, letters in units(at):
            next_word = bisect.bisect_left(words, word + letters)
            if next_word < len(words) and words[next_word].startswith(word + letters):
                stack.append((end, word + letters, (*places, *range(at, at + len(letters)))))


@functools.cache
def alphabetical() -> list[str]:
    """The known words."""
    return sorted(ranks())


def anywhere(pattern: str) -> Callable[[str], bool]:
    """The question whether `pattern` is anywhere in a text: a set answers at half a search's price."""
    return _question(re2.Set.SearchSet(), pattern)


def throughout(pattern: str) -> Callable[[str], bool]:
    """The question whether a text is `pattern` from its beginning to its end, asked in the same way."""
    return _question(re2.Set.FullMatchSet(), pattern)


def _question(asked: re2.Set, pattern: str) -> Callable[[str], bool]:
    asked.Add(pattern)
    asked.Compile()
    return lambda text: bool(asked.Match(text.encode(errors="surrogatepass")))


@functools.lru_cache(4096)
def resolve(starred: str) -> str | None:
    """The word that `f*ck` stands for, when one of that shape is clearly the most frequent; lower case."""
    shape = re.compile(_STARS.sub("[a-z]", starred.lower()))
    found = [(rank, word) for word, rank in ranks().items() if len(word) == len(starred) and shape.fullmatch(word)][:2]
    if not found or (len(found) == 2 and 2 * (found[0][0] + 1) > found[1][0] + 1):
        return None
    return found[0][1]
