"""
CloudEvents 1.0, structured and binary, to the body of an event.v1.

The data is the event where it is JSON; attributes fill in what it lacks (`id`, `time`, `tenant` and the extensions
below). Where the data is raw content (`image/*`, `audio/*`, `text/*`), the attributes are all there is. CloudEvents
names have no underscore or dot, so `stream.offset_ms` is `streamoffsetms`. `source` and `type` are read by nobody.
"""

from __future__ import annotations

from typing import Any

import orjson

from worker.core.errors import NotAnEvent
from worker.core.records import Headers

_CONTEXT = ("channel", "audience", "language", "region", "actor")
_STREAM = {"streamid": "id", "streamseq": "seq", "streamoffsetms": "offset_ms", "streamspeaker": "speaker"}
_WHOLE = frozenset({"seq", "offset_ms", "deadline_ms"})
_RAW = ("image", "audio", "text")


def binary_attributes(headers: Headers) -> dict[str, Any] | None:
    """
    The CloudEvents attributes of a record's headers in binary mode; None when there are none.

    Raises:
        NotAnEvent: `bad_header` for a `ce_` header that is not UTF-8.
    """
    attributes: dict[str, Any] = {}
    content_type: str | None = None
    for name, value in headers:
        lowered = name.lower()
        if lowered.startswith("ce_"):
            attributes[lowered[3:]] = header_text(name, value)
        elif lowered == "content-type":
            content_type = header_text(name, value)
    if not attributes:
        return None
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    return attributes


def from_binary(attributes: dict[str, Any], value: bytes) -> tuple[dict[str, Any], bytes | None]:
    """
    The event's body, and the raw content of its only part when `value` is not JSON.

    Raises:
        NotAnEvent: the value is neither JSON nor of a type that can be a part.
    """
    mime = str(attributes.get("datacontenttype", "application/json"))
    kind = _raw_kind(mime)
    if kind is None:
        return _merged(attributes, parse_json(value)), None
    if kind != "text":
        part = {"type": kind, "data": "", "mime": mime}
        return _merged(attributes, {"parts": [part]}), value
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise NotAnEvent("not_utf8", f"the value is declared as text and is not UTF-8 at byte {error.start}") from None
    return _merged(attributes, {"parts": [_text_part(attributes, text)]}), None


def from_structured(envelope: dict[str, Any]) -> dict[str, Any]:
    """
    The event's body of a structured CloudEvent, as parsed from JSON.

    Raises:
        NotAnEvent: `wrong_shape` where `data` or `data_base64` cannot be an event.
    """
    mime = envelope.get("datacontenttype")
    kind = _raw_kind(mime) if isinstance(mime, str) else None
    data, encoded = envelope.get("data"), envelope.get("data_base64")
    if kind == "text" and isinstance(data, str):
        return _merged(envelope, {"parts": [_text_part(envelope, data)]})
    if kind in ("image", "audio"):
        if not isinstance(encoded, str):
            raise NotAnEvent("wrong_shape", "data_base64 must be a base64 string where datacontenttype is a media type")
        return _merged(envelope, {"parts": [{"type": kind, "data": encoded, "mime": mime}]})
    return _merged(envelope, data)


def header_text(name: str, value: bytes | None) -> str:
    """A header's value as text; raises NotAnEvent `bad_header` where it is not UTF-8."""
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        raise NotAnEvent("bad_header", f"header {name[:64]!a} is not UTF-8: send text in it") from None


def parse_json(value: bytes | memoryview) -> Any:
    """The JSON value in `value`; raises NotAnEvent `not_utf8` or `not_json`, without content."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        try:
            bytes(value).decode()
        except UnicodeDecodeError as bad:
            raise NotAnEvent("not_utf8", f"the value is not UTF-8 at byte {bad.start} of {len(value)}") from None
        reason = f"the value is not JSON at character {error.pos} of {len(value)} bytes: {error.msg.split(':')[0]}"
        raise NotAnEvent("not_json", reason) from None


def _raw_kind(mime: str) -> str | None:
    head = mime.split("/", 1)[0].strip().lower()
    return head if head in _RAW else None


def _text_part(attributes: dict[str, Any], text: str) -> dict[str, Any]:
    role = attributes.get("role")
    return {"type": "text", "text": text} if role is None else {"type": "text", "text": text, "role": role}


def _merged(attributes: dict[str, Any], data: Any) -> dict[str, Any]:
    """`data` with what it lacks taken from the attributes; the data's own fields win."""
    if type(data) is not dict:
        raise NotAnEvent("wrong_shape", "data must be an object: the event, as JSON")
    body = dict(data)
    for name in ("id", "tenant", "time"):
        if body.get(name) is None and attributes.get(name) is not None:
            body[name] = attributes[name]
    if body.get("deadline_ms") is None and "deadlinems" in attributes:
        body["deadline_ms"] = _typed("deadline_ms", attributes["deadlinems"])
    if body.get("context") is None:
        body["context"] = {name: attributes[name] for name in _CONTEXT if name in attributes}
    if body.get("stream") is None and "streamid" in attributes:
        stream = {field: _typed(field, attributes[name]) for name, field in _STREAM.items() if name in attributes}
        final = attributes.get("streamfinal")
        stream["final"] = final is True or final == "true"
        body["stream"] = stream
    return body


def _typed(field: str, value: Any) -> Any:
    """Headers are text: whole numbers among them become numbers, the shape check judges the rest."""
    if field in _WHOLE and isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        return int(value)
    return value
