"""Compatibility forms folded (ｋ to k), and marks that are stacked on letters taken off."""

from __future__ import annotations

import re
import unicodedata

from worker.window.disguise import Kept


def folded(match: re.Match[str]) -> Kept | None:
    """What NFKC makes of characters that only imitate plain ones."""
    pieces = [unicodedata.normalize("NFKC", c) for c in match[0]]
    text = "".join(pieces)
    return None if text == match[0] else (text, [i for i, piece in enumerate(pieces) for _ in piece])


def unstacked(match: re.Match[str]) -> Kept | None:
    """Marks off a base that carries several, or one that no composed letter has; accents of real words stay."""
    composed = unicodedata.normalize("NFC", match[0])
    base = unicodedata.normalize("NFD", composed[0])
    if unicodedata.combining(composed[0]):
        return "", ()  # a mark with nothing to stand on
    if len(composed) == 1:
        return None
    if len(composed) == 2 and not (base[0].isascii() and base[0].isalpha()):
        return None
    return base[0], None
