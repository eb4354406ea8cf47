"""The demo's bundled events: valid, small, readable, of all three kinds, and named with their licence."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import worker.cli
from worker.core.events import AudioPart, Event
from worker.core.records import Position, Record
from worker.decode.decoder import EventDecoder

FOLDER = Path(worker.cli.__file__).with_name("demo_events")
ENTRIES: list[dict[str, Any]] = [json.loads(line) for line in (FOLDER / "events.jsonl").read_text("utf-8").splitlines()]


@dataclass(frozen=True)
class Wide:
    """Limits that a demo never meets."""

    text_chars: int = 20_000
    image_pixels: int = 10_000_000
    image_bytes: int = 10_000_000
    audio_s: float = 60.0
    audio_bytes: int = 10_000_000
    parts: int = 8


def decoded(entry: dict[str, Any]) -> Event:
    """The event as `tidegate demo` sends it, read by the real decoder."""
    event = json.loads(json.dumps(entry["event"]))
    if entry["file"]:
        data = base64.b64encode((FOLDER / entry["file"]).read_bytes()).decode()
        for part in event["parts"]:
            if part["type"] != "text":
                part["data"] = data
    decoder = EventDecoder()
    envelope = decoder.envelope(Record(Position("events", 0, 0), None, json.dumps(event).encode(), (), 0))
    assert envelope.unknown_fields == 0
    return decoder.event(envelope, Wide(), received=0.0)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["name"])
def test_each_event_is_read_whole(entry: dict[str, Any]) -> None:
    """No part is missing, unknown or unreadable."""
    event = decoded(entry)
    assert event.degraded == []
    assert len(event.parts) == len(entry["event"]["parts"])


def test_all_three_kinds_and_both_example_tenants_are_there() -> None:
    """The demo shows the whole main job."""
    events = [decoded(entry) for entry in ENTRIES]
    assert frozenset().union(*(event.part_types() for event in events)) == {"text", "image", "audio"}
    assert {event.tenant for event in events} == {"demo", "kids-game", "news-forum"}
    assert any(len(event.parts) > 1 for event in events)
    clips = [part for event in events for part in event.parts if isinstance(part, AudioPart)]
    assert all(2 * 16_000 < len(clip.samples) < 15 * 16_000 for clip in clips)


def test_names_and_ids_are_unique() -> None:
    """The table shows names; decisions are found by id."""
    assert len({entry["name"] for entry in ENTRIES}) == len({e["event"]["id"] for e in ENTRIES}) == len(ENTRIES)


def test_the_files_are_small_and_each_is_named_with_its_licence() -> None:
    """They travel in the package."""
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 600_000
    sources = (FOLDER / "SOURCES.md").read_text("utf-8")
    assert all(f"`{path.name}`" in sources for path in FOLDER.iterdir() if path.name != "SOURCES.md")
    assert {entry["file"] for entry in ENTRIES if entry["file"]} <= {path.name for path in FOLDER.iterdir()}
