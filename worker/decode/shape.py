"""The fast check that a parsed JSON value is an event.v1; accepts exactly what the models in `schema.py` accept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.core.errors import NotAnEvent
from worker.decode.schema import MAX_ID, MAX_INT, MAX_NAME, MAX_TENANT

_EVENT = frozenset({"id", "tenant", "time", "parts", "context", "stream", "deadline_ms"})
_TEXT = frozenset({"type", "text", "role"})
_CONTEXT = frozenset({"channel", "audience", "language", "region", "actor", "attributes"})
_STREAM = frozenset({"id", "seq", "offset_ms", "speaker", "final"})
_REF = frozenset({"url", "sha256", "bytes"})
_MEDIA = {
    "image": frozenset({"type", "data", "ref", "mime"}),
    "audio": frozenset({"type", "data", "ref", "mime", "encoding", "rate", "channels"}),
}


def check_event(body: Any) -> int:
    """
    Check that `body`, as parsed from JSON, is an event.v1.

    Returns:
        how many unknown fields it has, at any depth that the schema describes.

    Raises:
        NotAnEvent: `no_id`, `no_tenant` or `wrong_shape`; the reason names the field and what it must be.
    """
    if type(body) is not dict:
        raise _wrong("the value", "an object")
    event_id, tenant, parts = body.get("id"), body.get("tenant"), body.get("parts")
    if type(event_id) is not str or not 0 < len(event_id) <= MAX_ID:
        raise _missing("id", MAX_ID, event_id)
    if type(tenant) is not str or not 0 < len(tenant) <= MAX_TENANT:
        raise _missing("tenant", MAX_TENANT, tenant)
    if type(parts) is not list or not parts:
        raise _wrong("parts", "a list of at least one part")
    unknown = 0 if _EVENT.issuperset(body) else len(body.keys() - _EVENT)
    for index, part in enumerate(parts):
        unknown += _check_part(part, index)
    if "time" in body:  # a look costs less than a call
        _name(body, "time", "")
    if "deadline_ms" in body:
        _whole(body, "deadline_ms", "")
    if (context := body.get("context")) is not None:
        unknown += _check_context(context)
    if (stream := body.get("stream")) is not None:
        unknown += _check_stream(stream)
    return unknown


def _check_part(part: Any, index: int) -> int:
    if type(part) is not dict:
        raise _wrong(f"parts[{index}]", "an object")
    kind = part.get("type")
    if kind == "text":
        if type(part.get("text")) is not str:
            raise _wrong(f"parts[{index}].text", "a string")
        if "role" in part:
            _name(part, "role", f"parts[{index}].")
        return 0 if _TEXT.issuperset(part) else len(part.keys() - _TEXT)
    if type(kind) is not str or len(kind) > MAX_NAME:
        raise _wrong(f"parts[{index}].type", f"a string of at most {MAX_NAME} characters")
    known = _MEDIA.get(kind)
    if known is None:
        return len(part) - 1
    return _check_media(part, known, f"parts[{index}].")


def _check_media(part: dict[str, Any], known: frozenset[str], at: str) -> int:
    data, ref = part.get("data"), part.get("ref")
    if data is not None and type(data) is not str:
        raise _wrong(f"{at}data", "a base64 string or null")
    _name(part, "mime", at)
    if "encoding" in known:
        _name(part, "encoding", at)
        _whole(part, "rate", at)
        _whole(part, "channels", at)
    unknown = len(part.keys() - known)
    if ref is None:
        return unknown
    if type(ref) is not dict:
        raise _wrong(f"{at}ref", "an object or null")
    if type(ref.get("url")) is not str:
        raise _wrong(f"{at}ref.url", "a string")
    _name(ref, "sha256", f"{at}ref.")
    _whole(ref, "bytes", f"{at}ref.")
    return unknown + len(ref.keys() - _REF)


def _check_context(context: Any) -> int:
    if type(context) is not dict:
        raise _wrong("context", "an object or null")
    unknown = 0
    for name, value in context.items():
        if name not in _CONTEXT:
            unknown += 1
        elif name == "attributes":
            if value is not None and type(value) is not dict:
                raise _wrong("context.attributes", "an object or null")
        elif type(value) is not str or len(value) > MAX_NAME:
            _name(context, name, "context.")
    return unknown


def _check_stream(stream: Any) -> int:
    if type(stream) is not dict:
        raise _wrong("stream", "an object or null")
    stream_id = stream.get("id")
    if type(stream_id) is not str or not 0 < len(stream_id) <= MAX_ID:
        raise _wrong("stream.id", f"a string of 1 to {MAX_ID} characters")
    _whole(stream, "seq", "stream.")
    _whole(stream, "offset_ms", "stream.")
    _name(stream, "speaker", "stream.")
    final = stream.get("final")
    if final is not None and type(final) is not bool:
        raise _wrong("stream.final", "true, false or null")
    return 0 if _STREAM.issuperset(stream) else len(stream.keys() - _STREAM)


def _name(body: Mapping[str, Any], field: str, at: str) -> None:
    value = body.get(field)
    if value is not None and (type(value) is not str or len(value) > MAX_NAME):
        raise _wrong(at + field, f"a string of at most {MAX_NAME} characters or null")


def _whole(body: Mapping[str, Any], field: str, at: str) -> None:
    value = body.get(field)
    if value is not None and (type(value) is not int or not 0 <= value <= MAX_INT):
        raise _wrong(at + field, "a whole number from 0 to 2^53 - 1 or null")


def _missing(field: str, longest: int, value: Any) -> NotAnEvent:
    if value is None or value == "":
        return NotAnEvent(f"no_{field}", f"{field} is missing: an event needs a string of 1 to {longest} characters")
    return _wrong(field, f"a string of 1 to {longest} characters")


def _wrong(path: str, expected: str) -> NotAnEvent:
    return NotAnEvent("wrong_shape", f"{path} must be {expected}")
