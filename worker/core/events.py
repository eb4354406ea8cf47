"""The event: a valid envelope with its parts, as `decode/` makes it from a record's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from worker.core.records import Position


class PartType(IntEnum):
    """Types of part, in the order of the rows of `Scores`."""

    TEXT = 0
    IMAGE = 1
    AUDIO = 2

    @property
    def label(self) -> str:
        """The name used in events, policies and decisions."""
        return self.name.lower()


PART_TYPES: tuple[PartType, ...] = tuple(PartType)


class Claim(NamedTuple):
    """Content of a part that lies elsewhere: where, and what it must be once it is here."""

    part: int  # its place among the event's parts
    url: str  # as the producer wrote it: believed by nobody, and never said in logs, reasons or decisions
    sha256: str | None  # 64 hexadecimal digits, lower case; None where nobody could say
    bytes: int  # its length; without a digest the most it may have


@dataclass(slots=True)
class TextPart:
    """A text as its author wrote it."""

    path: str  # "parts/0"
    text: str
    role: str | None = None


@dataclass(slots=True)
class ImagePart:
    """
    A picture, decoded.

    frames: uint8 [F, H, W, 3], sRGB, alpha laid over white, longest side at most the decoder's limit; F = 1 but
    for animations, where it is the first frame and a few more, evenly spread.
    scale: original pixels per pixel of `frames`, so that boxes can be given in the original's pixels.
    """

    path: str
    frames: npt.NDArray[np.uint8]
    scale: float = 1.0


@dataclass(slots=True)
class AudioPart:
    """
    A clip, decoded: float32 [T] mono in [-1, 1].

    rate: samples a second; 16,000 but for a chunk of a call, which becomes that with the sound around it.
    """

    path: str
    samples: npt.NDArray[np.float32]
    rate: int = 16_000


Part = TextPart | ImagePart | AudioPart
_ALONE: dict[type[Part], frozenset[str]] = {
    TextPart: frozenset({"text"}),
    ImagePart: frozenset({"image"}),
    AudioPart: frozenset({"audio"}),
}


@dataclass(frozen=True, slots=True)
class Stream:
    """Where an event stands in a call or conversation."""

    id: str
    seq: int | None = None
    offset_ms: int | None = None
    speaker: str | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Degradation:
    """Why part of an event could not be judged as it should."""

    code: str  # stable snake_case, e.g. "image_truncated", "model_failed", "text_too_long"
    rule: str  # which entry of the policy's `otherwise` decides: "failed", "too_long", "late", "language"
    where: str  # the part or view, e.g. "parts/1"
    reason: str  # one sentence for people, without content


@dataclass(slots=True)
class Event:
    """One decoded event. `degraded` lists what could not be read; the parts that could be are in `parts`."""

    id: str
    tenant: str
    parts: tuple[Part, ...]
    position: Position
    key: bytes | None  # the record's key, published on with the decision
    order_key: str  # decisions of one order_key leave in the order the events came
    received: float  # monotonic seconds at admission
    time: str | None = None  # RFC 3339, as the producer gave it
    context: Mapping[str, Any] = field(default_factory=dict)
    stream: Stream | None = None
    deadline_ms: int | None = None  # counts from `broker_ms`
    broker_ms: int = 0  # the queue's stamp, Unix milliseconds
    traceparent: str | None = None
    degraded: list[Degradation] = field(default_factory=list)
    first_position: Position | None = None  # set by a redrive: where the event was first read

    def part_types(self) -> frozenset[str]:
        """Names of the types of part present, for `when` conditions."""
        if len(self.parts) == 1:
            return _ALONE[type(self.parts[0])]
        return frozenset().union(*(_ALONE[type(part)] for part in self.parts))
