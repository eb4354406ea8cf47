"""Reads marks of Markdown and chat as a reader sees them: lines, tables, emphasis, words in marks, tokens."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Final

from worker.window.disguise import Found, Kept, Rewritten
from worker.window.tags import LETTERS, SOME, Places, is_said, places_of, rewrite_each
from worker.window.words import anywhere, ranks

_WRAPPED: Final = re.compile(
    r"(?<!\S)[\"'“”„«‹‘(\[{<]{1,2} ?([^\s\"“”«»()\[\]{}<>]{1,40}) ?[\"'”“»›’)\]}>]{1,2}[,;]?([.!?:]{0,3})(?!\S)"
)
_PAIR: Final = re.compile(r"(\*{1,3}|_{1,3}|~~|`{1,3})(?!\s)([^*_~|`\n]{1,80})(?<!\s)\1|(\|\|)([^|\n]{1,80})\3")
_NOTHING: Final = re.compile(r"(?<=[A-Za-z])(?:~~~~|\|\|\|\||``)(?=[A-Za-z])")
_LINE_MARK: Final = re.compile(
    r"(?m)^[ \t]*(?:(>(?:[ \t]?>)*(?=[ \t]|[^\W_])|(?:\#{1,6}|//+|--|;+|%+|/\*+|\*(?=[^*\n]*$)|REM)[ \t])"
    r"|(?:[-+•‣]|\d{1,3}[.)])[ \t])[ \t]*"
)
_RULE: Final = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)*")
_TOKEN: Final = re.compile(
    r":(regional_indicator_(?:symbol_letter_)?|letter_|alphabet[-_](?:white[-_]|yellow[-_])?|capital_|big_|indicator_)?"
    r"([a-zA-Z])(?:_button)?:(?: (?=:(?:[\w-]{3,30}_|alphabet-[a-z]{3,8}-)?[a-zA-Z](?:_button)?:))?"
)
_PLAIN: Final = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_CHUNK: Final = re.compile(r"\S+")
_LINE: Final = re.compile(r"[^\n]+")
_CELL: Final = re.compile(r"[^\s|][^|]*")
_ENOUGH: Final = 1_000  # words to judge by
_SHORT: Final = 6  # words a line
_ROUNDS: Final = 4
_MOSTLY: Final = 0.6
_MAY_BE_MARKUP: Final = anywhere(
    r"[A-Za-z][*_~`|]{1,3}[A-Za-z][^*_~`|]*[*_~`|]|[*_~`]{1,3}[A-Za-z]+[*_~`]{1,3}[A-Za-z*_~`]"
    r"|~~|\|\||[*_`]{1,3}\w+[*_`]{1,3} [*_`]"
    r"|\]\(|\]\[|</|<!|[A-Za-z]<[A-Za-z]|<(?:br|hr|wbr)|\[/"
    r"|(?m:^[ \t]*(?:>|(?:#{1,6}|//+|--|;+|%+|/\*+|[*+•‣-]|\d{1,3}[.)]) ))"
    r"|\|[^|\n]+\|[^|\n]+\||\|\n\||:[A-Za-z]:|[_-][A-Za-z]:|[\"'”»’)\]}>] [\"'“„«‹‘(\[{<]"
    r"|\\[A-Za-z]{2,20}[ {\\]|\\[;,:! -][A-Za-z\\]|[A-Za-z]\{\}[A-Za-z]|\$[A-Za-z]{2,}\$"
    r"|\A\s*(?:```|''|[‹「『【❝〝＂＇“„«\"(])"
)


def may_be_markup(text: str) -> bool:
    """Cheap: whether some sign of Markdown, HTML or chat stands where it could hide something."""
    return _MAY_BE_MARKUP(text)


def unemphasise(match: re.Match[str]) -> Kept | None:
    """**bo**ld, *k*_i_*l*_l_, ||k||||i||, `every` `word`: marks within words, or around most; f*ck and *sighs* stay."""
    text = match[0]
    kept = list(range(len(text)))
    plain, pairs = text, 0
    for _ in range(_ROUNDS):
        drop: set[int] = set()
        for m in _PAIR.finditer(plain):
            if _is_emphasis(m):
                pairs += 1
                a, b = m.span(2 if m[1] else 4)
                drop.update((*range(m.start(), a), *range(b, m.end())))
        for m in _NOTHING.finditer(plain):
            drop.update(range(*m.span()))
        if not drop:
            break
        kept = [place for i, place in enumerate(kept) if i not in drop]
        plain = "".join(text[i] for i in kept)
    if len(kept) == len(text):
        return None
    chosen = _chosen(text, set(range(len(text))).difference(kept), pairs)
    return ("".join(text[i] for i in range(len(text)) if i not in chosen), _but(len(text), chosen)) if chosen else None


def _is_emphasis(match: re.Match[str]) -> bool:
    """Single marks with letters on both outer sides are stars for letters, names of variables, or apostrophes."""
    mark, text = match[1] or match[3], match.string
    if len(mark) > 1 or not (
        text[match.start() - 1 : match.start()].isalnum() and text[match.end() : match.end() + 1].isalnum()
    ):
        return True
    return mark != "_" and not any(c.isspace() for c in match[2])


def _chosen(text: str, dropped: set[int], pairs: int) -> set[int]:
    """Of the marks' places those to take off: all in a text written so throughout, else those within known words."""
    chunks = [(m.span(), marks) for m in _CHUNK.finditer(text) if (marks := dropped.intersection(range(*m.span())))]
    inside: list[tuple[set[int], bool]] = []
    for (a, b), marks in chunks:
        if len(inside) > _ENOUGH:
            break
        if text[a] in "#@" or "/" in text[a:b]:
            continue  # a tag, a name or an address
        word = "".join(text[i] for i in range(a, b) if i not in marks)
        ends = [i for i in range(a, b) if i not in marks and text[i].isalpha()]
        if ends and any(ends[0] < i < ends[-1] for i in marks):
            inside.append((marks, all(token in ranks() for token in _PLAIN.findall(word.lower()))))
    known = [marks for marks, is_known in inside if is_known]
    if len(known) < _MOSTLY * len(inside):
        return set()
    throughout = pairs >= SOME and len(chunks) >= max(SOME, len(text.split()) / 2)
    return dropped if throughout or len(inside) >= SOME else set().union(*known)


