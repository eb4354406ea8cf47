"""The AsyncAPI document: it is YAML, its references lead somewhere, its headers are those the worker writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from worker.cli import asyncapi
from worker.transport.settings import TopicSettings

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [one for inner in value.values() for one in references(inner)]
    return []


def test_what_is_written_is_yaml_and_the_same_document() -> None:
    """Also what stands in schemas/."""
    document = asyncapi.document()
    assert yaml.safe_load(asyncapi.as_yaml(document)) == document
    assert yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text("utf-8")) == document


def test_every_reference_leads_somewhere() -> None:
    """Within the document, or to a schema beside it."""
    document = asyncapi.document()
    for reference in references(document):
        if reference.startswith("#/"):
            found: Any = document
            for step in reference[2:].split("/"):
                found = found[step]
        else:
            assert (SCHEMAS / reference).exists()


def test_every_topic_has_its_channel() -> None:
    """The one that is read and all that may be written."""
    optional = {name: f"moderation.{name}" for name, known in TopicSettings() if known is None}
    named = {topic for _, topic in TopicSettings(**optional)}
    assert {channel["address"] for channel in asyncapi.document()["channels"].values()} == named
