"""
What a trace is told, and under which names: OpenTelemetry's for messaging, ours for the models.

Off unless `traces.endpoint` is set. A span is a batch, since that is what takes time here; the events of a batch keep
their own traces, so the span links to each of them and they are not made its children.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

# OpenTelemetry's semantic conventions for messaging
SYSTEM = "messaging.system"
OPERATION = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
GROUP = "messaging.consumer.group.name"
COUNT = "messaging.batch.message_count"
# ours
LANE = "tidegate.lane"
ITEMS = "tidegate.batch.items"
FAILED = "tidegate.batch.failed"
WAIT_S = "tidegate.batch.wait_s"
ACTIONS = "tidegate.decisions."  # with allow, flag or block behind it: how many of each

Parents = Callable[[], list[str]]  # the events' own `traceparent`, asked for only when the span is kept


class Traces(Protocol):
    """Where spans go. Times are wall seconds."""

    def delivered(self, began: float, ended: float, count: int, actions: Mapping[str, int], parents: Parents) -> None:
        """A batch was decided, published and acknowledged; `began` is when it was taken up for that."""
        ...

    def scored(self, lane: str, began: float, ended: float, items: int, failed: int, wait_s: float) -> None:
        """A batch went through a model."""
        ...


class NoTraces:
    """Traces that are off."""

    def delivered(self, began: float, ended: float, count: int, actions: Mapping[str, int], parents: Parents) -> None:
        """Nothing."""

    def scored(self, lane: str, began: float, ended: float, items: int, failed: int, wait_s: float) -> None:
        """Nothing."""
