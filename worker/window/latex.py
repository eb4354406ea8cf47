r"""The words that LaTeX shows: $\text{Kill}\;\mathbf{them}$ and \textbf{ki}\textit{ll}; formulas stay."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from worker.window.disguise import Kept
from worker.window.tags import SOME, Places, neighbours, places_of
from worker.window.words import ranks, share_known

_MATH: Final = re.compile(
    r"\$\$([^$]{1,2000})\$\$|\$(?![\s\d$])([^$\n]{1,500})(?<!\s)\$(?!\d)"
    r"|\\\(((?:[^\\]|\\[^()])*+)\\\)|\\\[((?:[^\\]|\\[^\[\]])*+)\\\]"
)
_SWITCH: Final = r"\\(?:bf|it|em|rm|tt|sf|sc|sl|[bm]dseries|itshape|displaystyle|[lL]arge|LARGE|[hH]uge|tiny)\b\s?"
_TEX: Final = re.compile(
    r"(?P<opened>\\(?:text(?!color)[a-z]{0,6}|math(?:rm|bf|it|sf|tt|cal|frak|scr|bb|normal)|emph|operatorname\*?|[mfh]box|boxed"
    r"|under(?:line|brace)|over(?:line|brace)|bm|bold|boldsymbol|pmb|uline|sout|cancel|hat|bar|vec|tilde|dot)\s?\{"
    rf"|\\(?:(?:text)?color|colorbox|href)\{{[^{{}}]{{0,99}}\}}\{{|\{{\s?{_SWITCH})"
    rf"|(?P<gone>\\(?:color|[hv]space|phantom|label)\*?\{{[^{{}}]{{0,99}}\}}|{_SWITCH}|\\[!/-](?=[A-Za-z\\])"
    r"|(?<=[A-Za-z])\{\}(?=[A-Za-z])|\$(?=\\[a-z]))"
    r"|(?P<space>\\(?:begin|end)\{\w{1,20}\*?\}|\\(?:q?quad|space|newline|par)\b"
    r"|\\[;,:>](?=[\w\\{])|\\ (?=[A-Za-z\\])|\\\\(?=\s)|(?<=[\w}])~(?=[\w\\])"
    r"|&(?=\s?\\[a-z]))"
    r"|(?P<brace>[{}])|(?P<sign>\\[A-Za-z]+|[\^_](?=[{A-Za-z0-9\\]))|(?P<formula>[=+<>|/0-9])"
)
_WORDY: Final = 0.7  # of the letters in known words


def may_be_latex(text: str) -> bool:
    """Cheap: whether signs of LaTeX are in it."""
    return "\\" in text or "$" in text or "{}" in text


def untex(match: re.Match[str]) -> Kept | None:
    r"""$\text{Kill}\;\mathbf{them}$ and \textbf{ki}\textit{ll}: the words that LaTeX shows; formulas stay."""
    text, at, commands, signs = match[0], 0, 0, 0
    shown: Places = []
    for m in _MATH.finditer(text):
        before, inner = _shown(text, at, m.start()), _shown(text, *m.span(m.lastindex or 1), formula=True)
        is_said = not inner.signs and _in_words("".join(c for c, _ in inner.said))
        shown += before.said
        shown += inner.said if is_said else zip(m[0], range(*m.span()), strict=True)
        commands += before.commands + is_said * (1 + inner.commands)
        signs, at = signs + before.signs, m.end()
    rest = _shown(text, at, len(text))
    shown += rest.said
    commands, signs = commands + rest.commands, signs + rest.signs
    enough = commands >= (2 if "\\" in text else SOME) or (commands and any(map(_is_within, _TEX.finditer(text))))
    if not enough or 2 * signs > commands or share_known("".join(c for c, _ in shown)) < _WORDY:
        return None
    return "".join(c for c, _ in shown), places_of(shown)


def _is_within(match: re.Match[str]) -> bool:
    return len(by := neighbours(match)) == 2 and by.isalpha() and not match["formula"]


class _Shown(NamedTuple):
    """What LaTeX shows of a piece: how many commands are read, and how many signs of formulas are left."""

    said: Places
    commands: int
    signs: int


def _shown(text: str, start: int, end: int, *, formula: bool = False) -> _Shown:
    said: Places = []
    opened: list[bool] = []  # for each open brace whether it is a command's, which is not shown
    commands = signs = 0
    at = start
    for m in _TEX.finditer(text, start, end):
        said += zip(text[at : m.start()], range(at, m.start()), strict=True)
        at, kind = m.end(), m.lastgroup
        if m[0] == "\\ " and not formula and not set(neighbours(m)) & {"}", "\\"}:
            kind = "formula"  # a path in a shell
        commands += kind in ("opened", "gone", "space")
        signs += kind == "sign" or (formula and kind == "formula")
        is_shown = kind in ("sign", "formula")
        if kind == "space":
            said.append((" ", m.start()))
        elif kind == "opened" or m[0] == "{":
            opened.append(formula or kind == "opened" or opened[-1:] == [True])
            is_shown = not opened[-1]
        elif m[0] == "}":
            is_shown = not (opened.pop() if opened else formula)
        if is_shown:
            said += zip(m[0], range(*m.span()), strict=True)
    said += zip(text[at:end], range(at, end), strict=True)
    return _Shown(said, commands, signs)


def _in_words(said: str) -> bool:
    """Whether a formula is words; letters set apart are one word."""
    pieces = said.split()
    if pieces and max(map(len, pieces)) == 1:
        return len(pieces) >= SOME and "".join(pieces).lower() in ranks()
    return sum(map(str.isalpha, said)) > 1 and share_known(said) >= _WORDY
