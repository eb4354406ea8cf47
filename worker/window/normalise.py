"""
Text as its reader sees it: look-alikes, hidden characters, leet, spaced-out and drawn-out letters undone.

Ordinary text is left alone: each rule asks for a sign of disguise that ordinary writing does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from worker.window import encoded, fillers, hidden, marks, misspelt, spelling
from worker.window.confusables import SCRIPTS, STYLED
from worker.window.disguise import (
    DRAWN_OUT,
    LEET_WORD,
    Kept,
    join_spaced,
    read_leet,
    shorten,
    suspicious,
)
from worker.window.words import odd_words, replaces

Offsets = npt.NDArray[np.int32]
Step = Callable[["Normalised"], "Normalised"]

_SCRIPT_TABLE: Final = str.maketrans(SCRIPTS)
_STYLE_TABLE: Final = str.maketrans(STYLED)
_MARKS: Final = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
# Never seen: zero-width, bidi controls, tags, variation selectors, soft hyphen, fillers, and controls but \t\n\r.
_HIDDEN: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
)
# Joiners that a script or an emoji needs: between letters beyond Latin, Greek and Cyrillic, or inside an emoji.
_NEEDED: Final = re.compile(
    "(?<=[\u0600-\u109f])[\u200c\u200d](?=[\u0600-\u109f])|(?<=[\u2000-\U0001ffff])\u200d(?=[\u2190-\U0001ffff])"
    "|(?<=[\u00a9\u00ae\u2010-\u3299\U0001f000-\U0001ffff#*0-9])\ufe0f(?![\ufe00-\ufe0f\U000e0100-\U000e01ef])"
)
_HIDE: Final = re.compile(f"[{_HIDDEN}]+")
# What NFKC turns into plain letters and marks, but not spaces, signs such as ™, fractions or footnote numbers.
_FOLDED: Final = (
    "\u02b0-\u02b8\u02e0-\u02e4\u1d2c-\u1d6a\u1d78\u1d9b-\u1dbf\u2071\u207f\u2090-\u209c\u2102-\u2115\u2119-\u211d\u2124"
    "\u2126-\u2139\u2145-\u2149\u2160-\u2188\u2460-\u24ff\u2c7c\u2c7d\u3000\ufb00-\ufb06\uff04\uff10-\uff19\uff20-\uff3a\uff41-\uff5a"
    "\U0001d400-\U0001d7ff\U0001f110-\U0001f149"
)
_FOLD: Final = re.compile(f"[{_FOLDED}]+")
_STACK: Final = re.compile(f".?[{_MARKS}]+", re.DOTALL)
_STYLE: Final = re.compile(f"[{''.join(STYLED)}]+")
_WORD: Final = re.compile(r"[^\W\d_]+")
_ASCII_LETTER: Final = re.compile("[A-Za-z]")
_SCRIPT: Final = re.compile(f"[{''.join(SCRIPTS)}]")
_ODD: Final = re.compile(f"[{_HIDDEN}{_FOLDED}{_MARKS}{''.join(STYLED)}{''.join(SCRIPTS)}]")
_WIDE: Final = re.compile("[\uff01-\uff5e]+")
_WIDE_LETTER: Final = re.compile("[\uff21-\uff3a\uff41-\uff5a]")
_CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ROUNDS: Final = 8
_WRITTEN_SO: Final = 3  # words of one disguise that make it the way the text is written
_ORDINARY: Final = frozenset({"drawn_out", "filled", "marked", "misspelt", "quoted"})


class Normalised:
    """
    A normalised text and the way back.

    text: what the models and lists read beside the original.
    starts, ends: int32 [len(text)]: character i stands for the original's characters [starts[i], ends[i]); not sorted
    where the text stood backwards.
    undone: the disguises that were taken off, by name, in alphabetical order; letters drawn out and slips of the
    finger are ordinary.
    replaces: True when the text as written says nothing to a model that reads words, and this one does.
    """

    __slots__ = ("ends", "replaces", "starts", "text", "undone")

    def __init__(self, text: str, starts: Offsets, ends: Offsets, undone: tuple[str, ...] = ()) -> None:
        self.text, self.starts, self.ends, self.undone = text, starts, ends, undone
        self.replaces = False

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Characters [start, end) of the normalised text to [start, end) of the original."""
        if start >= end or start >= len(self.text):
            at = int(self.starts[start]) if start < len(self.text) else int(self.ends[-1]) if len(self.text) else 0
            return at, at
        return int(self.starts[start:end].min()), int(self.ends[start:end].max())


