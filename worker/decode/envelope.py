"""A record's bytes to a validated envelope: identity, order key and an upper bound of its memory; no media touched."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from typing import Any

from worker.core.errors import NotAnEvent, PartUnreadable
from worker.core.events import Stream
from worker.core.records import FIRST_POSITION, Position, Record
from worker.decode.cloudevents import binary_attributes, from_binary, from_structured, header_text, parse_json
from worker.decode.headers import HEAD_BYTES, image_header, seconds_bound
from worker.decode.shape import check_event

TRACEPARENT = "traceparent"
_TEXT_BYTES = 4  # of each byte of text: the string, its normalised form, tokens and offsets of the windows
_HEAVY_CHARS = 4_096  # above this, reading a text's windows takes longer than handing it to a thread
_SAMPLE_BYTES = 64_000  # one second of float32 at 16 kHz
_BASE64_HEAD = HEAD_BYTES // 3 * 4


@dataclass(frozen=True, slots=True)
class OuterLimits:
    """The worker's own ceilings, which no tenant's policy can pass. Also the shape of `core.ports.Limits`."""

    record_bytes: int = 64 * 1024 * 1024
    text_chars: int = 1_000_000  # of all text parts of an event together
    image_pixels: int = 50_000_000  # of one picture, from its header
    image_bytes: int = 32 * 1024 * 1024  # of one picture's file
    image_side: int = 1_280  # longest side of what models see
    audio_s: float = 600.0  # of one clip
    audio_bytes: int = 64 * 1024 * 1024  # of one clip's file
    parts: int = 64


@dataclass(slots=True)
class EventEnvelope:
    """
    A validated envelope whose media are still encoded.

    body: the event as JSON values of the types of event.v1.
    raw: the content of the only part, when the record's value was that content itself.
    refers: whether a part's content is by `ref` and may be fetched.
    fetched: by place of the part, what came of that.
    """

    record: Record
    id: str
    tenant: str
    order_key: str
    body: dict[str, Any]
    decoded_bytes: int
    heavy: bool
    unknown_fields: int = 0
    raw: bytes | None = None
    traceparent: str | None = None
    first_position: Position | None = None
    refers: bool = False
    fetched: dict[int, bytes | PartUnreadable] = field(default_factory=dict)

    @property
    def stream(self) -> Stream | None:
        """Its place in a call or conversation."""
        return read_stream(self.body.get("stream"))

    @property
    def speaker(self) -> str | None:
        """Who speaks there: `stream.speaker`, else `context.actor`."""
        speaker: str | None = (self.body.get("stream") or {}).get("speaker") or (self.body.get("context") or {}).get(
            "actor"
        )
        return speaker

    @property
    def said(self) -> str:
        """Its text parts, a line each."""
        return "\n".join(part["text"] for part in self.body["parts"] if part["type"] == "text")

    @property
    def of_call(self) -> bool:
        """True for sound that belongs to a stream."""
        return self.body.get("stream") is not None and any(part["type"] == "audio" for part in self.body["parts"])

    @property
    def deadline_ms(self) -> int | None:
        deadline: int | None = self.body.get("deadline_ms")
        return deadline


def read_envelope(record: Record, outer: OuterLimits, *, claims: bool = False) -> EventEnvelope:
    """
    Read a record's envelope: event.v1 as JSON or as CloudEvents, behind a Schema Registry prefix or not.

    claims: whether content by `ref` may be fetched, so that room is kept for it.

    Raises:
        NotAnEvent: `tombstone`, `too_large`, `not_utf8`, `not_json`, `wrong_shape`, `no_id`, `no_tenant`, `bad_header`.
    """
    value = record.value
    if value is None:
        raise NotAnEvent("tombstone", "the value is null: a tombstone deletes, it carries no event")
    if len(value) > outer.record_bytes:
        reason = (
            f"the value has {len(value)} bytes, more than the {outer.record_bytes} allowed: send large content by `ref`"
        )
        raise NotAnEvent("too_large", reason)
    attributes = binary_attributes(record.headers) if record.headers else None
    raw: bytes | None = None
    if attributes is not None:
        body, raw = from_binary(attributes, value)
    else:
        # Confluent's wire format: a zero byte and a 4-byte schema id before the JSON
        body = parse_json(memoryview(value)[5:] if value[:1] == b"\x00" else value)
        if type(body) is dict and "specversion" in body:
            body = from_structured(body)
    unknown = check_event(body)
    decoded, heavy = _memory(body["parts"], len(value), raw, outer)
    to_come = _to_come(body["parts"], outer) if claims else 0
    traceparent, first = _marks(record) if record.headers else (None, None)
    key = _order_key(body)
    return EventEnvelope(
        record,
        body["id"],
        body["tenant"],
        key,
        body,
        decoded + to_come,
        heavy or to_come > 0,
        unknown,
        raw,
        traceparent,
        first,
        to_come > 0,
    )


def read_stream(sent: dict[str, Any] | None) -> Stream | None:
    """An event's `stream`."""
    if sent is None:
        return None
    return Stream(sent["id"], sent.get("seq"), sent.get("offset_ms"), sent.get("speaker"), bool(sent.get("final")))


