"""Bytes to events: the envelope first, cheap; then text, pictures and sound within the tenant's limits."""

from worker.decode.decoder import EventDecoder
from worker.decode.envelope import EventEnvelope, OuterLimits
from worker.decode.schema import event_schema

__all__ = ["EventDecoder", "EventEnvelope", "OuterLimits", "event_schema"]
