"""
Labels: which events truly violate which category.

One JSON object a line, with `event_id` (or `id`, so that event.v1 lines with labels serve as they are) and `labels`:
category path to 1 (violates) or 0 (does not). A category that is left out was not looked at. Other fields are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from worker.core.errors import ConfigError

Labels = dict[str, dict[str, bool]]  # by event id, then by category path


def read_labels(path: Path) -> Labels:
    """
    All labels of a file; of two lines for one event the later wins, category by category.

    Raises:
        ConfigError: the file cannot be read, or a line is not as the module says.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    found: Labels = {}
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if line.strip():
            event, labels = _read(line, f"{path}:{number}")
            found.setdefault(event, {}).update(labels)
    return found


def _read(line: bytes, where: str) -> tuple[str, dict[str, bool]]:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise ConfigError(f"{where}: not JSON: one object a line is expected") from None
    event = said.get("event_id", said.get("id")) if isinstance(said, dict) else None
    labels = said.get("labels") if isinstance(said, dict) else None
    if not isinstance(event, str) or not isinstance(labels, dict):
        raise ConfigError(f"{where}: a line has `event_id` (or `id`), a string, and `labels`, an object")
    if wrong := [name for name, value in labels.items() if value not in (0, 1)]:
        raise ConfigError(f"{where}: labels.{wrong[0]}: a label is 0 or 1; leave out what nobody looked at")
    return event, {name: bool(value) for name, value in labels.items()}


def label_of(labels: Mapping[str, bool], category: str) -> bool | None:
    """An event's label for a category; one below it that is violated violates it too, as scores roll up."""
    if (own := labels.get(category)) is not None:
        return own
    return True if any(said for path, said in labels.items() if path.startswith(f"{category}/")) else None


def unknown_categories(labels: Labels, known: Sequence[str]) -> list[str]:
    """Categories that are labelled and that the policy does not have."""
    return sorted({category for said in labels.values() for category in said} - set(known))
