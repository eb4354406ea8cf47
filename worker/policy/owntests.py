"""A policy's own tests: its cases judged under it by the worker's models, before it comes into force."""

from __future__ import annotations

from typing import Any

import orjson

from worker.core.decisions import Action, Judgement
from worker.core.errors import ModelFailed, PolicyRejected
from worker.core.ports import EventJudge
from worker.policy.compile import CompiledPolicy
from worker.policy.document import PolicyTest
from worker.policy.reading import Source

CODE = "test_failed"
TENANT = "tidegate:tests"  # its own share of the lanes: cases do not wait behind a backlog


class OwnTests:
    """
    Runs the cases that stand in a document itself; its parents' are theirs.

    Args:
        judge: judges events under a policy.
        has_models: False for a worker of lists alone: then the cases of a policy that looks for more are passed over,
            since nothing here could find what they expect.
    """

    def __init__(self, judge: EventJudge, *, has_models: bool) -> None:
        self._judge, self._has_models = judge, has_models

    async def run(self, policy: CompiledPolicy, source: Source) -> PolicyRejected | None:
        """
        The first case that fails, as the reason to refuse the policy; None when all hold.

        Raises:
            ModelFailed: a case could not be judged just now.
        """
        cases = source.document.tests or []
        if not cases or not (self._has_models or _lists_alone(source)):
            return None
        judged = await self._judge.judge([event_of(case) for case in cases], policy)
        for index, (case, found) in enumerate(zip(cases, judged, strict=True)):
            if failed := next((d for d in found.findings.degraded if d.code == "model_failed"), None):
                raise ModelFailed(f"its test {case.name!r} could not be judged: {failed.reason}")
            if (got := unmet(case, found)) is not None:
                wanted = case.expect + (f" in {case.category}" if case.category else "")
                reason = (
                    f"{policy.id}'s own test {case.name!r} expects {wanted} and got {got}: mend the policy or the test"
                )
                error = source.reject(reason, ("tests", index))
                return PolicyRejected(error.reason, file=error.file, line=error.line, where=error.where, code=CODE)
        return None


def event_of(case: PolicyTest) -> bytes:
    """A case as an event.v1 of one text."""
    parts = [{"type": "text", "text": case.text}]
    event: dict[str, Any] = {"id": case.name or "test", "tenant": TENANT, "parts": parts}
    if case.context is not None:
        event["context"] = case.context.model_dump(exclude_none=True)
    return orjson.dumps(event)


def unmet(case: PolicyTest, judged: Judgement) -> str | None:
    """What the case got instead: an action and its categories, never the text; None when it holds."""
    verdict = judged.verdict
    acting = [reason.category for reason in verdict.reasons if reason.action == verdict.action]
    right = verdict.action is Action.parse(case.expect)
    if right and (case.category is None or verdict.action is Action.ALLOW or case.category in acting):
        return None
    return verdict.action.label + (f" in {', '.join(dict.fromkeys(acting))}" if acting else "")


def _lists_alone(source: Source) -> bool:
    """True when neither the document nor a parent can name anything that a model looks for."""
    return source.document.extends is None and not any(
        word in source.text for word in ('"definition"', '"examples"', '"detectors"')
    )
