"""Records as a queue would give them, for the decoder's tests."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from worker.core.events import Event
from worker.core.records import Headers, Position, Record
from worker.decode.decoder import EventDecoder
from worker.decode.envelope import OuterLimits

ALLOWED = OuterLimits()


def record(value: bytes | None, headers: Headers = ()) -> Record:
    """A record of `value` at a fixed position."""
    return Record(Position("in", 3, 14), None, value, headers, 1_800_000_000_000)


def body(**fields: Any) -> dict[str, Any]:
    """A small valid event with `fields` put in or over it."""
    return {"id": "e-1", "tenant": "acme", "parts": [{"type": "text", "text": "hello"}], **fields}


def read(value: bytes | dict[str, Any], headers: Headers = (), limits: OuterLimits = ALLOWED) -> Event:
    """Decode a value to an event under `limits`."""
    decoder = EventDecoder()
    sent = value if isinstance(value, bytes) else orjson.dumps(value)
    return decoder.event(decoder.envelope(record(sent, headers)), limits, received=1.0)


def media(kind: str, content: bytes, **fields: Any) -> dict[str, Any]:
    """An event with one picture or clip."""
    return body(parts=[{"type": kind, "data": base64.b64encode(content).decode(), **fields}])
