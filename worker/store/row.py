"""A decision as a row: the columns that people search by, taken from its own bytes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import orjson

from worker.core.decisions import Action
from worker.core.events import PartType

COLUMNS = ("seq", "segment", "id", "event_id", "tenant", "time_ms", "action", "types", "categories", "value", "link")


class Found(NamedTuple):
    """What the columns of a decision say; all of it stands in `value` too."""

    id: str
    event_id: str
    tenant: str
    time_ms: int  # Unix milliseconds
    action: int  # of `Action`
    types: int  # bit 1 << PartType for each type of part
    categories: str  # "|hate|hate/threatening|": categories of the reasons
    value: bytes  # decision.v1 as it was published


class Row(NamedTuple):
    """A stored decision: `Found` with its place. `seq` rises by one in the order of arrival, over all tenants."""

    seq: int
    segment: int
    id: str
    event_id: str
    tenant: str
    time_ms: int
    action: int
    types: int
    categories: str
    value: bytes
    link: bytes  # hash over the segment's rows up to this one

    @property
    def decision(self) -> dict[str, Any]:
        """decision.v1."""
        said: dict[str, Any] = orjson.loads(self.value)
        return said

    @property
    def found(self) -> Found:
        """The columns without the place."""
        return Found(*self[2:10])


def found_in(value: bytes) -> Found | None:
    """The columns of a decision.v1; None for bytes that are none."""
    try:
        said = orjson.loads(value)
        moment = datetime.fromisoformat(said["time"])
        return Found(
            id=_text(said["id"]),
            event_id=_text(said["event_id"]),
            tenant=_text(said["tenant"]),
            time_ms=round(moment.timestamp() * 1000),
            action=int(Action.parse(said["action"])),
            types=sum(1 << PartType[name.upper()] for name in set(said["types"])),
            categories=categories_of(said["reasons"]),
            value=value,
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None


def categories_of(reasons: list[dict[str, Any]]) -> str:
    """`|a|b|` of the reasons' categories, each once; empty without any."""
    names = dict.fromkeys(_text(reason["category"]) for reason in reasons)
    return f"|{'|'.join(names)}|" if names else ""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
