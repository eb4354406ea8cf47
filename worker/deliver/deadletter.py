"""Dead letters: what is no event or cannot be decided, its bytes untouched, the reason and history in headers."""

from __future__ import annotations

import hashlib

from worker import __version__
from worker.core.errors import NotAnEvent, Parked
from worker.core.records import FIRST_POSITION, REDRIVES, Headers, Outgoing, Record, Route

CONNECT = "__connect.errors."  # Kafka Connect's names (KIP-298), which existing tools read
OURS = "tidegate-"
COMES_WITH_RECORD = (FIRST_POSITION, REDRIVES)  # ours, but they belong to the record and stay on it
_STAGES = {"envelope": b"VALUE_CONVERTER", "publishing": b"TASK_PUT"}  # Connect's own word for the others is below


def dead_letter(
    record: Record, error: NotAnEvent | Parked, *, max_bytes: int, tenant: str | None = None, pointer: bool = False
) -> Outgoing:
    """
    The dead letter of a record: value, key and headers as they came, and ours after them.

    A record over `max_bytes` becomes a pointer: an empty value with the size and sha256 in headers; the bytes stay
    where they are in the input topic. When its key and headers alone are over, they stay there too.

    Args:
        tenant: when it is known.
        pointer: leave value, key and headers where they are, whatever their size.
    """
    position, key, value, theirs = record.position, record.key, record.value, record.headers
    around = len(key or b"") + sum(len(name.encode()) + len(content) for name, content in theirs)
    if around > max_bytes or pointer:
        key, theirs = None, tuple(one for one in theirs if one[0] in COMES_WITH_RECORD and len(one[1]) < 500)
    headers: Headers = (*theirs, *_reason(record, error))
    if tenant is not None:
        headers += ((OURS + "tenant", tenant.encode()),)
    if value is not None and (pointer or len(value) + around > max_bytes):
        digest = hashlib.sha256(value).hexdigest()
        headers += (
            (OURS + "pointer-bytes", b"%d" % len(value)),
            (OURS + "pointer-sha256", digest.encode()),
        )
        value = b""
    return Outgoing(Route.DEAD_LETTER, key, value, headers, position)


def _reason(record: Record, error: NotAnEvent | Parked) -> Headers:
    position = record.position
    stage, failures = ("envelope", ()) if isinstance(error, NotAnEvent) else (error.stage, error.failures)
    raised = failures[-1] if failures else type(error).__name__
    headers: Headers = (
        (CONNECT + "topic", position.topic.encode()),
        (CONNECT + "partition", b"%d" % position.partition),
        (CONNECT + "offset", b"%d" % position.offset),
        (CONNECT + "connector.name", b"tidegate"),
        (CONNECT + "stage", _STAGES.get(stage, b"TRANSFORMATION")),
        (CONNECT + "class.name", b"worker.decode" if stage in ("envelope", "event") else b"worker.pipeline"),
        (CONNECT + "exception.class.name", raised.encode()),
        (CONNECT + "exception.message", error.reason.encode()),
        (OURS + "code", error.code.encode()),
        (OURS + "stage", stage.encode()),
        (OURS + "attempts", b"%d" % max(len(failures), 1)),
        (OURS + "version", __version__.encode()),
    )
    return (*headers, (OURS + "failures", ",".join(failures).encode())) if failures else headers
