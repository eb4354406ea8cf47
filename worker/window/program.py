"""Reads what a program, data or one quoted block says: its strings, its comments, and escaped letters."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Final

from worker.window.disguise import Found, Kept, Rewritten
from worker.window.tags import FAR, LETTERS, SOME, TAG, Places, glued, is_said, neighbours, places_of, rewrite_each
from worker.window.words import anywhere, share_known

_BLOCKS: Final = (
    ("```", "```"), ("~~~", "~~~"), ("/*", "*/"), ("<!--", "-->"), ('"""', '"""'), ("'''", "'''"), ("(*", "*)"),
    ("{#", "#}"), ("||", "||"), ("~~", "~~"), ("''", "''"), ("``", "''"), ("‹", "›"), ("「", "」"), ("『", "』"),
    ("【", "】"), ("❝", "❞"), ("〝", "〞"), ("＂", "＂"), ("＇", "＇"), ("“", "”"), ("„", "“"), ("«", "»"), ('"', '"'),
)  # fmt: skip
_TAKEN_ELSEWHERE: Final = frozenset('"“”„«»`')  # by `spelling.QUOTED`, where none is inside
# Each kind also ends where the text does, so that no opening mark is read twice; such a string is then refused.
_LITERAL: Final = re.compile(
    r"(?:(?<!\w)[fFrRbBuU]{1,2}|@|\$)?"
    r"(?:\"((?:[^\"\\]|\\.?)*+)(?:\"|\Z)|(?<!\w)'((?:[^'\\\n]|\\.?|'(?=\w))*+)(?:'|\Z|(?=\n))|`([^`]*+)(?:`|\Z))",
    re.DOTALL,
)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": " ", "b": " ", "f": " "}
_BOUND: Final = frozenset("=+(,:[{&<;")
_CALL: Final = re.compile(r"\w\(\(?\Z|<<\Z")
_SAYS: Final = frozenset({"print", "echo", "return", "puts", "select"})
_NAMED: Final = re.compile(r"([A-Za-z_$]\w{0,20})\s*(?::=|\+?=|:|\bis\b)\s*(\0(?:[\s+&.]*\0)*)")
_SUM: Final = re.compile(r"\b[A-Za-z_$]\w{0,20}(?:\s*(?:[+&.,]|\band\b)\s*[A-Za-z_$]\w{0,20})+")
_KEY_AND_STRING: Final = re.compile(
    r"\s*(?:msg|message|text|content|body|prompt|input|query|data|payload|comment)\s*:\s*\0[,;]?\s*"
)
_NAME: Final = re.compile(r"[A-Za-z_$]\w*")
_COMMENT: Final = re.compile(
    r"(?:(?:(?<=\s)|(?<![\s\S]))(?:#+|//+|--|/\*+|<!--)|(?m:^)[ \t]*\*)[ \t]+([^\n]*?)[ \t]*(?:\*/|-->)?[ \t]*(?=\n|\Z)"
)
_CODE_LINE: Final = re.compile(
    r"\s*(?:def|class|return|import|from|if|for|while|else|elif|try|pass|end|var|let|const|function|public|private|fi|done)\b"
    r"[^.?!]*[^.?!\w\s]?\s*\Z|[^\n]*[;{}:)\]]\s*\Z|\s*[\w.\[\]]+\s*[-+*/]?=[^\n]*\Z|\s*[}\])]"
)
_ESCAPE: Final = re.compile(
    r"\\u\{([0-9a-f]{1,6})\}|\\U([0-9a-f]{8})|[\\%]u(d[89ab][0-9a-f]{2})[\\%]u(d[c-f][0-9a-f]{2})|[\\%]u([0-9a-f]{4})"
    r"|((?:\\x[0-9a-f]{2})+)|\\([0-3]?[0-7]{2})(?![89])|(?:U\+|\b0x)([0-9a-f]{2,6})(?:[ ,;]{1,2}(?=U\+|0x))?",
    re.IGNORECASE,
)
_JOINS: Final = re.compile(r"(?:join|implode)\s?\(\s*\Z|\s*\.join\(")
_FORM: Final = re.compile(r"%s|\{\w*\}")
_LONGER: Final = re.compile(r"[A-Za-z]{2,}")
_PROSE: Final = 0.5
_NEARLY_ALL: Final = 0.9
_COVERED: Final = 1.2  # characters for each escape
_MAY_BE_CODE: Final = anywhere(
    r"\\[uUxX0-3][0-9A-Fa-f{]|[Uu]\+[0-9A-Fa-f]{4}|0x[0-9a-fA-F]{2}[ ,;]|%u[0-9a-fA-F]{4}"
    r"|[=+(,\[{:&] *\w{0,2}[\"'`]|^\s*\w{4,6} [\"'`]|\breturn [\"'`]|[\"'`] ?[+&)}\];]|[\"'`] \. ?[\"'`]"
    r"|(?:^|\s)(?:#|//|/\*) |\n *-- "
)


def may_be_code(text: str) -> bool:
    """Cheap: whether strings, comments or escapes of a program may be there."""
    return _MAY_BE_CODE(text)


def from_block(match: re.Match[str]) -> Kept | None:
    """A message that is one fenced block, one comment or one quotation as a whole."""
    text = match[0]
    a = len(text) - len(text.lstrip())
    b = len(text.rstrip())
    for opening, closing in _BLOCKS:
        start, end = a + len(opening), b - len(closing)
        if end - start < LETTERS or not text.startswith(opening, a) or not text.startswith(closing, end):
            continue
        inner = text[start:end]
        if opening in ("```", "~~~") and inner.split("\n", 1)[0].strip().isalnum() and "\n" in inner:
            start += inner.index("\n") + 1
        if opening == '"' and (again := inner.find('"')) >= 0 and not inner[:again][-1:].isspace():
            continue  # "a" and "b" is no quotation of the whole
        if opening in _TAKEN_ELSEWHERE and ("@" in inner or not _TAKEN_ELSEWHERE.intersection(inner)):
            continue  # or what somebody else said
        if opening != '"' and (closing in inner or opening in inner):
            continue
        while end > start and text[end - 1].isspace():
            end -= 1
        while start < end and text[start].isspace():
            start += 1
        return text[start:end], range(start, end)
    return None


def from_strings(match: re.Match[str]) -> Kept | None:
    """JSON, print("…"), "Som" + "ebody", a = "…" b = "…" read a + b: the strings, when there is little else."""
    text = match[0]
    if 1 < text.count('\\"') == text.count('"'):  # a record that was itself a string
        places = [i for i, c in enumerate(text) if c != "\\" or text[i + 1 : i + 2] != '"']
        return "".join(text[i] for i in places), places
    found = [m for m in _LITERAL.finditer(text) if len(m[0]) > 1 and m[0][-1] in "\"'`"]
    if not found or len(found) > FAR or "\0" in text:
        return None
    edges = [0, *(i for m in found for i in m.span()), len(text)]
    gaps = [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    rest = "\0".join(gaps)
    outside = _LONGER.findall(rest)
    order = _order(rest)
    signs = bool(order) or _KEY_AND_STRING.fullmatch(rest) is not None or any(map(_is_sign, gaps[:-1]))
    signs = (signs or (text.lstrip()[:1] in "{[" and text.rstrip().rstrip(";")[-1:] in "]}")) and not TAG.search(rest)
    if not (signs or (len(found) > SOME and not outside)) or not all(_is_bound(gap) for gap in gaps[:-1]):
        return None
    if len(outside) > SOME + 2 * rest.count("\0") or sum(map(len, outside)) > sum(len(m[0]) for m in found):
        return None
    keys = [gap.lstrip()[:1] == ":" for gap in gaps[1:]]
    said = [_literal(m) for m in found]
    named = text.lstrip()[:1] in "{[" and any(gap.rstrip("[ \n\t(")[-1:] == ":" for gap in gaps[:-1])
    if named or any(keys):  # a record: names and codes stand beside what is said
        runs = [(glued([said[i] for i in run]), len(run) > 1) for run in _runs(found, gaps, keys)]
        return _joined([run for run, parts in runs if _is_message(run, parts)] or [run for run, _ in runs])
    if order:
        return _joined([said[i] for i in order])
    return _joined([one for one, a, b in zip(said, gaps, gaps[1:], strict=False) if not _is_between(one, a, b)])


def _runs(found: Sequence[re.Match[str]], gaps: Sequence[str], keys: Sequence[bool]) -> list[list[int]]:
    """The strings of a record, those of one list or of keys with one name (but for numbers) together."""
    runs: dict[str, list[int]] = {}
    name = ""
    for i, gap in enumerate(gaps[:-1]):
        if keys[i]:
            continue
        before = gap.rstrip("[ \n\t(")
        if i and keys[i - 1]:
            name = found[i - 1][0].strip("\"'`").strip("0123456789_")
        elif before[-1:] == ":":
            name = before[-22:-1].strip().rpartition(" ")[2].strip("0123456789_")
        elif gap.strip("[](), \n\t"):
            name = f"\0{i}"
        runs.setdefault(name, []).append(i)
    return list(runs.values())


def _is_message(piece: Places, parts: bool) -> bool:
    """Whether what a record holds is said in words; of a list's parts only a sentence, not so many names."""
    said = "".join(c for c, _ in piece)
    if not parts:
        return sum(map(str.isspace, said)) > 1
    return is_said(said.lower().split()[:FAR])


