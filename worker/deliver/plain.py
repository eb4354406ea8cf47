"""The decision of an event in which nothing was found and no model ran, written from a template."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from worker.core.decisions import Action, Findings, Verdict
from worker.core.events import Event
from worker.core.ports import Policy
from worker.core.records import Position

_MOST_TEMPLATES = 10_000  # tenants times reloads must not grow it without end
_Template = tuple[str, str, str, str]


def decision_id(tenant: str, event_id: str, first: Position) -> str:
    """The same for every repeat of an event read at the same first position, whatever was reloaded in between."""
    name = f"{tenant}\0{event_id}\0{first.topic}\0{first.partition}\0{first.offset}"
    return "d-" + hashlib.sha256(name.encode()).hexdigest()[:32]


def is_plain(verdict: Verdict, findings: Findings) -> bool:
    """True when there is nothing to say but that it is allowed."""
    return verdict.action is Action.ALLOW and not (
        verdict.reasons
        or verdict.shadow
        or verdict.notes
        or findings.hits
        or findings.degraded
        or findings.models
        or findings.scores is not None
    )


def conditions_read(context: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """The named fields, null when absent; `attributes.level` stands as {"attributes": {"level": …}}."""
    read: dict[str, Any] = {}
    for field in fields:
        name, _, own = field.partition(".")
        value = context.get(name)
        if own:
            read.setdefault(name, {})[own] = value.get(own) if isinstance(value, Mapping) else None
        else:
            read[name] = value
    return read


class PlainDecisions:
    """Templates by policy, tenant, types of part and topic; equal, field by field, to the writer's long way."""

    def __init__(self) -> None:
        self._templates: dict[tuple[str, str, frozenset[str], str], _Template] = {}

    def write(
        self,
        event: Event,
        policy: Policy,
        findings: Findings,
        stamp: str,
        score_ms: float,
        total_ms: float,
        content_hmac: str | None,
    ) -> bytes:
        """decision.v1 as JSON. `stamp`: RFC 3339; `score_ms` and `total_ms` as they will stand there."""
        position = event.position
        key = (policy.digest, event.tenant, findings.part_types, position.topic)
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            template = self._templates[key] = _template(event, policy, findings)
        names = policy.context_fields
        context = orjson.dumps(conditions_read(event.context, names)).decode() if names else "{}"
        mac = "null" if content_hmac is None else f'"{content_hmac}"'
        number, event_id = decision_id(event.tenant, event.id, event.first_position or position), _json(event.id)
        after_id, after_time, after_context, after_mac = template
        return (
            f'{{"id":"{number}","event_id":{event_id}{after_id}"{stamp}"{after_time}{context}{after_context}{mac}'
            f'{after_mac}{position.partition},"offset":{position.offset}}},"latency_ms":'
            f'{{"queue":{max(round(total_ms - score_ms, 1), 0.0)},"score":{score_ms},"total":{total_ms}}},'
            f'"candidate":null,"call":null}}'
        ).encode()


def _template(event: Event, policy: Policy, findings: Findings) -> _Template:
    """What stands between the fields that differ from event to event."""
    about = _json({"id": policy.id, "version": policy.version, "digest": policy.digest})
    return (
        f',"tenant":{_json(event.tenant)},"time":',
        f',"types":{_json(sorted(findings.part_types))},"action":"allow","reasons":[],"shadow":[],"scores":{{}},'
        '"hits":[],"context":',
        f',"overrides":[],"policy":{about},"models":[],"degraded":null,"content_hmac":',
        f',"source":{{"topic":{_json(event.position.topic)},"partition":',
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
