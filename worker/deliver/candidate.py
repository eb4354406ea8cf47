"""What a candidate policy would have done, as it stands beside the live decision. It never acts."""

from __future__ import annotations

from typing import Any, NamedTuple

from worker.core.decisions import Findings, Reason, Verdict, fall_back
from worker.core.ports import Policy


class Tried(NamedTuple):
    """An event under its candidate. `verdict` is None when the candidate broke."""

    policy: Policy
    findings: Findings
    verdict: Verdict | None


def candidate_json(tried: Tried) -> dict[str, Any]:
    """The decision's `candidate`: which policy, and its action with the reasons in short."""
    policy, findings, verdict = tried
    about = {"policy": {"id": policy.id, "version": policy.version, "digest": policy.digest}}
    if verdict is None:
        return about | {"action": None, "reasons": []}
    action, _ = fall_back(verdict.action, (d.rule for d in findings.degraded), policy.otherwise)
    return about | {"action": action.label, "reasons": [_short(reason) for reason in verdict.reasons]}


def _short(reason: Reason) -> dict[str, Any]:
    fields: dict[str, Any] = {"category": reason.category, "type": reason.type, "action": reason.action.label}
    if reason.score is not None:
        fields |= {"score": round(reason.score, 4), "threshold": round(reason.threshold or 0.0, 6)}
    if reason.list is not None:
        fields["list"] = reason.list
    return fields
