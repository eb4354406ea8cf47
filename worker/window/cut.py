"""Letters cut into words, by how frequent words are and by how gaps of each kind are used around them."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from worker.window.words import ranks

Kind = tuple[str, bool]  # a gap, and whether letters stand alone around it
Gaps = dict[int, Kind]  # by the letter behind it
Spans = list[tuple[int, int]]
# Signs and digits as the letters they look like; i and l are one, as 1, ! and | may be either.
LOOKS: Final = str.maketrans("0134578962@$€!|l", "oieastbggzaseiii")
LONGEST: Final = 20  # letters of a word
_LETTER: Final = 11.0  # cost of a letter of no word, in nats
_TOKEN: Final = 12.0  # cost of an unknown word, and more for each letter
_TOKEN_LETTER: Final = 3.0
_FIRM: Final = 6  # gaps that a first guess counts for
_ROUNDS: Final = 3


@functools.cache
def word_costs(*, leet: bool) -> dict[str, float]:
    """Each word and each beginning of one, with its cost in nats by Zipf's law; infinite for a mere beginning."""
    scale = math.log(len(ranks()))
    costs: dict[str, float] = {}
    for word, rank in ranks().items():
        plain = word.replace("'", "")
        plain = plain.translate(LOOKS) if leet else plain
        costs.setdefault(plain, math.log((rank + 1) * scale))
    beginnings = {word[:i] for word in costs for i in range(1, len(word))}
    return dict.fromkeys(beginnings, math.inf) | costs


def likeliest(letters: str, gaps: Gaps, costs: dict[str, float]) -> list[int]:
    """
    Ends of the words. How likely a gap of a kind ends one is learnt from the passage itself (hard EM): the same space
    may stand between letters here and between words there.
    """
    seen = Counter(gaps.values())
    alone = Counter({gap: n for (gap, single), n in seen.items() if single})
    usual = max((_width(gap) for gap, _ in alone.most_common(1)), default=0)
    kinds: list[Kind] = [("", False)] * len(letters)
    for at, (gap, single) in gaps.items():
        kinds[at] = (gap if seen[gap, single] > 2 else _class(gap), single)
    share = {kind: _prior(kind, usual) for kind in set(kinds)}
    total = Counter(kinds[1:])
    ends: list[int] = []
    for _ in range(_ROUNDS):
        price = {kind: (-math.log(p), -math.log(1 - p)) for kind, p in share.items()}
        before, ends = ends, cheapest(letters, [price[kind] for kind in kinds], costs)
        if ends == before:
            break
        borders = Counter(kinds[at] for at in ends[:-1])
        share = {k: (borders[k] + _FIRM * _prior(k, usual)) / (total[k] + _FIRM) for k in share}
    return ends


def _width(gap: str) -> int:
    return sum(2 if c == "\n" else 1 for c in gap if c.isspace())


def _class(gap: str) -> str:
    """Rare gaps are known by their width, and whether signs are in them."""
    return " " * min(_width(gap), 3) + ("-" if gap == "-\n" else "." if gap.strip() else "")


def _prior(kind: Kind, usual: int) -> float:
    """How often a gap of a kind ends a word, before anything is read."""
    gap, single = kind
    if not gap:
        return 0.003
    if single:
        return 0.95 if _width(gap) > usual else 0.25
    if gap == "'":
        return 0.001
    return 0.5 if not _width(gap) or gap.strip() == "-" else 0.93


def cheapest(letters: str, prices: Sequence[tuple[float, float]], costs: dict[str, float]) -> list[int]:
    """The cheapest words (Viterbi); one of no dictionary may stand between two likely borders."""
    size = len(letters)
    best = [0.0] + [math.inf] * size
    back = [0] * (size + 1)
    edges = [at for at, (border, join) in enumerate(prices) if border < join] + [size]
    edge = 0
    for start in range(size):
        base = best[start] + (prices[start][0] if start else 0.0)
        paid = base
        if best[start + 1] > base + _LETTER:
            best[start + 1], back[start + 1] = base + _LETTER, start
        for end in range(start + 1, min(size, start + LONGEST) + 1):
            cost = costs.get(letters[start:end])
            if cost is None:
                break
            if paid + cost < best[end]:
                best[end], back[end] = paid + cost, start
            if end < size:
                paid += prices[end][1]
        while edges[edge] <= start:
            edge += 1
        if (start == 0 or edges[edge - 1] == start) and edges[edge] - start <= 2 * LONGEST:
            end = edges[edge]
            paid = base + _unknown(end - start) + sum(prices[at][1] for at in range(start + 1, end))
            if paid < best[end]:
                best[end], back[end] = paid, start
    ends = [size]
    while back[ends[-1]]:
        ends.append(back[ends[-1]])
    return ends[::-1]


def _unknown(size: int) -> float:
    return _LETTER if size == 1 else _TOKEN + _TOKEN_LETTER * size


def price_of(letters: str, spans: Spans, costs: dict[str, float]) -> tuple[float, int]:
    """What the words cost together, and how many letters are in unknown ones."""
    paid, unknown = 0.0, 0
    for a, b in spans:
        cost = costs.get(letters[a:b], math.inf)
        unknown += b - a if cost == math.inf else 0
        paid += _unknown(b - a) if cost == math.inf else cost
    return paid, unknown