def normalise(text: str) -> Normalised | None:
    """
    `text` as its reader sees it; None when nothing that matters changes. Pure, and total: any string will do.

    Hidden characters alone give an empty text, not None. Normalising what it gives changes nothing more.
    """
    if (
        not suspicious(text)
        and (text.isascii() or not _odd(text))
        and not odd_words(text)
        and not spelling.QUOTED.match(text)
        and spelling.marked(text) is None
        and not misspelt.slips(text)
        and not misspelt.pig_latin(text)
        and not fillers.filled(text)
    ):
        return None
    found = Normalised(text, np.arange(len(text), dtype=np.int32), np.arange(1, len(text) + 1, dtype=np.int32))
    undone: set[str] = set()
    for _ in range(_ROUNDS):
        before = found.text
        for name, step in _CHARACTER_STEPS if not before.isascii() else _PLAIN_STEPS:
            after = step(found)
            if after.text != found.text:
                undone.add(name)
            found = after
        if found.text == before:
            break
    if found.text == text:
        return None
    found.undone = tuple(sorted(undone - _ORDINARY))
    found.replaces = replaces(text, found.text)
    return found


def _odd(text: str) -> bool:
    """Whether a character is there that some rule knows, or emoji stand where letters or spaces do."""
    if _ODD.search(text) or hidden.FLAGS.search(text) or spelling.EMOJI_INSIDE.search(text):
        return True
    return len(spelling.EMOJI_GAP.findall(text)) >= _WRITTEN_SO


def _apply(pattern: re.Pattern[str], rule: Callable[[re.Match[str]], Kept | None]) -> Step:
    return lambda found: _rewritten(found, pattern, rule)


def _deleted(found: Normalised) -> Normalised:
    """Backspaces done, line by line."""
    if "\x08" not in found.text and "\x7f" not in found.text:
        return found
    return _rewritten(found, hidden.DELETED, hidden.delete)


def _without_hidden(found: Normalised) -> Normalised:
    """Characters that are never seen taken out, but for joiners that a script or an emoji needs."""
    needed = {m.start() for m in _NEEDED.finditer(found.text)}
    needed.update(i for m in hidden.FLAG_OF_A_PART.finditer(found.text) for i in range(*m.span()))
    return _rewritten(found, _HIDE, lambda m: _unhidden(m, needed))


def _looks(found: Normalised) -> Normalised:
    """Compatibility forms folded, stacked marks off, look-alikes to Latin."""
    wide = len(_WIDE_LETTER.findall(found.text)) >= _WRITTEN_SO and not _CJK.search(found.text)
    found = _rewritten(found, _WIDE if wide else _FOLD, marks.folded)
    found = _rewritten(found, _FOLD, marks.folded) if wide else found
    stacked = sum(marks.unstacked(match) is not None for match in _STACK.finditer(found.text))
    found = _rewritten(found, _STACK, marks.unmarked if stacked >= _WRITTEN_SO else marks.unstacked)
    found = _rewritten(found, _STYLE, lambda m: (m[0].translate(_STYLE_TABLE), range(len(m[0]))))
    return _latinised(found) if _SCRIPT.search(found.text) else found


def _leet(found: Normalised) -> Normalised:
    """Signs read as letters; in a text that is written so throughout, in its short words too."""
    plain = _rewritten(found, spelling.LEET, spelling.read_signs)
    plain = _rewritten(plain, LEET_WORD, read_leet)
    changed = sum(a != b for a, b in zip(found.text.split(), plain.text.split(), strict=False))
    return _rewritten(plain, spelling.LEET_THROUGHOUT, spelling.read_signs_boldly) if changed >= _WRITTEN_SO else plain


def _without_emoji(found: Normalised) -> Normalised:
    """Emoji in at least half of the gaps between words are no decoration."""
    text = found.text
    gaps = len(spelling.EMOJI_GAP.findall(text))
    if gaps < _WRITTEN_SO or 2 * gaps < len(text.split()) // 2:
        return found
    return _rewritten(found, spelling.EMOJI_GAP, lambda m: (" ", None))


def _when(asked: Callable[[str], bool], pattern: re.Pattern[str], rule: Callable[[re.Match[str]], Kept | None]) -> Step:
    return lambda found: _rewritten(found, pattern, rule) if asked(found.text) else found


def _unhidden(match: re.Match[str], needed: set[int]) -> Kept | None:
    kept = [i for i in range(len(match[0])) if match.start() + i in needed]
    return None if len(kept) == len(match[0]) else ("".join(match[0][i] for i in kept), kept)


