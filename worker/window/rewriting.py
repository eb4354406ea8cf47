"""A text on its way to what its reader sees: rewritten match by match, every character with where it came from."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from worker.window.disguise import Kept

Offsets = npt.NDArray[np.int32]
Step = Callable[["Normalised"], "Normalised"]


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


def rewritten(found: Normalised, pattern: re.Pattern[str], rule: Callable[[re.Match[str]], Kept | None]) -> Normalised:
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


def apply(pattern: re.Pattern[str], rule: Callable[[re.Match[str]], Kept | None]) -> Step:
    """The step that rewrites each match."""
    return lambda found: rewritten(found, pattern, rule)


def when(asked: Callable[[str], bool], step: Step) -> Step:
    """A step for texts of which `asked` says yes."""
    return lambda found: step(found) if asked(found.text) else found
