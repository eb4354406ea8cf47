"""
Text as its reader sees it: look-alikes, hidden characters, leet, spaced-out and drawn-out letters undone.

Ordinary text is left alone: each rule asks for a sign of disguise that ordinary writing does not have.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from worker.window.ordinary import ordinary
from worker.window.rewriting import Normalised
from worker.window.steps import BEYOND_ASCII, PLAIN, may_be_disguised
from worker.window.words import replaces

_ROUNDS: Final = 8
_ORDINARY: Final = frozenset({"drawn_out", "filled", "joined", "marked", "misspelt", "quoted"})


def normalise(text: str) -> Normalised | None:
    """
    `text` as its reader sees it; None when nothing that matters changes. Pure, and total: any string will do.

    Hidden characters alone give an empty text, not None. Normalising what it gives changes nothing more.
    """
    if ordinary(text):
        return None
    found = Normalised(text, np.arange(len(text), dtype=np.int32), np.arange(1, len(text) + 1, dtype=np.int32))
    undone: set[str] = set()
    wholly = may_be_disguised(text)
    for _ in range(_ROUNDS):
        before = found.text
        for group in PLAIN if before.isascii() else BEYOND_ASCII:
            if not (wholly if group.asked is None else group.asked(found.text)):
                continue
            for name, step in group.steps:
                after = step(found)
                if after.text != found.text:
                    undone.add(name)
                found = after
        if found.text == before:
            break
        wholly = True
    if found.text == text:
        return None
    found.undone = tuple(sorted(undone - _ORDINARY))
    found.replaces = replaces(text, found.text)
    return found
