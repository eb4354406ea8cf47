"""The AsyncAPI document of the worker's topics: what is read, what is written, and with which headers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from worker import __version__
from worker.core.records import FIRST_POSITION, REDRIVES
from worker.transport.settings import TopicSettings

_READ = ("events", "appeals", "reviews")


def document() -> dict[str, Any]:
    """AsyncAPI 3.0, with the default names of topics; payloads are the schemas beside it."""
    topics = TopicSettings()
    channels = {
        "events": (topics.events, "event", "Events to judge, as plain JSON or CloudEvents."),
        "allow": (topics.allow, "decision", "Decisions to allow."),
        "flag": (topics.flag, "decision", "Decisions to flag for people."),
        "block": (topics.block, "decision", "Decisions to block."),
        "deadLetter": (topics.dead_letter, "deadLetter", "Records that are no event or cannot be decided."),
        "review": ("moderation.review", "decision", "A sample of decisions for people, when topics.review names it."),
        "calls": ("moderation.calls", "state", "What of calls must survive a worker, when topics.calls names it."),
        "appeals": ("moderation.appeals", "appeal", "Appeals against decisions, when topics.appeals names it."),
        "reviews": ("moderation.reviews", "reviewed", "People's verdicts, when topics.reviews names it."),
        "status": ("moderation.status", "status", "The policies' status, when topics.status names it."),
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tidegate",
            "version": __version__,
            "description": "Made from the code by `tidegate schemas`. Names of topics are settings: the defaults.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            name: {
                "address": address,
                "description": said,
                "messages": {message: {"$ref": f"#/components/messages/{message}"}},
                "bindings": {"kafka": {"topic": address}},
            }
            for name, (address, message, said) in channels.items()
        },
        "operations": {
            name: {"action": "receive" if name in _READ else "send", "channel": {"$ref": f"#/channels/{name}"}}
            for name in channels
        },
        "components": {"messages": _messages()},
    }


def _messages() -> dict[str, Any]:
    redriven = {
        FIRST_POSITION: _text("topic:partition:offset of the first reading, on a redriven record"),
        REDRIVES: _text("how often the record was redriven"),
    }
    return {
        "event": {
            "title": "An event",
            "payload": {"$ref": "./event.v1.json"},
            "headers": _headers(redriven, required=()),
            "bindings": {"kafka": {"key": _text("tenant with stream, else with actor, else the event's id")}},
        },
        "decision": {
            "title": "A decision",
            "payload": {"$ref": "./decision.v1.json"},
            "headers": _headers(
                {
                    "action": {"type": "string", "enum": ["allow", "flag", "block"]},
                    "tenant": _text("the event's tenant"),
                    "event-id": _text("the event's id"),
                    "policy-digest": _text("sha256 of the policy in force"),
                    "traceparent": _text("the event's own, when it had one"),
                },
                required=("action", "tenant", "event-id", "policy-digest"),
            ),
        },
        "deadLetter": {
            "title": "A dead letter: the record's own bytes, and why in its headers",
            "payload": {},
            "headers": {"$ref": "./deadletter.v1.json"},
        },
        "state": {"title": "State of a call, for its next worker alone", "payload": {}},
        "appeal": {"title": "An appeal", "payload": {"$ref": "./appeal.v1.json"}},
        "reviewed": {"title": "A reviewer's verdict", "payload": {"$ref": "./review.v1.json"}},
        "status": {"title": "Status of the policies", "payload": {"type": "object"}},
    }


def _text(said: str) -> dict[str, str]:
    return {"type": "string", "description": said}


def _headers(fields: dict[str, Any], *, required: tuple[str, ...]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(required)}


def as_yaml(value: Any) -> str:
    """Block style, strings in quotes: YAML that is easy to read and to compare."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    for key, one in value.items():
        name = key if key.replace("-", "").isalnum() else json.dumps(key)
        if isinstance(one, dict) and one:
            yield f"{indent}{name}:"
            yield from _lines(one, indent + "  ")
        else:
            yield f"{indent}{name}: {json.dumps(one, ensure_ascii=False)}"