def _is_between(piece: Places, before: str, after: str) -> bool:
    """Whether a string without letters is what the others are joined by, or the form they are put in."""
    said = "".join(c for c, _ in piece)
    return not _FORM.sub("", said).strip(" ,;|-\n") and (
        _JOINS.search(before[-9:]) is not None or _JOINS.match(after) is not None or "%" in said or "{" in said
    )


def _is_sign(gap: str) -> bool:
    """Whether a string is given to something: prose does so only by a colon."""
    gap = gap.rstrip()
    line = gap[gap.rfind("\n") + 1 :].strip()
    return gap[-1:] in tuple("=+[{") or line.lower() in _SAYS or _CALL.search(gap[-3:]) is not None


def _is_bound(gap: str) -> bool:
    """Whether a string belongs to a program by what stands before it."""
    gap = gap.rstrip()
    return not gap or gap[-1] in _BOUND or gap.strip() == "." or gap.split()[-1].lower() in _SAYS


def _order(rest: str) -> list[int]:
    """The strings as the last sum of their names puts them; empty without one."""
    named: dict[str, list[int]] = {}
    at = seen = 0
    for m in _NAMED.finditer(rest):
        seen, at = seen + rest.count("\0", at, m.start()), m.start()
        named[m[1]] = list(range(seen, seen + m[2].count("\0")))
    for m in reversed(list(_SUM.finditer(rest))):
        names = [name for name in _NAME.findall(m[0]) if name != "and"]
        if all(name in named for name in names):
            return [i for name in names for i in named[name]][:FAR]
    return []


