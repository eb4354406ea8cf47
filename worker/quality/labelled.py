"""
Labelled events: event.v1 lines that say beside the event what is right.

    {"id": "1", "tenant": "a", "parts": [...], "labels": {"hate": 1, "violence": 0}, "group": "muslims", "pair": "17"}

`labels`: by category path 1 (violates) or 0 (does not); what is missing is not known. `any` says it of the event as a
whole; without it the event violates when any label is 1, and else nobody knows. `group`: whom the text names. `pair`:
lines of one pair say the same of different groups. `id` and `tenant` may be left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from worker.core.errors import ConfigError
from worker.quality.attack import Attack

ANY = "any"  # the event as a whole: whatever the category
_BESIDE = ("labels", "group", "pair")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One event and what is right about it."""

    event: Mapping[str, Any]  # event.v1, without what stands beside it
    labels: Mapping[str, bool]  # by category path
    any: bool | None  # None: not known
    group: str | None = None
    pair: str | None = None

    @property
    def encoded(self) -> bytes:
        """The event as event.v1 bytes."""
        return orjson.dumps(self.event)

    @property
    def all_text(self) -> bool:
        """True when each part is a text: then an attack on letters has all of it."""
        return all(part.get("type") == "text" for part in self.event["parts"])


def read_labelled(lines: Iterable[bytes], place: str) -> Iterator[Labelled]:
    """
    Each line that is not blank. `place`: the file's name, for what is wrong with a line.

    Raises:
        ConfigError: a line is no JSON object, or its labels are not 0 and 1 by category.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _labelled(line, number, f"{place}, line {number}")


def _labelled(line: bytes, number: int, where: str) -> Labelled:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{where}: no JSON: {error}: write one labelled event a line") from None
    if not isinstance(found, dict) or not isinstance(found.get("parts"), list):
        raise ConfigError(f"{where}: no event: write an event.v1 with `parts`, and `labels` beside them")
    said = found.get("labels")
    if not isinstance(said, dict) or not said or any(value not in (0, 1) for value in said.values()):
        raise ConfigError(f'{where}: `labels` must name categories with 0 or 1, e.g. {{"hate": 1}} or {{"any": 0}}')
    beside = {name: found.get(name) for name in ("group", "pair")}
    if any(value is not None and not isinstance(value, str) for value in beside.values()):
        raise ConfigError(f"{where}: `group` and `pair` are names: write them as strings")
    event = {"id": str(number), "tenant": "eval"} | {k: value for k, value in found.items() if k not in _BESIDE}
    labels = {name: bool(value) for name, value in said.items() if name != ANY}
    return Labelled(event, labels, bool(said[ANY]) if ANY in said else any(labels.values()) or None, **beside)


def attacked(row: Labelled, attack: Attack, seed: int = 0) -> Labelled:
    """The row with each of its texts hidden by `attack`."""
    parts = [
        {**part, "text": attack(part["text"], seed)} if part.get("type") == "text" else part
        for part in row.event["parts"]
    ]
    return replace(row, event={**row.event, "parts": parts})


def digest(rows: Iterable[Labelled]) -> str:
    """16 hexadecimal digits of the events and their labels: the same for the same rows in the same order."""
    found = hashlib.sha256()
    for row in rows:
        found.update(orjson.dumps([row.event, dict(row.labels), row.any, row.group, row.pair]))
    return found.hexdigest()[:16]
