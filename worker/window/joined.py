"""Words joined by signs, tagged, one on a line, or in leet without spaces: read as a sentence where they are one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from worker.window.cut import LOOKS, cheapest, price_of, word_costs
from worker.window.disguise import Kept
from worker.window.words import anywhere, ranks, split

JOINED_WORDS: Final = re.compile(
    r"(?<![^\s\"(#])#?[A-Za-z']+([-_/.•·|~+=:;,*^])[A-Za-z']+(?:\1[A-Za-z']+)+(?=[.!?]?(?!\S))"
)
LINES: Final = re.compile(r"(?m)^[ \t]*\S+[ \t]*(?:\n\s*\S+[ \t]*){3,999}$")
TAGS: Final = re.compile(r"(?<!\S)#[A-Za-z']+[.,!?]?(?:\s+#[A-Za-z']+[.,!?]?){3,}(?!\S)")
TAG: Final = re.compile(r"(?<!\S)#([A-Za-z]{12,200})(?!\w)")
_SMALL: Final = 150  # places by frequency
LEET_RUN: Final = re.compile(r"(?<!\S)(?=\S*[A-Za-z][0-9@$!|€][A-Za-z])[A-Za-z0-9@$!|€]{14,600}(?=[.?]?(?!\S))")
_ANYWHERE: Final = (1.5, 0.0)  # what a border costs, and none
_SENTENCE: Final = 5  # words
_GOOD: Final = 2.4  # nats a letter
_MAY_JOIN: Final = anywhere(
    r"[A-Za-z'](?:(?:-[A-Za-z']+){3}|(?:_[A-Za-z']+){2}|(?:/[A-Za-z']+){2}|(?:\.[A-Za-z']+){2}"
    r"|(?:[•·|~+=:;,*^][A-Za-z']+){2})"
    r"|(?:^|\s)[A-Za-z0-9@$!|€]*[A-Za-z][0-9@$!|€][A-Za-z][A-Za-z0-9@$!|€]{10}"
    r"|(?:^|\s)#[A-Za-z]{12}|(?:\s#[A-Za-z']+[.,!?]?\s+#)|(?:^|\n)[ \t]*\S+[ \t]*(?:\n\s*\S+[ \t]*){3}(?:\n|$)"
)


def may_be_joined(text: str) -> bool:
    """Cheap: whether words are joined by signs, tagged, or stand on lines of their own."""
    return _MAY_JOIN(text)


def part_words(match: re.Match[str]) -> Kept | None:
    """kill_all_of_them; compounds, lists, names of files and of variables stay."""
    mark, text = match[1], match[0]
    words = text.strip("#").lower().split(mark)
    known = ranks()
    whole = 2 * len(text) > len(match.string)
    few = 2 if whole and mark not in "-/." else 3 if whole else 4
    small = sum(known.get(word, _SMALL) < _SMALL for word in words)
    if len(words) <= few or small < (2 if whole else 3) or sum(word not in known for word in words) > len(words) // 5:
        return None
    return text.replace(mark, " "), range(len(text))


def one_line(match: re.Match[str]) -> Kept | None:
    """Words that stand on a line each."""
    places = [i for i, c in enumerate(match[0]) if not c.isspace() or not match[0][i - 1].isspace()]
    words = match[0].lower().split()
    known = ranks()
    if any(len(line.split()) > 1 for line in match[0].split("\n")) or _too_strange(words):
        return None
    if sum(known.get(word, _SMALL) < _SMALL for word in words) < 2:
        return None
    return "".join(" " if match[0][i].isspace() else match[0][i] for i in places), places


def untag(match: re.Match[str]) -> Kept | None:
    """#kill #all #of #them; tags that name subjects have no small words."""
    words = match[0].replace("#", "").lower().split()
    if sum(ranks().get(word, _SMALL) < _SMALL for word in words) < 2 or _too_strange(words):
        return None
    places = [i for i, c in enumerate(match[0]) if c != "#"]
    return "".join(match[0][i] for i in places), places


def split_tag(match: re.Match[str]) -> Kept | None:
    """#KillAllOfThem, #killallofthem: a sentence of five words or more."""
    word = match[1]
    parts = split(word)
    small = sum(ranks().get(word[a:b].lower(), _SMALL) < _SMALL for a, b, _ in parts)
    fewest = 4 if 2 * len(word) > len(match.string) else 7
    if len(parts) < fewest or small < 2 or len(word) < 3 * len(parts) or not all(known for _, _, known in parts):
        return None
    return _spaced(word, [a for a, _, _ in parts[1:]], 1)


def part_leet(match: re.Match[str]) -> Kept | None:
    """1w1llk1llu; keys and names are no sentence, and leet is read later."""
    word = match[0]
    letters, costs = word.lower().translate(LOOKS), word_costs(leet=True)
    ends = cheapest(letters, [_ANYWHERE] * len(letters), costs)
    parts = list(zip([0, *ends], ends, strict=False))
    paid, unknown = price_of(letters, parts, costs)
    if len(parts) < _SENTENCE or unknown > len(word) // 10 or paid > _GOOD * len(word) or len(word) < 3 * len(parts):
        return None
    return _spaced(word, ends[:-1], 0)


def _spaced(word: str, ends: Sequence[int], first: int) -> Kept:
    """A space behind each part, standing for the letter after it; the word begins at `first` of its match."""
    starts = {*ends}
    places = [first + at for at in range(len(word)) for _ in range(2 if at in starts else 1)]
    return "".join(" " + c if at in starts else c for at, c in enumerate(word)), places


def _too_strange(words: Sequence[str]) -> bool:
    return sum(word.strip(".,!?") not in ranks() for word in words) > len(words) // 4
