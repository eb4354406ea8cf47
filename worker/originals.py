"""What an event said, read again from the record that a decision names: whether it may be shown, and a case of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.core.errors import NotAnEvent
from worker.core.records import Record
from worker.decode.envelope import EventEnvelope, OuterLimits, read_envelope
from worker.policy.compile import CompiledPolicy

_ANY = OuterLimits(record_bytes=1 << 40)  # it was read once, under whatever limits there were then
_LONGEST = 4_000  # characters of a case: a policy is read by people


class NotToBeHad(Exception):
    """An original that is gone, or of which no case can be made; the message says why, without content."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code  # "gone" or "no_text"


def is_restricted(policy: CompiledPolicy | None, decision: Mapping[str, Any]) -> bool:
    """
    True when the content may be in no tool: a category of its reasons, shadow ones included, or hits is `restricted`.

    policy: the decision's, as it is now; None when it is not at hand any more. That, and a category that it does not
    have, count as restricted: nothing says that they were not.
    """
    if policy is None:
        return True
    given = [*decision["reasons"], *decision.get("shadow", ()), *decision["hits"]]
    named = {one["category"] for one in given} | {one.get("scored_by") for one in given} - {None}
    return not named <= set(policy.categories) - policy.restricted


def read_again(record: Record | None, decision: Mapping[str, Any]) -> EventEnvelope:
    """The event that `decision` is about, from the record at its place. Raises NotToBeHad: `gone`."""
    if record is None or record.value is None:
        raise NotToBeHad("gone", "its event is gone from the input topic")
    try:
        envelope = read_envelope(record, _ANY)
    except NotAnEvent:
        raise NotToBeHad("gone", "its event cannot be read any more") from None
    if (envelope.tenant, envelope.id) != (decision["tenant"], decision["event_id"]):
        raise NotToBeHad("gone", "another event stands at its place in the input topic")
    return envelope


def case_of(envelope: EventEnvelope, name: str, expect: str) -> dict[str, Any]:
    """The event as an entry of a policy's `tests`, without who wrote it. Raises NotToBeHad: `no_text`."""
    parts = envelope.body["parts"]
    if len(parts) != 1 or parts[0]["type"] != "text":
        raise NotToBeHad("no_text", "its event is not one text")
    if len(parts[0]["text"]) > _LONGEST:
        raise NotToBeHad("no_text", f"its text is over {_LONGEST} characters")
    context = {name: value for name, value in (envelope.body.get("context") or {}).items() if name != "actor"}
    return {"name": name, "text": parts[0]["text"], "expect": expect} | ({"context": context} if context else {})
