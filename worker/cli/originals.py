"""What an event said, read again from the input topic for who may see it: cases for policies out of upheld appeals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.app import make_tail
from worker.core.errors import NotAnEvent, PolicyRejected
from worker.core.records import Position, Record
from worker.decode.envelope import OuterLimits, read_envelope
from worker.policy.tools.loading import PolicyFolder, open_folder
from worker.settings import Settings
from worker.store.appeals import Joined

_LONGEST = 4_000  # characters of a case: a policy is read by people


@dataclass(slots=True)
class Cases:
    """Entries for a policy's `tests`, and how many appeals made none, by why."""

    tests: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


async def cases(settings: Settings, upheld: Sequence[Joined], policies: Path) -> Cases:
    """A case of each upheld appeal whose event is one text that may be shown and is still in the input topic."""
    found, folder = Cases(), open_folder(policies)
    for one in upheld:
        decision = one.row.decision
        if is_restricted(folder, decision):
            found.left_out["its category is restricted"] += 1
            continue
        record = await fetch(settings, decision)
        made = _case(record, one, settings.limits) if record is not None else "its event is gone from the input topic"
        if isinstance(made, str):
            found.left_out[made] += 1
        else:
            found.tests.append(made)
    return found


def is_restricted(folder: PolicyFolder, decision: dict[str, Any]) -> bool:
    """
    True when the content may be in no tool: a category of its reasons, or one that scored as high, is `restricted`.

    A policy that is not at hand any more counts as restricted: nothing says that it was not.
    """
    named = {reason["category"] for reason in [*decision["reasons"], *decision.get("shadow", ())]}
    try:
        policy = folder.compiled(decision["policy"]["id"])
    except PolicyRejected:
        return True
    return any(path not in policy.categories or path in policy.restricted for path in named)


async def fetch(settings: Settings, decision: dict[str, Any]) -> Record | None:
    """The event's record, when the topic still has it and it is that event. Raises TransportUnavailable."""
    source = Position(**decision["source"])
    if source.topic != settings.topics.events:
        return None
    tail = make_tail(settings, (source.topic,), from_beginning=True, starts={source.of: source.offset})
    await tail.start()
    try:
        records: Sequence[Record] = ()
        while not records and not await tail.caught_up():
            records = await tail.read(max_records=1, timeout_s=1.0)
    finally:
        await tail.stop()
    return records[0] if records and records[0].position == source else None


def _case(record: Record, one: Joined, limits: OuterLimits) -> dict[str, Any] | str:
    """The case, or why there is none."""
    decision = one.row.decision
    try:
        envelope = read_envelope(record, limits)
    except NotAnEvent:
        return "its event cannot be read any more"
    parts = envelope.body["parts"]
    if envelope.id != decision["event_id"]:
        return "another event stands at its place in the input topic"
    if len(parts) != 1 or parts[0]["type"] != "text":
        return "its event is not one text"
    if len(parts[0]["text"]) > _LONGEST:
        return f"its text is over {_LONGEST} characters"
    case: dict[str, Any] = {"name": f"appeal {decision['id']}", "text": parts[0]["text"], "expect": one.right}
    context = {name: value for name, value in (envelope.body.get("context") or {}).items() if name != "actor"}
    return case | ({"context": context} if context else {})
