"""
A message and those before it: a window of its speaker and one of everyone, each with the texts that are read.

A speaker's last two and last three are read by themselves: what is split is mostly split in two or three, and every
harmless line more drowns it. They count as they are. Longer joins, and those of everyone, are one of many chances of a
false alarm (`View.excerpt`). Figures: docs/calls.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from worker.core.streams import Together, WindowKind
from worker.core.views import TextSource
from worker.score.assessment import Assessment

_CLOSE = (2, 3)  # messages of one speaker


class Joined(NamedTuple):
    """Messages as one text. whole: all of the window, so lists look in it. close: it counts as it is."""

    text: str
    whole: bool
    close: bool


def joins(kind: WindowKind, said: Sequence[str]) -> list[Joined]:
    """What is read of a window's messages, all of them first; nothing of a single one."""
    if len(said) < 2:
        return []
    counts = [len(said), *(count for count in _CLOSE if kind == "speaker" and count < len(said))]
    return [
        Joined(" ".join(said[-count:]), count == len(said), kind == "speaker" and count in _CLOSE) for count in counts
    ]


def read_together(assessment: Assessment, together: Together | None) -> list[tuple[TextSource, Joined]]:
    """Opens the windows in the assessment; gives their texts. None for a message that stands alone."""
    found = list[tuple[TextSource, Joined]]()
    if together is None:
        return found
    for kind, since, said in together.windows:
        for joined in joins(kind, said):
            if joined.whole:
                source = assessment.open_window(kind, together.speaker, since, together.until, joined.text)
            else:
                source = TextSource(source.path, joined.text, source.types, window=source.window)
            found.append((source, joined))
    return found
