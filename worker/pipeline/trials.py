"""
Candidates: an event judged under a second policy beside the live one, whose outcome stands in the decision alone.

A candidate that looks for the same things (one basis) takes the live findings as they are. Any other has a slot of its
own, a trial: it goes through the same lanes, holds credits of the same size, and the live slot leaves when both are
judged. Whatever breaks in a trial ends the trial, never the event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import copy

import structlog

from worker.core.decisions import Findings
from worker.core.events import Event
from worker.core.ports import DecideEach, Policy
from worker.deliver.candidate import Tried
from worker.pipeline.asking import Prepared
from worker.pipeline.flow import Flow, Slot
from worker.pipeline.judging import Judging
from worker.score.assessment import Assessment

log = structlog.get_logger(__name__)


def needs_trial(policy: Policy, candidate: Policy | None) -> bool:
    """True when the candidate looks for something else than the live policy."""
    return candidate is not None and candidate.basis.digest != policy.basis.digest


def admit(flow: Flow, slot: Slot, policy: Policy, candidate: Policy | None) -> None:
    """Capture the candidate with the event; on the loop's thread."""
    slot.candidate = candidate
    if needs_trial(policy, candidate):
        trial = flow.slot(slot.position, slot.received, 0)
        trial.terms = slot.terms._replace(expendable=True)  # past its deadline nobody waits for a candidate
        trial.waiter = asyncio.get_running_loop().create_future()
        slot.trial = trial


def begin(slot: Slot, event: Event) -> None:
    """Give the trial its own view of an event that was just decoded, before the live judging adds to it."""
    trial = slot.trial
    if trial is not None and slot.candidate is not None:
        own = copy(event)
        own.degraded = list(event.degraded)
        trial.assessment = Assessment(own, slot.candidate)


def prepare(judging: Judging, slot: Slot) -> Prepared | None:
    """The trial's first views; in any thread. A trial that breaks has no assessment and is over."""
    trial = slot.trial
    if trial is None or trial.assessment is None:
        return None
    try:
        return judging.prepare(trial)
    except Exception as error:  # noqa: BLE001  # whatever it is, the live event goes on without its candidate
        _broke("prepare", error)
        trial.assessment = None
        return Prepared(trial, [])


class Trials:
    """Decides what was tried; a candidate that breaks is said, once a batch, and leaves no outcome."""

    def __init__(self, decide_each: DecideEach) -> None:
        self._decide_each = decide_each

    def outcomes(self, slots: Sequence[Slot]) -> dict[int, Tried]:
        """By place among `slots`, what the candidate says."""
        found: dict[int, tuple[Policy, Findings]] = {}
        failed: dict[int, Tried] = {}
        for place, slot in enumerate(slots):
            if slot.candidate is None or slot.assessment is None:
                continue
            try:
                found[place] = slot.candidate, _findings(slot, slot.assessment, slot.candidate)
            except Exception as error:  # noqa: BLE001  # as above
                _broke("judge", error)
                failed[place] = Tried(slot.candidate, None, None)
        if not found:
            return failed
        policies, findings = zip(*found.values(), strict=True)
        try:
            verdicts = self._decide_each(policies, findings)
        except Exception as error:  # noqa: BLE001  # as above
            _broke("decide", error)
            return failed | {place: Tried(policy, None, None) for place, (policy, _) in found.items()}
        decided = zip(found.items(), verdicts, strict=True)
        return failed | {place: Tried(policy, one, verdict) for (place, (policy, one)), verdict in decided}


def _findings(slot: Slot, live: Assessment, candidate: Policy) -> Findings:
    if slot.trial is None:
        return candidate.adopt(live.findings, live.policy.categories)
    waiter, tried = slot.trial.waiter, slot.trial.assessment
    if waiter is not None and waiter.done():
        waiter.result()  # raises what ended the trial
    if tried is None or not tried.complete:
        raise RuntimeError("the trial ended before it was judged")
    if any(d.rule == "late" for d in tried.findings.degraded) and slot.terms.shed is None:
        raise TimeoutError("the trial was late")
    return tried.findings


def _broke(where: str, error: Exception) -> None:
    log.warning("candidate.broke", where=where, error=type(error).__name__)
