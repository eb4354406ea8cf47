"""What a candidate policy would have done, as it stands beside the live decision. It never acts."""

from __future__ import annotations

from typing import Any, NamedTuple

from worker.core.decisions import Action, Findings, Reason, Verdict, fall_back
from worker.core.ports import Policy


class Tried(NamedTuple):
    """An event under its candidate; without findings and verdict when the candidate broke."""

    policy: Policy
    findings: Findings | None
    verdict: Verdict | None

    @property
    def action(self) -> Action | None:
        """What it would have come to, `otherwise` included."""
        if self.findings is None or self.verdict is None:
            return None
        return fall_back(self.verdict.action, (d.rule for d in self.findings.degraded), self.policy.otherwise)[0]

    def outcome(self, live: Action) -> str:
        """Beside the live action, for metrics: agree, stricter, looser or failed."""
        if self.action is None:
            return "failed"
        return "agree" if self.action == live else "stricter" if self.action > live else "looser"


def candidate_json(tried: Tried) -> dict[str, Any]:
    """The decision's `candidate`: which policy, and its action with the reasons in short."""
    policy, action = tried.policy, tried.action
    return {
        "policy": {"id": policy.id, "version": policy.version, "digest": policy.digest},
        "action": None if action is None else action.label,
        "reasons": [_short(reason) for reason in (tried.verdict.reasons if tried.verdict else ())],
    }


def _short(reason: Reason) -> dict[str, Any]:
    fields: dict[str, Any] = {"category": reason.category, "type": reason.type, "action": reason.action.label}
    if reason.score is not None:
        fields |= {"score": round(reason.score, 4), "threshold": round(reason.threshold or 0.0, 6)}
    if reason.list is not None:
        fields["list"] = reason.list
    return fields
