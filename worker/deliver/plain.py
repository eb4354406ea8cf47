"""The decision of an event in which nothing was found and no model ran, written from a template."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from worker.core.decisions import Action, Findings, Verdict
from worker.core.events import Event
from worker.core.ports import Policy
from worker.core.records import Headers, Outgoing, Position, Route

_MOST_TEMPLATES = 10_000  # tenants times reloads must not grow it without end
_ALLOW = ("action", b"allow")


class _Template(NamedTuple):
    """What does not differ from event to event: JSON between the fields that do, and headers."""

    after_id: str
    after_time: str
    after_context: str
    after_mac: str
    tenant: tuple[str, bytes]
    policy: tuple[str, bytes]


def decision_id(tenant: str, event_id: str, first: Position) -> str:
    """The same for every repeat of an event read at the same first position, whatever was reloaded in between."""
    name = f"{tenant}\0{event_id}\0{first[0]}\0{first[1]}\0{first[2]}"
    return "d-" + hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def is_plain(verdict: Verdict, findings: Findings) -> bool:
    """True when there is nothing to say but that it is allowed."""
    return verdict.action is Action.ALLOW and not (
        verdict.reasons
        or verdict.shadow
        or verdict.notes
        or findings.hits
        or findings.degraded
        or findings.models
        or findings.evasion
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


def stream_read(stream: Mapping[str, Any] | None, fields: Sequence[str]) -> dict[str, Any]:
    """The named fields of the event's place in a call or conversation, null when absent."""
    return {name: (stream or {}).get(name) for name in fields}


def policy_json(policy: Policy) -> dict[str, str]:
    """The snapshot that decided."""
    return {"id": policy.id, "version": policy.version, "digest": policy.digest, "basis": policy.basis.digest}


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
        latency: str,
        content_hmac: str | None,
        call: Mapping[str, Any] | None = None,
    ) -> Outgoing:
        """The whole record. `stamp`: RFC 3339; `latency`: the object `latency_ms` as JSON; `call`: the state's."""
        position, event_id = event.position, event.id
        key = (policy.digest, event.tenant, findings.part_types, position[0])
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= _MOST_TEMPLATES:
                self._templates.clear()
            template = self._templates[key] = _template(event, policy, findings)
        names = policy.context_fields
        context = _json(conditions_read(event.context, names)) if names else "{}"
        if policy.stream_fields:
            context += f',"stream":{_json(stream_read(findings.stream, policy.stream_fields))}'
        mac = "null" if content_hmac is None else f'"{content_hmac}"'
        number = decision_id(event.tenant, event_id, event.first_position or position)
        after_id, after_time, after_context, after_mac, tenant_header, policy_header = template
        value = (
            f'{{"id":"{number}","event_id":{_json(event_id)}{after_id}"{stamp}"{after_time}{context}{after_context}'
            f'{mac}{after_mac}{position[1]},"offset":{position[2]}}},"latency_ms":{latency},'
            f'"candidate":null,"call":{"null" if call is None else _json(call)}}}'
        ).encode()
        headers: Headers = (_ALLOW, tenant_header, ("event-id", event_id.encode()), policy_header)
        if event.traceparent is not None:
            headers += (("traceparent", event.traceparent.encode()),)
        return Outgoing(Route.ALLOW, event.key, value, headers, position)


def _template(event: Event, policy: Policy, findings: Findings) -> _Template:
    about = _json(policy_json(policy))
    return _Template(
        f',"tenant":{_json(event.tenant)},"time":',
        f',"types":{_json(sorted(findings.part_types))},"action":"allow","reasons":[],"shadow":[],"scores":{{}},'
        '"hits":[],"context":',
        f',"overrides":[],"policy":{about},"models":[],"degraded":null,"content_hmac":',
        f',"source":{{"topic":{_json(event.position.topic)},"partition":',
        ("tenant", event.tenant.encode()),
        ("policy-digest", policy.digest.encode()),
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
