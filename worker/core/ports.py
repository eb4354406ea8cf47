"""Ports: where the pipeline meets the stages. Each is a slice that one caller needs, nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from worker.core.errors import PartUnreadable
from worker.core.events import Claim, Event, Stream
from worker.core.policies import (
    OPERATING_POINTS,
    Basis,
    CategorySpec,
    ConceptCompiler,
    DecideEach,
    EventJudge,
    Limits,
    Point,
    Policy,
    PolicyBook,
)
from worker.core.queue import NO_MARKS, Revoked, Sender, Tail, Transport
from worker.core.records import Record
from worker.core.views import Concepts, Floats, ModelRef, TextSource, View, ViewKind


class Decoder(Protocol):
    """Bytes to events. Pure but for the CPU it takes: media are decoded where the caller runs it."""

    def envelope(self, record: Record) -> Envelope:
        """
        Read the envelope; cheap, no media touched.

        Raises:
            NotAnEvent: with a code and a reason for the dead letter's headers.
        """
        ...

    def claims(self, envelope: Envelope, limits: Limits) -> list[Claim]:
        """What of the event lies elsewhere and is within the tenant's limits: to be fetched before `event`."""
        ...

    def event(self, envelope: Envelope, limits: Limits, *, received: float) -> Event:
        """Decode the parts within the tenant's limits. Never raises: what cannot be read stands in `degraded`."""
        ...


class Envelope(Protocol):
    """A validated envelope whose media are still encoded."""

    @property
    def id(self) -> str: ...

    @property
    def tenant(self) -> str: ...

    @property
    def order_key(self) -> str:
        """Tenant with `stream.id`, else `context.actor`, else the event's id: decisions of one key keep their order."""
        ...

    @property
    def deadline_ms(self) -> int | None:
        """Milliseconds from the queue's stamp after which it is late; None when it names none."""
        ...

    @property
    def decoded_bytes(self) -> int:
        """What the event will take in memory with all its views: bytes, from headers, an upper bound."""
        ...

    @property
    def stream(self) -> Stream | None:
        """Its place in a call or conversation."""
        ...

    @property
    def speaker(self) -> str | None:
        """Who speaks there: `stream.speaker`, else `context.actor`."""
        ...

    @property
    def said(self) -> str:
        """Its text parts, a line each."""
        ...

    @property
    def of_call(self) -> bool:
        """True for sound that belongs to a stream: it is judged in the windows of its call."""
        ...

    @property
    def heavy(self) -> bool:
        """True when decoding belongs in a thread: pictures, sound, long texts."""
        ...

    @property
    def refers(self) -> bool:
        """True when some of its content may lie elsewhere."""
        ...

    @property
    def fetched(self) -> dict[int, bytes | PartUnreadable]:
        """By place of the part, what came of its claim; filled by whoever fetches, before `Decoder.event`."""
        ...


class Claims(Protocol):
    """Fetches content that lies elsewhere."""

    async def fetch(self, claim: Claim, tenant: str) -> bytes:
        """
        The content, of exactly the length and digest that the claim says; without a digest, no longer than it says.

        Raises:
            OverLimit: `image_too_large`, without a digest.
            PartUnreadable: `ref_not_allowed`, `ref_unavailable` or `ref_mismatch`; without the address in its reason.
        """
        ...


class Scorer(Protocol):
    """A model that judges views. Called in the device thread with one batch at a time."""

    @property
    def ref(self) -> ModelRef: ...

    @property
    def kind(self) -> ViewKind: ...

    def score(self, views: Sequence[View], concepts: Sequence[Concepts]) -> list[Floats]:
        """
        For each view, float32 [C] probabilities in [0, 1], C the number of the policy's categories; NaN where this
        scorer has no opinion. A score never depends on the view's neighbours beyond float rounding.

        Raises:
            ModelFailed: the batch cannot be scored; the caller splits it.
        """
        ...


class Extractor(Protocol):
    """A model that reads text out of views: OCR, speech recognition."""

    @property
    def ref(self) -> ModelRef: ...

    @property
    def kind(self) -> ViewKind: ...

    def extract(self, views: Sequence[View]) -> list[TextSource]:
        """For each view its text; empty text when there is none. Raises ModelFailed."""
        ...


class Tokenizer(Protocol):
    """Turns texts into the text model's tokens, without special tokens."""

    @property
    def window_tokens(self) -> int:
        """How many tokens one view may have."""
        ...

    def encode(self, texts: Sequence[str]) -> list[tuple[Any, Any]]:
        """For each text: int32 [n] ids, int32 [n, 2] character offsets."""
        ...


__all__ = [
    "NO_MARKS",
    "OPERATING_POINTS",
    "Basis",
    "CategorySpec",
    "Claims",
    "ConceptCompiler",
    "DecideEach",
    "Decoder",
    "Envelope",
    "EventJudge",
    "Extractor",
    "Limits",
    "Point",
    "Policy",
    "PolicyBook",
    "Revoked",
    "Scorer",
    "Sender",
    "Tail",
    "Tokenizer",
    "Transport",
]
