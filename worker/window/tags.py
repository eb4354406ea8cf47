"""Takes off the tags and comments of HTML, XML and forums, and the addresses of links; what the others share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from worker.window.disguise import Found, Kept, Rewritten, Rule
from worker.window.words import ranks, share_known

Places = list[tuple[str, int]]  # characters, each with its place in the match
WHOLE: Final = re.compile(r"\A[\s\S]+\Z")  # a text as one match
LINK: Final = re.compile(
    r"!?\[([^\[\]\n]{1,200})\]\(([^()\s]{0,300})(?:\s\"[^\"()]{0,99}\")?\)|(?<!\w)\[([^\[\]\n]{1,99})\]\[\w{0,20}\]"
)
TAG: Final = re.compile(
    r"<!--[^<>]{0,300}-->|<!\[CDATA\[|\]\]>|<\?xml[^<>]{0,99}\?>|<(/?)([A-Za-z][\w:.-]{0,20})((?:\s[^<>]{0,300})?/?)>"
    r"|\[(/?)(b|i|u|s|url|color|size|font|spoiler|quote|code|center|sub|sup)((?:=[^\[\]]{0,99})?)\]",
    re.IGNORECASE,
)
_SHOWN_IN_LINE: Final = (
    "a abbr b big bdi bdo cite code color del em font i ins kbd mark q ruby s samp size small span spoiler strike "
    "strong sub sup tt u url var wbr"
)
_SHOWN_APART: Final = (
    "blockquote body br center dd div dl dt h1 h2 h3 h4 h5 h6 head hr html li ol p pre quote section table tbody td th "
    "thead title tr ul"
)
_INLINE: Final = frozenset(_SHOWN_IN_LINE.split())
_BLOCK: Final = frozenset(_SHOWN_APART.split())
_HTML: Final = _INLINE | _BLOCK
_VOID: Final = frozenset({"br", "hr", "wbr"})
_SMALL: Final = 150  # places by frequency
_NO_LETTERS: Final = re.compile(r"[^A-Za-z]+")
FAR: Final = 5_000  # strings or matches in one text, beyond which each is too slow
SOME: Final = 3  # words, marks or strings that are no chance
LETTERS: Final = 5  # fewer say nothing


def _at_once(pattern: re.Pattern[str], rule: Rule) -> Rule:
    """All matches of `pattern` in one: the same text, without the cost of each."""

    def whole(match: re.Match[str]) -> Kept | None:
        text, at = match[0], 0
        texts: list[str] = []
        places: list[int] = []
        for m in pattern.finditer(text):
            if (kept := rule(m)) is not None:
                texts += (text[at : m.start()], kept[0])
                places += range(at, m.start())
                places += [m.start()] * len(kept[0]) if kept[1] is None else (m.start() + i for i in kept[1])
                at = m.end()
        return ("".join((*texts, text[at:])), [*places, *range(at, len(text))]) if texts else None

    return whole


def rewrite_each(rewritten: Rewritten[Found], found: Found, pattern: re.Pattern[str], rule: Rule, number: int) -> Found:
    """Places to the character; of thousands of matches the first character of each."""
    if number < FAR:
        return rewritten(found, pattern, rule)
    return rewritten(found, WHOLE, _at_once(pattern, rule))


def neighbours(match: re.Match[str]) -> str:
    """The characters right before and behind."""
    return match.string[max(0, match.start() - 1) : match.start()] + match.string[match.end() : match.end() + 1]


def places_of(piece: Places) -> list[int]:
    """The places of the characters."""
    return [place for _, place in piece]


def glued(pieces: list[Places]) -> Places:
    """Strings one behind the other, with spaces where only so words come out."""
    plain = ["".join(c for c, _ in piece) for piece in pieces]
    glued: Places = []
    apart = share_known(" ".join(plain)) > share_known("".join(plain))
    for piece in pieces:
        if piece and glued and apart:
            glued.append((" ", piece[0][1]))
        glued += piece
    return glued


def is_said(words: Iterable[str]) -> bool:
    """Sentences have words such as `the` and `you`; lists of names have none."""
    return any(len(word) > 1 and ranks().get(word, _SMALL) < _SMALL for word in words)


def untag(rewritten: Rewritten[Found]) -> Callable[[Found], Found]:
    """The step that takes tags and comments of HTML, XML and forums off; <user> and `a < b` are none."""

    def step(found: Found) -> Found:
        text = found.text
        tags = list(TAG.finditer(text))
        if not tags:
            return found
        names = [((m[2] or m[5] or "").lower(), bool(m[1] or m[4])) for m in tags]
        paired = {name for name, closes in names if closes} & {name for name, closes in names if not closes}
        first, last = tags[0].start(), tags[-1].end()
        whole = not text[:first].strip() and not text[last:].strip() and names[-1][1] and names[-1][0] in paired
        touching = {
            name
            for m, (name, _) in zip(tags, names, strict=True)
            if any(c not in "<>" and not c.isspace() for c in neighbours(m))
        }
        sure = (paired if whole else paired & touching & _HTML) | (_VOID & touching)
        after = rewritten(found, WHOLE, _at_once(TAG, lambda m: _untag(m, sure, whole)))
        return after if after.text.strip() else found

    return step


def _untag(match: re.Match[str], sure: set[str], whole: bool) -> Kept | None:
    name, text = (match[2] or match[5] or "").lower(), match.string
    inside = len(by := neighbours(match)) == 2 and by.isalpha()
    if not name:
        return "", ()
    if name not in sure and not whole:
        if not inside:
            return None
        before = _letters(text[max(0, match.start() - 20) : match.start()])[1]
        if (before + _letters(text[match.end() : match.end() + 20])[0]).lower() not in ranks():
            return None
    return (" ", (0,)) if name in _BLOCK or (whole and name not in _INLINE and not inside) else ("", ())


def _letters(text: str) -> tuple[str, str]:
    """The letters a text begins with, and those it ends with."""
    runs = _NO_LETTERS.split(text)
    return runs[0], runs[-1]


def unlink(match: re.Match[str]) -> Kept | None:
    """[kill](https://…) shows its words only; calls such as f[i](x) are no links."""
    if match[3]:
        return match[3], range(*(i - match.start() for i in match.span(3)))
    inside = match.string[max(0, match.start() - 1) : match.start()].isalnum()
    if inside and match[2] and not any(c in match[2] for c in "./:#<"):
        return None
    return match[1], range(*(i - match.start() for i in match.span(1)))
