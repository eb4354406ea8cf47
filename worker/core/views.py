"""Views: the things a model can look at, and what comes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from worker.core.events import PartType

Floats = npt.NDArray[np.float32]
Thresholds = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]  # perceptual hashes of pictures


class ViewKind(Enum):
    """Which lane family reads a view."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    A place, never the content.

    span: [start, end) characters of the source text (a part's own text, an OCR text, a transcript).
    box: left, top, right, bottom in the original picture's pixels.
    t: start and end in seconds of the clip.
    """

    span: tuple[int, int] | None = None
    box: tuple[int, int, int, int] | None = None
    t: tuple[float, float] | None = None
    frame: int | None = None
    speaker: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that are set, as they stand in a decision."""
        pairs = (
            ("span", self.span and list(self.span)),
            ("box", self.box and list(self.box)),
            ("t", self.t and list(self.t)),
            ("frame", self.frame),
            ("speaker", self.speaker),
        )
        return {name: value for name, value in pairs if value is not None}


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a derived text and where it was seen or heard, so that evidence can point there."""

    start: int  # first character in the text
    end: int
    evidence: Evidence


@dataclass(slots=True)
class TextSource:
    """A text found in an event: a part's own, read by OCR, or transcribed. Terms and text models read it."""

    path: str  # "parts/0", "parts/1/ocr", "parts/2/transcript", "joint"
    text: str
    types: tuple[PartType, ...]  # whose score it counts for: OCR is IMAGE, a transcript AUDIO, joint all its sources
    segments: tuple[Segment, ...] = ()  # for derived texts
    window: int | None = None  # place among the event's windows of the one that it was found in

    def evidence(self, start: int, end: int) -> Evidence:
        """Where the characters [start, end) are: the span; of a derived text the first box, or the seconds."""
        over = [segment.evidence for segment in self.segments if segment.start < end and start < segment.end]
        if not over:
            return Evidence((start, end))
        first, last = over[0], over[-1]
        heard = (first.t[0], last.t[1]) if first.t is not None and last.t is not None else first.t
        return Evidence((start, end), first.box, heard, first.frame, first.speaker)


@dataclass(slots=True)
class View:
    """
    One thing one model call looks at.

    content: TEXT: int32 [n] token ids without special tokens; IMAGE: uint8 [H, W, 3]; AUDIO: float32 [T] at 16 kHz.
    cost: in the lane's unit (tokens, pixels, samples); what the batch's ceiling is counted in.
    """

    path: str  # "parts/0", "parts/0/normalised", "parts/1/ocr", "parts/1/frame/2", "joint"
    kind: ViewKind
    types: tuple[PartType, ...]
    content: Any
    cost: int
    evidence: Evidence = field(default_factory=Evidence)
    scale: float = 1.0  # original pixels per pixel, for IMAGE
    text: str | None = None  # TEXT: the characters of `content`; IMAGE: what the event says beside the picture
    excerpt: bool = False  # a sentence out of a long text: one of many chances of a false alarm, so it must be clearer
    beside: tuple[Any, ...] = ()  # TEXT: contents of an excerpt's neighbours; one that is foreign to them counts whole
    window: int | None = None  # place among the event's windows of the one that it is a view of
    word_times: bool = False  # AUDIO: a segment for each word, so that readings which overlap can be stitched


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model gave a score, as it stands in a decision."""

    name: str
    version: str
    digest: str  # "sha256:…" of the weights, and of the parameters that turn them into scores


Concepts = Any  # a scorer's own compiled form of a policy's categories; opaque to everyone else


def empty_scores(categories: int) -> Floats:
    """float32 [3, categories] of NaN: rows by `PartType`, NaN is "never scored", which is not 0."""
    return np.full((len(PartType), categories), np.nan, dtype=np.float32)


def widest(sources: Sequence[TextSource]) -> tuple[PartType, ...]:
    """The types of all `sources`, in order, each once."""
    return tuple(sorted({t for source in sources for t in source.types}))
