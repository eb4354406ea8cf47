"""
Letters that stand for others or stand among others: shifted alphabets, language games, fillers, two lines by turns.
Undone only when the text is no words as it stands, and words then.
"""

from __future__ import annotations

import itertools
import operator
import re
import string
from collections import Counter
from collections.abc import Callable, Collection
from typing import Final

from worker.window.disguise import Found, Kept, Rewritten
from worker.window.words import ranks, share_known

TEXT: Final = re.compile(r".+", re.DOTALL)
LINE: Final = re.compile(r"[^\n]{8,}")
LINES: Final = re.compile(r"(?<![^\n])[^\n]{6,}(?<!:)\n[^\n]{6,}(?![^\n])")  # an announcement ends with a colon

_UP, _LOW = string.ascii_uppercase, string.ascii_lowercase
_VISIBLE: Final = "".join(map(chr, range(33, 127)))
_KEYS: Final = ("qwertyuiop[", "asdfghjkl;'", "zxcvbnm,./")
_LEFT, _RIGHT = "".join(row[:-1] for row in _KEYS), "".join(row[1:] for row in _KEYS)
_ALPHABETS: Final = (
    *(str.maketrans(_LOW + _UP, _LOW[n:] + _LOW[:n] + _UP[n:] + _UP[:n]) for n in range(1, 26)),
    str.maketrans(_LOW + _UP, _LOW[::-1] + _UP[::-1]),  # Atbash
    str.maketrans(_VISIBLE, _VISIBLE[47:] + _VISIBLE[:47]),  # ROT47
    str.maketrans(_RIGHT, _LEFT),
    str.maketrans(_LEFT, _RIGHT),
)
_TOKEN: Final = re.compile(r"(?<!@)\b[a-z]+(?:'[a-z]+)?")
_CONSONANT: Final = "[b-df-hj-np-tv-z]"
_INSERTED: Final = re.compile(rf"(?=([aeiou]{_CONSONANT}{{1,2}}(?:[aeiou]{_CONSONANT})?)[aeiouy])")
_GAMES: Final = (
    re.compile(rf"({_CONSONANT})(?:o|u)\1"),  # kokilollol
    re.compile(r"([aeiou]{1,3})(?:p|f|g|b|s|l|lef|v)\1"),  # kipill
)
_FILLED: Final = re.compile(r"(?<![^\W_])[^\W\d_](\S)(?:[^\W\d_]\1){1,30}(?![^\W_])")
_SAMPLE: Final = 600  # characters: enough to tell words from noise, whatever the length
_PLAIN: Final = 0.35  # of the letters in known words: from there on a line is read as it stands
_HALF: Final = 0.5  # the same where a game leaves short words alone
_CLEAR: Final = 0.72
_NEXT: Final = 0.6  # of the best alphabet's share that the second may have
_FEW: Final = 3


def may_be_shifted(text: str) -> bool:
    """Cheap: whether half of the words behind an announcement, or in some line, are unknown."""
    known, lower = ranks(), text.lower()
    for part in (lower, lower.partition(": ")[2], *(lower.split("\n") if "\n" in lower else ())):
        words = part.split()
        if len(part) >= 8 and 2 * sum(map(known.__contains__, words)) < len(words):
            return True
    return False


def may_be_filled(text: str) -> bool:
    """Cheap: whether a sixth of its characters are the same as the next but one."""
    return len(text) >= 8 and sum(map(operator.eq, text, text[2:])) > len(text) // 6


def from_shift(match: re.Match[str]) -> Kept | None:
    """Each letter moved by the same number, the alphabet turned round, or keys beside; also behind an announcement."""
    for at in sorted({0, match[0].find(": ") + 1, match[0].find("> ") + 1}, reverse=True):
        head, body = match[0][:at], match[0][at:]
        if table := _alphabet_of(body):
            turned = head.translate(table)  # a colon may be the cipher's own
            head = turned if share_known(turned) > share_known(head) else head
            return head + body.translate(table), range(len(match[0]))
    return None


