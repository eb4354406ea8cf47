"""The partition key of an event, so that what belongs together stays in order."""

from __future__ import annotations

from worker.core.errors import NotAnEvent
from worker.core.records import Position, Record
from worker.decode.decoder import EventDecoder


def key_of(value: bytes) -> bytes | None:
    """The event's ordering key as bytes; None for what is no event, which goes anywhere and then to the dead letter."""
    try:
        envelope = EventDecoder().envelope(Record(Position("", 0, 0), None, value, (), 0))
    except NotAnEvent:
        return None
    return envelope.order_key.encode()
