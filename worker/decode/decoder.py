"""The decoder: envelopes and events behind `core.ports.Decoder`, counting what it met and did not know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from worker.core import ports
from worker.core.errors import PartUnreadable
from worker.core.events import Claim, Degradation, Event, Part, TextPart
from worker.core.records import Record
from worker.decode.envelope import EventEnvelope, OuterLimits, read_envelope, read_stream
from worker.decode.media import InProcess, Media
from worker.decode.parts import claim_of, claims_are_off, read_media

_CONTEXT = frozenset({"channel", "audience", "language", "region", "actor", "attributes"})


class EventDecoder:
    """
    Bytes to events within the worker's own limits and the tenant's.

    Args:
        outer: the worker's ceilings; a tenant's limits only tighten them.
        on_unknown: called with the number of unknown fields of an envelope that has any; no content.
        claims: whether content by `ref` is fetched.
        media: where pictures and sound are decoded; in this process unless told otherwise.
    """

    def __init__(
        self,
        outer: OuterLimits | None = None,
        *,
        on_unknown: Callable[[int], None] | None = None,
        claims: bool = False,
        media: Media | None = None,
    ) -> None:
        self._outer = outer or OuterLimits()
        self._claims = claims
        self._media = media or InProcess()
        self._on_unknown = on_unknown
        self.unknown_fields = 0

    def envelope(self, record: Record) -> EventEnvelope:
        """
        Read the envelope; cheap, no media touched.

        Raises:
            NotAnEvent: with a code and a reason for the dead letter's headers.
        """
        envelope = read_envelope(record, self._outer, claims=self._claims)
        if envelope.unknown_fields:
            self.unknown_fields += envelope.unknown_fields
            if self._on_unknown is not None:
                self._on_unknown(envelope.unknown_fields)
        return envelope

    def claims(self, envelope: ports.Envelope, limits: ports.Limits) -> list[Claim]:
        """What of the event lies elsewhere and is within the tenant's limits: to be fetched before `event`."""
        found = []
        for index, part in enumerate(_own(envelope).body["parts"][: min(limits.parts, self._outer.parts)]):
            if part["type"] in ("image", "audio") and part.get("data") is None and part.get("ref") is not None:
                try:
                    found.append(claim_of(part, index, limits, self._outer))
                except PartUnreadable:  # said when the part is read
                    continue
        return found

    def event(self, envelope: ports.Envelope, limits: ports.Limits, *, received: float) -> Event:
        """Decode the parts within the tenant's limits. Never raises: what cannot be read stands in `degraded`."""
        own = _own(envelope)
        record, body = own.record, own.body
        parts, degraded = self._parts(body["parts"], own, limits)
        return Event(
            envelope.id,
            envelope.tenant,
            parts,
            record.position,
            record.key,
            envelope.order_key,
            received,
            body.get("time"),
            _context(body.get("context")),
            read_stream(body.get("stream")),
            body.get("deadline_ms"),
            record.timestamp_ms,
            own.traceparent,
            degraded,
            own.first_position,
        )

    def _parts(
        self, sent: list[dict[str, Any]], envelope: EventEnvelope, limits: ports.Limits
    ) -> tuple[tuple[Part, ...], list[Degradation]]:
        """The parts that can be read, and what is to be said of the others."""
        first, of_call = sent[0], envelope.body.get("stream") is not None
        if len(sent) == 1 and first["type"] == "text":  # most of all traffic
            text = first["text"]
            if len(text) <= limits.text_chars and len(text) <= self._outer.text_chars:
                return (TextPart("parts/0", text, first.get("role")),), []
        parts: list[Part] = []
        degraded: list[Degradation] = []
        allowed = min(limits.parts, self._outer.parts)
        room = min(limits.text_chars, self._outer.text_chars)
        if len(sent) > allowed:
            degraded.append(_too_many(len(sent), allowed))
            sent = sent[:allowed]
        for index, part in enumerate(sent):
            path = f"parts/{index}"
            if part["type"] != "text":
                found, problems = read_media(
                    part,
                    index,
                    self._given(envelope, index),
                    limits,
                    self._outer,
                    self._media,
                    of_call=of_call,
                )
                degraded += problems
                if found is not None:
                    parts.append(found)
                continue
            text = part["text"]
            if len(text) > room:
                degraded.append(_text_too_long(path, len(text), room))
                text = text[:room]
            room -= len(text)
            parts.append(TextPart(path, text, part.get("role")))
        return tuple(parts), degraded

    def _given(self, envelope: EventEnvelope, index: int) -> bytes | PartUnreadable | None:
        """A part's content that does not stand in `data`, or why it is not here; None where `data` is all there is."""
        if envelope.raw is not None:
            return envelope.raw
        if self._claims:
            return envelope.fetched.get(index)
        part = envelope.body["parts"][index]
        return claims_are_off() if part.get("ref") is not None and part.get("data") is None else None


def _own(envelope: ports.Envelope) -> EventEnvelope:
    if not isinstance(envelope, EventEnvelope):
        raise TypeError("envelope must come from this decoder's own envelope()")
    return envelope


def _too_many(sent: int, allowed: int) -> Degradation:
    reason = (
        f"the event has {sent} parts, of which the first {allowed} are read: send the others as events of their own"
    )
    return Degradation("too_many_parts", "too_long", f"parts/{allowed}", reason)


def _text_too_long(path: str, sent: int, room: int) -> Degradation:
    reason = f"the text has {sent} characters, of which the first {room} fit the limit `text_chars`"
    return Degradation("text_too_long", "too_long", path, reason)


def _context(sent: dict[str, Any] | None) -> dict[str, Any]:
    """The known fields that are set; a producer's own ones stand in `attributes`."""
    if not sent:
        return {}
    if _CONTEXT.issuperset(sent):
        return sent
    return {name: value for name, value in sent.items() if name in _CONTEXT}
