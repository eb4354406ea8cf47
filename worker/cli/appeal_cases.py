"""Cases for policies out of upheld appeals, whose texts are read again from the input topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.core.errors import PolicyRejected
from worker.originals import NotToBeHad, case_of, is_restricted
from worker.policy.compile import CompiledPolicy
from worker.policy.tools.loading import PolicyFolder, open_folder
from worker.redrive import fetch_event
from worker.settings import Settings
from worker.store.appeals import Joined


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
        if is_restricted(_policy(folder, decision["policy"]["id"]), decision):
            found.left_out["its category is restricted"] += 1
            continue
        try:
            event = await fetch_event(settings, decision)
            found.tests.append(case_of(event, f"appeal {decision['id']}", one.right))
        except NotToBeHad as error:
            found.left_out[str(error)] += 1
    return found


def _policy(folder: PolicyFolder, policy_id: str) -> CompiledPolicy | None:
    try:
        return folder.compiled(policy_id)
    except PolicyRejected:
        return None