def _literal(match: re.Match[str]) -> Places:
    """Characters of a string in a program with their places; escapes of letters are left to `unescape`."""
    group = match.lastindex or 1
    at, said, i = match.start(group), match[group], 0
    out: Places = []
    while i < len(said):
        escape = said[i] == "\\" and i + 1 < len(said) and said[i + 1] not in "uUx01234567"
        i += escape
        out.append((_ESCAPED.get(said[i], said[i]) if escape else said[i], at + i))
        i += 1
    return out


def _joined(pieces: list[Places]) -> Kept | None:
    """The strings as one; None when they say nothing."""
    places = glued(pieces)
    said = "".join(c for c, _ in places)
    if sum(map(str.isalpha, said)) < LETTERS or (len(said.split()) <= SOME and share_known(said) < _PROSE):
        return None
    return said, places_of(places)


def from_program(match: re.Match[str]) -> Kept | None:
    """A program whose comments or strings are sentences: the sentences."""
    text = match[0]
    comments = [m for m in _COMMENT.finditer(text) if m[1].strip()]
    if not comments or not (lines := [line for line in _COMMENT.sub("", text).split("\n") if line.strip()]):
        return None
    if sum(_CODE_LINE.match(line) is not None for line in lines) < _NEARLY_ALL * len(lines):
        return None
    said = " ".join(m[1] for m in comments)
    if len(said.split()) <= SOME:
        return None
    places = [i for n, m in enumerate(comments) for i in [m.start(1)] * bool(n) + [*range(*m.span(1))]]
    return said, places


def unescape(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    r"""The step that reads \u0068, \x68, \150, %u0068, 0x68 and U+0068, when words or whole letters come out."""

    def step(found: Found) -> Found:
        number = sum(len(m[6] or "1234") // 4 for m in _ESCAPE.finditer(found.text))
        if not number:
            return found
        try:
            said = _ESCAPE.sub(_character, found.text)
        except (ValueError, OverflowError):
            return found  # beyond Unicode or no UTF-8, so no text
        shown = sum(c.isprintable() or c in "\n\t\r" for c in said)
        if shown < _NEARLY_ALL * len(said):
            return found
        all_of_it = len(said) <= _COVERED * number and sum(c.isalpha() or c.isspace() for c in said) > len(said) / 2
        before, after = share_known(found.text), share_known(said)
        within = any(
            any(c.isalpha() for c in neighbours(m)) for m in itertools.islice(_ESCAPE.finditer(found.text), SOME)
        )
        if (number > SOME and (after >= _PROSE or all_of_it)) or (within and after >= _PROSE and after > before):
            return rewrite_each(rewritten, found, _ESCAPE, lambda m: (_character(m), None), number)
        return found

    return step


def _character(match: re.Match[str]) -> str:
    if match[3]:
        return (bytes.fromhex(match[3]) + bytes.fromhex(match[4])).decode("utf-16-be")
    if match[6]:
        return bytes.fromhex(match[6].lower().replace("\\x", "")).decode()
    return chr(int(match[7], 8)) if match[7] else chr(int(match[1] or match[2] or match[5] or match[8], 16))
