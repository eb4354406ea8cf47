"""Letters and words pulled apart or pushed together, cut again where the words of the language end."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from worker.window.cut import LOOKS, Gaps, Kind, Spans, likeliest, price_of, word_costs
from worker.window.disguise import Kept
from worker.window.words import anywhere, ranks

PASSAGE: Final = re.compile(r"[\s\S]+")
_PIECE: Final = re.compile(r"[A-Za-z0-9]+|(?<=([ ._*·-]))[@$!](?=\1)")
_NO_PROSE: Final = re.compile(
    r"://|www\.|@\w+\.\w|(?<!\w)[@#]\w{2}|\w{2}\.(?:com|org|net|io|txt|pdf|py|js|exe|html?)\b"
)
_CHUNK: Final = re.compile(r"\S+")
_MAY_BE_NO_PROSE: Final = re.compile(r"[@#]\w|\w\.\w|://")
_OTHER_LETTER: Final = re.compile(r"[^\W_]")
_DRAWN: Final = re.compile("[\u200d\ufe0f\U0001f3fb-\U0001f3ff]")
_PICTURES: Final = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff][\u200d\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]*")
_SURE: Final = re.compile("[_`^|~*•\u2190-\u2bff\U0001f300-\U0001faff]+")
_NUMBER: Final = re.compile(r"\d\d+|\d+[a-z]{1,2}|[a-z]{1,2}\d+")
_LETTERS: Final = re.compile("[a-z']+")
_MOSTLY: Final = 0.7  # of the words are known: no need to look closer
_SOME: Final = 4  # words
_FEW: Final = 3
_STRANGE: Final = 0.25  # of the words
_FAR: Final = 0.55  # of the cost before: ordinary passages hardly ever get so much cheaper
_VERY_FAR: Final = 0.4
_GOOD: Final = 2.6  # nats a letter; other languages cut into English words cost more
_STRANGE_AFTER: Final = 0.15  # of the letters
_SURELY_STRANGE: Final = 0.2
_NEAR_WORDS: Final = 6  # unchanged words within one stretch
_NEAR: Final = 8  # pieces between two strange ones of one passage
_MOST: Final = 25_000  # characters of a text that are looked at
_APOSTROPHES: Final = frozenset("'’`´")
_ENDINGS: Final = frozenset(["s", "d", "m", "ll", "re", "ve"])  # behind an apostrophe
_MAY: Final = anywhere(
    r"(?:^|[^A-Za-z0-9'’])[A-Za-z0-9@$](?:[^A-Za-z0-9]{1,9}[A-Za-z0-9@$!]){2}(?:[^A-Za-z0-9'’]|$)"
    r"|[A-Za-z][_`^|~*•][A-Za-z]|[A-Za-z][^\x00-\x7f\pL\pM‘’“”–—…\s]+[A-Za-z]"
    r"|(?:[A-Za-z](?:[-.,'/|+^~]|-?\n)[A-Za-z][^-.,'/|+^~\n]*){3}"
)
Edits = list[tuple[int, int, str]]


class Piece(NamedTuple):
    """A run of letters and digits of a text: the place it starts at, and itself in lower case."""

    at: int
    text: str

    @property
    def end(self) -> int:
        """The place behind its last character."""
        return self.at + len(self.text)


def may_be_apart(text: str) -> bool:
    """Cheap: whether letters stand alone, signs stand within words, or many words are strange."""
    if _MAY(text):
        return True
    known, lower = ranks().__contains__, text.lower()
    words = lower.split()
    if len(words) < _SOME or sum(map(known, words)) > _MOSTLY * len(words):
        return False
    words = _LETTERS.findall(lower)  # without the marks behind them
    return len(words) - sum(map(known, words)) >= max(_FEW, _STRANGE * len(words))


def read_apart(match: re.Match[str]) -> Kept | None:
    """The whole text, its strange passages cut into the words that are likeliest."""
    text = match[0]
    edits = [edit for passage in _passages(text) for edit in _edits(text, passage)]
    if not edits:
        return None
    new: list[str] = []
    places: list[int] = []
    at = 0
    for start, end, put in edits:
        new += (text[at:start], put)
        places += range(at, start)
        places += [min(start, len(text) - 1)] * len(put)
        at = end
    return "".join((*new, text[at:])), [*places, *range(at, len(text))]


def _passages(text: str) -> Iterator[list[Piece]]:
    """Pieces of the text around strange ones; addresses, numbers and other scripts stand between passages."""
    chunks = _CHUNK.finditer(text) if _MAY_BE_NO_PROSE.search(text) else ()
    kept = [chunk.span() for chunk in chunks if _NO_PROSE.search(chunk[0])]
    known = word_costs(leet=False)
    found: list[Piece] = []
    strange: list[int] = []
    end = held = 0
    for match in _PIECE.finditer(text, 0, _MOST):
        while held < len(kept) and kept[held][1] <= match.start():
            held += 1
        piece = Piece(match.start(), match[0].lower())
        barred = (held < len(kept) and kept[held][0] < match.end()) or _NUMBER.fullmatch(piece.text) is not None
        if found and (barred or match.start() - end > 12 or _OTHER_LETTER.search(text, end, match.start())):
            yield from _around(found, strange)
            found, strange = [], []
        end = match.end()
        if barred:
            continue
        if (
            known.get(piece.text, math.inf) == math.inf
            or (found and found[-1].end == piece.at)
            or (found and len(piece.text) == len(found[-1].text) == 1)
            or (found and not text[found[-1].end : piece.at].isspace())
        ):
            strange.append(len(found))
        found.append(piece)
    yield from _around(found, strange)


def _around(pieces: list[Piece], strange: list[int]) -> Iterator[list[Piece]]:
    at = 0
    for i, one in enumerate(strange):
        if i + 1 == len(strange) or strange[i + 1] - one > _NEAR:
            yield pieces[max(0, strange[at] - 3) : one + 4]
            at = i + 1


def _edits(text: str, pieces: list[Piece]) -> Edits:
    """[start, end) of the text and what to put there, for a passage; none when it reads well as it stands."""
    letters = "".join(piece.text for piece in pieces)
    if len(letters) < 4 or sum(c.isalpha() for c in letters) * 3 < len(letters):
        return []
    leet = not letters.isalpha()
    letters = letters.translate(LOOKS) if leet else letters
    gaps: Gaps = {}
    places = [at for piece in pieces for at in range(piece.at, piece.end)]
    at = 0
    for one, two in itertools.pairwise(pieces):
        at += len(one.text)
        gap = _DRAWN.sub("", text[one.end : two.at])
        if gap in _APOSTROPHES:
            ending = two.text == "s" or (two.text in _ENDINGS and one.text in ranks())
            gap = "'" if ending or f"{one.text}'{two.text}" in ranks() else ","
        gaps[at] = (gap, len(one.text) == len(two.text) == 1)
    ends = likeliest(letters, gaps, word_costs(leet=leet))
    return _put(text, letters, gaps, places, ends, word_costs(leet=leet))


def _put(text: str, letters: str, gaps: Gaps, places: list[int], ends: list[int], costs: dict[str, float]) -> Edits:
    """The edits of each stretch of changed words that reads far better so."""
    borders = {*ends}
    natural = {at for at, (gap, _) in gaps.items() if gap != "'"} | {len(letters)}
    moved = borders ^ natural
    joined = {gaps[at] for at in moved - borders if at in gaps}
    words = list(itertools.pairwise([0, *ends]))
    stretches: list[list[int]] = []  # first and last changed word
    for i, (a, b) in enumerate(words):
        if any(at in moved for at in range(a, b + 1)):
            if stretches and i - stretches[-1][1] <= _NEAR_WORDS:
                stretches[-1][1] = i
            else:
                stretches.append([i, i])
    edits: Edits = []
    for i, j in stretches:
        first, last = words[i][0], words[j][1]
        tokens = list(itertools.pairwise([first, *sorted(at for at in natural if first < at < last), last]))
        here = [at for at in moved if first < at < last]
        if _better(letters, gaps, tokens, words[i : j + 1], here, costs):
            for at in range(first + 1, last):
                span = places[at - 1] + 1, places[at]
                edits += _edit(gaps.get(at), at in borders, span, joined, _pictures(text[slice(*span)]))
    return edits


def _better(letters: str, gaps: Gaps, tokens: Spans, words: Spans, moved: list[int], costs: dict[str, float]) -> bool:
    """Whether words read far better than the tokens that stand there, and enough borders moved to be no slip."""
    if len({letters[a:b] for a, b in tokens}) < 3 - (len(moved) == 1):  # ha! ha! ha!
        return False
    before, _ = price_of(letters, tokens, costs)
    after, unknown = price_of(letters, words, costs)
    size = words[-1][1] - words[0][0]
    joined = [gaps[at] for at in moved if at in gaps]
    cut = len(moved) - len(joined)
    singles = sum(single for _, single in joined)
    if singles > 2 and singles > 0.6 * len(moved):  # letters that stand alone are odd enough
        return unknown <= 0.4 * size and any(b - a > 3 for a, b in words) and after < _FAR * before
    # Borders that move are as many as before; words that are only cut were compounds or another language.
    strange = _SURELY_STRANGE if after < _VERY_FAR * before else _STRANGE_AFTER
    if unknown > strange * size or after > min(_FAR * before, _GOOD * size) or cut > len(joined) + (len(joined) > 3):
        return False
    odd = sum(not gap.isspace() or "\n" in gap for gap, _ in joined)
    sure = sum("\n" in gap or _SURE.fullmatch(gap) is not None for gap, _ in joined)
    few = 4 if cut else 2 if after < _VERY_FAR * before and all(gap.isspace() for gap, _ in joined) else 3
    return len(moved) >= few or (cut == 0 and (odd > 1 or sure > 0))


def _pictures(gap: str) -> str:
    """The emoji in a gap, which may say as much as words."""
    return " ".join(found[0] for found in _PICTURES.finditer(gap))


def _edit(gap: Kind | None, border: bool, span: tuple[int, int], joined: set[Kind], pictures: str) -> Edits:
    """A gap that parts nothing goes, words that touch are parted, and a gap that parts letters elsewhere is a space."""
    if gap is None:
        return [(*span, " ")] if border else []
    if border:
        if gap not in joined and not gap[1]:
            return []
        if pictures and gap not in joined:
            return [(*span, f" {pictures} ")]
        stop = gap[0].strip()
        return [(*span, stop + " " if stop in (".", ",", "!", "?") and gap not in joined else " ")]
    return [(*span, "")] if gap[0] != "'" or gap[1] else []
