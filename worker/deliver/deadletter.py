"""Dead letters: what is no event, its bytes untouched, the reason in headers."""

from __future__ import annotations

import hashlib

from worker import __version__
from worker.core.errors import NotAnEvent
from worker.core.records import Headers, Outgoing, Record, Route

_CONNECT = "__connect.errors."  # Kafka Connect's names (KIP-298), which existing tools read
_OURS = "tidegate-"


def dead_letter(record: Record, error: NotAnEvent, *, max_bytes: int) -> Outgoing:
    """
    The dead letter of a record: value, key and headers as they came, and ours after them.

    A record over `max_bytes` becomes a pointer: an empty value with the size and sha256 in headers; the bytes stay
    where they are in the input topic. When its key and headers alone are over, they stay there too.
    """
    position, key, value, theirs = record.position, record.key, record.value, record.headers
    around = len(key or b"") + sum(len(name.encode()) + len(content) for name, content in theirs)
    if around > max_bytes:
        key, theirs = None, ()
    headers: Headers = (
        *theirs,
        (_CONNECT + "topic", position.topic.encode()),
        (_CONNECT + "partition", b"%d" % position.partition),
        (_CONNECT + "offset", b"%d" % position.offset),
        (_CONNECT + "connector.name", b"tidegate"),
        (_CONNECT + "stage", b"VALUE_CONVERTER"),
        (_CONNECT + "class.name", b"worker.decode"),
        (_CONNECT + "exception.class.name", b"NotAnEvent"),
        (_CONNECT + "exception.message", error.reason.encode()),
        (_OURS + "code", error.code.encode()),
        (_OURS + "version", __version__.encode()),
    )
    if value is not None and len(value) + around > max_bytes:
        digest = hashlib.sha256(value).hexdigest()
        headers += (
            (_OURS + "pointer-bytes", b"%d" % len(value)),
            (_OURS + "pointer-sha256", digest.encode()),
        )
        value = b""
    return Outgoing(Route.DEAD_LETTER, key, value, headers, position)