def _but(length: int, dropped: set[int]) -> list[int]:
    return [i for i in range(length) if i not in dropped]


def unwrap_words(match: re.Match[str]) -> Kept | None:
    """ "how" "do" "I", « how » « do » or (how) (do): nearly every word in marks of its own."""
    text = match[0]
    found = list(_WRAPPED.finditer(text))
    words = sum(any(c.isalnum() for c in word) for word in text.split())
    inner = [m[1].lower() for m in found]
    if len(found) <= SOME or len(found) < _MOSTLY * words or len(set(inner)) * 2 < len(inner) or not is_said(inner):
        return None
    kept = {i for m in found for group in (1, 2) for i in range(*m.span(group))}
    dropped = {i for m in found for i in range(*m.span())} - kept
    return "".join(text[i] for i in range(len(text)) if i not in dropped), _but(len(text), dropped)


def unmark_lines(match: re.Match[str]) -> Kept | None:
    """A text in block quotes, headings, comments or one-word list items: one text without the marks."""
    text = match[0]
    lines = [m for m in _LINE.finditer(text) if m[0].strip()]
    marks = [_LINE_MARK.match(line[0]) for line in lines]
    rest = [line[0][m.end() :] for line, m in zip(lines, marks, strict=True) if m]
    if not rest or not any(rest):
        return None
    each = sum(len(line.split()) for line in rest) / len(rest)
    most = len(rest) >= _MOSTLY * len(lines)
    if all(m is None or m[1] for m in marks):
        kinds = {m[1][0] for m in marks if m}
        most = most and not (len(lines) == 1 and (each < SOME or kinds <= set("*;%-")))
        sure = (most or (len(rest) >= SOME and each <= _SHORT)) and (kinds != {"*"} or len(rest) == len(lines) > 2)
    else:
        sure = most and len(rest) > SOME and each <= 2 and is_said(line.strip().lower() for line in rest)
    if not sure:
        return None
    pieces: Places = []
    for line, m in zip(lines, marks, strict=True):
        at = line.start() + (m.end() if m else 0)
        said = text[at : line.end()].rstrip()
        if said and pieces:
            pieces.append((" " if each <= _SHORT else "\n", at))
        pieces += zip(said, range(at, at + len(said)), strict=True)
    return "".join(c for c, _ in pieces), places_of(pieces)


def untable(match: re.Match[str]) -> Kept | None:
    """| how | do | I |: the cells one behind the other, when bars stand between most words."""
    text = match[0]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    rows = [line for line in lines if not (_RULE.fullmatch(line) and "|" in line)]
    bars, words = text.count("|"), len(text.replace("|", " ").split())
    if bars <= SOME or 3 * bars < words or not is_said(" ".join(rows).lower().replace("|", " ").split()):
        return None
    if sum(row.count("|") > 1 for row in rows) < _MOSTLY * len(rows):
        return None
    pieces: Places = []
    for line in _LINE.finditer(text):
        if not (_RULE.fullmatch(line[0].strip()) and "|" in line[0]):
            for cell in _CELL.finditer(line[0]):
                pieces += [(" ", line.start() + cell.start())] * bool(pieces)
                pieces += zip(cell[0].rstrip(), itertools.count(line.start() + cell.start()), strict=False)
    return "".join(c for c, _ in pieces), places_of(pieces)


def read_tokens(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that reads :regional_indicator_k: as k; :b: by itself may be anything."""

    def step(found: Found) -> Found:
        tokens = list(_TOKEN.finditer(found.text))
        if len(tokens) < SOME and not any(m[1] or _touches(m) for m in tokens):
            return found
        return rewrite_each(rewritten, found, _TOKEN, lambda m: (m[2], None), len(tokens))

    return step


def _touches(match: re.Match[str]) -> bool:
    """Whether it stands within a word of some letters more, as in ni:b:ble."""
    text, (a, b) = match.string, match.span()
    before, after = text[max(0, a - 1) : a], text[b : b + 1]
    if not (before.isalpha() or (after.isalpha() and not before.isalnum())):
        return False
    around = text[max(0, a - LETTERS) : a].split(" ")[-1] + text[b : b + LETTERS].split(" ")[0]
    return "::" in text[a : b + 1] or sum(c.isalpha() for c in around) >= SOME