def _order_key(body: dict[str, Any]) -> str:
    """Tenant with the stream's id, else the actor, else the event's own id; a letter keeps the three apart."""
    stream = body.get("stream")
    if stream is not None:
        return f"{body['tenant']}\ns{stream['id']}"
    context = body.get("context")
    if context is not None and context.get("actor"):
        return f"{body['tenant']}\na{context['actor']}"
    return f"{body['tenant']}\ni{body['id']}"


def _marks(record: Record) -> tuple[str | None, Position | None]:
    """The trace parent, and the position first read of a redriven record."""
    traceparent: str | None = None
    first: Position | None = None
    for name, value in record.headers:
        if name == TRACEPARENT:
            traceparent = header_text(name, value)
        elif name == FIRST_POSITION:
            topic, _, rest = header_text(name, value).partition(":")
            partition, _, offset = rest.partition(":")
            if not (topic and partition.isdecimal() and offset.isdecimal()):
                raise NotAnEvent("bad_header", f"header {FIRST_POSITION} must be topic:partition:offset")
            first = Position(topic, int(partition), int(offset))
    return traceparent, first


def _memory(parts: list[dict[str, Any]], size: int, raw: bytes | None, outer: OuterLimits) -> tuple[int, bool]:
    """Bytes that the event will take with all its views, an upper bound; and whether decoding belongs in a thread."""
    total, heavy = size * _TEXT_BYTES, size > _HEAVY_CHARS
    for part in parts[: outer.parts]:  # the others are not decoded
        kind = part["type"]
        if kind not in ("image", "audio"):
            continue
        head, length = _head(part, raw)
        if length:
            heavy = True
            total += length + (
                _image_bytes(head, outer) if kind == "image" else _audio_bytes(part, head, length, outer)
            )
    return total, heavy


def _to_come(parts: list[dict[str, Any]], outer: OuterLimits) -> int:
    """Bytes that content by `ref` will take, files and views; 0 where there is none that could be fetched."""
    total = 0
    for part in parts[: outer.parts]:
        kind, ref = part["type"], part.get("ref")
        if kind not in ("image", "audio") or ref is None or part.get("data") is not None:
            continue
        length = ref.get("bytes") or 0
        if 0 < length <= (outer.image_bytes if kind == "image" else outer.audio_bytes):
            views = outer.image_side**2 * 3 * 4 if kind == "image" else _audio_bytes(part, b"", length, outer)
            total += length * 2 + views  # the file as it arrives and as it is kept
    return total


def _head(part: dict[str, Any], raw: bytes | None) -> tuple[bytes, int]:
    """The first bytes of a part's file and the file's length in bytes; no bytes where they are not base64."""
    if raw is not None:
        return raw[:HEAD_BYTES], len(raw)
    data = part.get("data") or ""
    try:
        return binascii.a2b_base64(data[:_BASE64_HEAD]), len(data) * 3 // 4
    except ValueError:  # said by the decoder, which reads the whole
        return b"", len(data) * 3 // 4


def _image_bytes(head: bytes, outer: OuterLimits) -> int:
    """The picture as RGBA while it is decoded, and four frames at the side that models see."""
    header = image_header(head)
    pixels = outer.image_pixels if header is None else min(header.width * header.height, outer.image_pixels)
    return pixels * 4 + min(pixels, outer.image_side**2) * 3 * 4


def _audio_bytes(part: dict[str, Any], head: bytes, length: int, outer: OuterLimits) -> int:
    """Samples at the file's own rate while it is read, and at 16 kHz in one view and its windows."""
    seconds = length / 4_000 if part.get("encoding") or part.get("rate") else seconds_bound(head, length)
    return int(min(seconds, outer.audio_s) * _SAMPLE_BYTES * 3)
