"""Content that can never become prompt: what structures a prompt is written with look-alikes inside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Readable to the model as what somebody wrote, and never the marker itself.
_LOOKALIKES = str.maketrans(
    {
        "<": "‹", ">": "›", "＜": "‹", "＞": "›", "﹤": "‹", "﹥": "›",
        ":": "꞉", "：": "꞉", "﹕": "꞉",
        "[": "⁅", "]": "⁆", "|": "¦", "=": "꞊", "#": "♯",
    }
)  # fmt: skip
_WIDTHS = {"<": "[<＜﹤]", ">": "[>＞﹥]", ":": "[:：﹕]"}
_BRACKET = re.compile(r"[<>]|(?<!\(\?):")  # not the colon of a group
_GAP = "\u00b7"


class Neutral:
    """
    Writes markers and special tokens inside a content with look-alikes. Pure; any thread.

    Args:
        tokens: the tokenizer's special tokens, which it would find anywhere in a text.
        markers: a family's patterns; case does not count, `^` is any line's beginning.
    """

    def __init__(self, tokens: Iterable[str], markers: Sequence[str]) -> None:
        spelled = [re.escape(token) for token in sorted(set(tokens), key=len, reverse=True) if len(token.strip()) > 1]
        widened = [_BRACKET.sub(lambda found: _WIDTHS[found.group()], marker) for marker in markers]
        self._pattern = re.compile("|".join([*spelled, *widened]) or r"(?!)", re.IGNORECASE | re.MULTILINE)

    def __call__(self, text: str) -> str:
        """
        `text` without its ends' white space, with nothing left that is a marker or special token.

        What a replacement leaves is looked at again: two halves around a marker must not make one.
        """
        text = text.strip()
        while (changed := self._pattern.sub(_written_otherwise, text)) != text:
            text = changed
        return text


def _written_otherwise(match: re.Match[str]) -> str:
    found = match.group()
    changed = found.translate(_LOOKALIKES)
    return changed if changed != found else found[:1] + _GAP + found[1:]