def from_game(match: re.Match[str]) -> Kept | None:
    """A syllable before each vowel (kobill, oball), or a letter said again behind another (kokilollol, kipill)."""
    text, lower = match[0], match[0].lower()
    tokens = set(_TOKEN.findall(lower[:_SAMPLE]))
    if len(lower) != len(text) or _share(tokens) >= _HALF:
        return None
    often = Counter(found for token in tokens for found in _INSERTED.findall(token)).most_common(_FEW)
    for kept, least in (
        *((_without_syllable(lower, syllable), _FEW - 1) for syllable, times in often if times >= _FEW),
        *((_without_again(game, lower), _FEW) for game in _GAMES),
    ):
        said = "".join(text[i] for i in kept)
        words = set(_TOKEN.findall(said[:_SAMPLE].lower()))
        if len(words - tokens) >= least and _sense(" ".join(words)) >= _CLEAR:
            return said, kept
    return None


def from_rails(match: re.Match[str]) -> Kept | None:
    """Two lines that are read by turns, a letter of each."""
    half, text = match[0].index("\n"), match[0].replace("\n", "", 1).replace("_", " ")
    if 2 * half - len(text) not in (0, 1) or share_known(match[0]) >= _PLAIN:
        return None
    pairs = itertools.zip_longest(range(half), range(half, len(text)))
    places = [i for pair in pairs for i in pair if i is not None]
    said = "".join(text[i] for i in places)
    return (said, [i + (i >= half) for i in places]) if _sense(said) >= _CLEAR else None


def without_fillers(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that takes out a sign put behind every letter."""

    def step(found: Found) -> Found:
        often = Counter(match[1].lower() for match in _FILLED.finditer(found.text)).most_common(1)
        if not often:
            return found
        pair = rf"[^\W\d_]{re.escape(often[0][0])}"
        filled = re.compile(rf"(?<![^\W_]){pair}(?:['’-]?{pair})*[^\W\d_]?(?![^\W_])", re.IGNORECASE)
        said = " ".join(_unfilled(match, pair)[0] for match in filled.finditer(found.text))
        return rewritten(found, filled, lambda m: _unfilled(m, pair)) if _sense(said) >= _CLEAR else found

    return step


def _alphabet_of(text: str) -> dict[int, int] | None:
    """The one alphabet in which `text` is words, when it is none as it stands."""
    sample = text[:_SAMPLE]
    if share_known(sample) >= _PLAIN:
        return None
    shares = [_sense(sample.translate(table)) for table in _ALPHABETS]
    second, best = sorted(shares)[-2:]
    return _ALPHABETS[shares.index(best)] if best >= _CLEAR and second < _NEXT * best else None


def _without_syllable(lower: str, syllable: str) -> list[int]:
    """Places that stay; where it stands thrice in a row, the one in the middle is the word's own."""
    kept: list[int] = []
    at = 0
    for run in re.finditer(rf"(?:{syllable})+(?=[aeiouy])", lower):
        own = (len(run[0]) // len(syllable) - 1) // 2
        kept += range(at, run.start() + own * len(syllable))
        at = run.end()
    return [*kept, *range(at, len(lower))]


def _without_again(game: re.Pattern[str], lower: str) -> list[int]:
    """Places that stay when nothing is said again."""
    again = {i for one in game.finditer(lower) for i in range(one.end(1), one.end())}
    return [i for i in range(len(lower)) if i not in again]


def _unfilled(match: re.Match[str], pair: str) -> tuple[str, list[int]]:
    fillers = {one.end() - 1 for one in re.finditer(pair, match[0], re.IGNORECASE)}
    kept = [i for i in range(len(match[0])) if i not in fillers]
    return "".join(match[0][i] for i in kept), kept


def _sense(text: str) -> float:
    """How much of the letters in words of three letters and more belongs to known ones; 0 for fewer than eight."""
    words = [word for word in _TOKEN.findall(text.lower()) if len(word) >= _FEW]
    return _share(words) if sum(map(len, words)) >= 8 else 0.0


def _share(words: Collection[str]) -> float:
    letters = sum(map(len, words))
    return sum(len(word) for word in words if word in ranks()) / letters if letters else 1.0