def _latinised(found: Normalised) -> Normalised:
    """Look-alikes of other scripts to Latin, in words that hold Latin letters or stand in a Latin text."""
    text = found.text
    latin = sum(map(len, re.findall(r"[A-Za-z]+", text)))
    words = [m for m in _WORD.finditer(text) if not m[0].isascii()]
    foreign = [m for m in words if _SCRIPT.search(m[0]) or not _is_latin(m[0])]
    # A text in a real script has letters that no Latin letter looks like; one made of look-alikes alone has none.
    real = sum(1 for m in foreign for c in m[0] if not c.isascii() and c not in SCRIPTS and not _is_latin(c))
    letters = sum(len(m[0]) for m in foreign)
    disguised = real == 0 and (latin > 0 or letters >= 4)
    throughout = sum(_ASCII_LETTER.search(m[0]) is not None for m in foreign) >= _WRITTEN_SO
    pieces, at = [], 0
    for m in foreign:
        word = m[0]
        mixed = any("a" <= c.lower() <= "z" for c in word)
        alone = not throughout and len(word) == 1 and "\u0370" <= word <= "\u03ff"  # α and β stand alone in formulas
        if all(c in SCRIPTS or _is_latin(c) for c in word) and (mixed or disguised or latin > letters) and not alone:
            pieces += [text[at : m.start()], word.translate(_SCRIPT_TABLE)]
            at = m.end()
    return Normalised("".join((*pieces, text[at:])), found.starts, found.ends)


def _is_latin(letters: str) -> bool:
    return all(c < "\u0250" or "\u1e00" <= c <= "\u1eff" for c in letters)


def _rewritten(found: Normalised, pattern: re.Pattern[str], rule: Callable[[re.Match[str]], Kept | None]) -> Normalised:
    """Each match replaced by what `rule` gives: new text, and the characters of the match it keeps, None for all."""
    texts: list[str] = []
    starts: list[Offsets] = []
    ends: list[Offsets] = []
    at = 0
    for match in pattern.finditer(found.text):
        kept = rule(match)
        if kept is None:
            continue
        new, sources = kept
        a, b = match.span()
        texts += [found.text[at:a], new]
        starts.append(found.starts[at:a])
        ends.append(found.ends[at:a])
        if sources is None:
            starts.append(np.full(len(new), found.starts[a:b].min(), np.int32))
            ends.append(np.full(len(new), found.ends[a:b].max(), np.int32))
        else:
            chosen = np.asarray(sources, dtype=np.int64) + a
            starts.append(found.starts[chosen])
            ends.append(found.ends[chosen])
        at = b
    if not texts:
        return found
    texts.append(found.text[at:])
    return Normalised(
        "".join(texts), np.concatenate((*starts, found.starts[at:])), np.concatenate((*ends, found.ends[at:]))
    )


_PLAIN_STEPS: Final[tuple[tuple[str, Step], ...]] = (
    ("deletions", _deleted),
    ("filled", fillers.unfill(_rewritten)),
    ("encoded", _apply(encoded.BASE64, encoded.from_base64)),
    ("encoded", _apply(encoded.BASE32, encoded.from_base32)),
    ("encoded", _apply(encoded.HEX, encoded.from_hex)),
    ("encoded", _when(encoded.may_be_morse, encoded.MORSE, encoded.from_morse)),
    ("encoded", _when(encoded.may_be_told, encoded.TOLD, encoded.from_told)),
    ("encoded", _when(lambda text: "&#" in text, encoded.ENTITIES, encoded.from_entities)),
    ("encoded", _when(lambda text: text.count("%") > 2, encoded.PERCENT, encoded.from_percent)),
    ("spaced_out", spelling.join_short(_rewritten)),
    ("spaced_out", join_spaced(_rewritten)),
    ("leet", _leet),
    ("drawn_out", _apply(DRAWN_OUT, shorten)),
    ("starred", _apply(spelling.STARRED, spelling.read_starred)),
    ("run_together", _apply(spelling.RUN_TOGETHER, spelling.split_run)),
    ("run_together", _apply(spelling.CAMEL, spelling.split_camel)),
    ("split", _apply(spelling.SPLIT, spelling.join_halves)),
    ("marked", spelling.unmark(_rewritten)),
    ("encoded", _apply(encoded.LINE, encoded.from_line)),
    ("pig_latin", _when(misspelt.pig_latin, misspelt.PIG, misspelt.read_pig)),
    ("misspelt", _when(misspelt.slips, misspelt.WORD, misspelt.mend)),
    ("quoted", _apply(spelling.QUOTED, spelling.unquote)),
)
_CHARACTER_STEPS: Final = (
    ("hidden_text", _apply(hidden.TAGS, hidden.read_tags)),
    ("hidden_text", _apply(hidden.SELECTORS, hidden.read_selectors)),
    ("bidi", _apply(hidden.OVERRIDDEN, hidden.read_overridden)),
    ("flags", _apply(hidden.FLAGS, hidden.read_flags)),
    ("upside_down", _apply(hidden.UPSIDE_DOWN, hidden.turn)),
    *_PLAIN_STEPS[:1],
    ("hidden_characters", _without_hidden),
    ("look_alikes", _looks),
    ("emoji_between", _apply(spelling.EMOJI_INSIDE, spelling.join_emoji)),
    ("emoji_between", _without_emoji),
    *_PLAIN_STEPS[1:],
)
