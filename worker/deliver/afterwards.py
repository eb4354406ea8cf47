"""Step 7, its first half: the breaker and the caps, which make a block a flag. They loosen nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import structlog

from worker.core.clock import Clock
from worker.core.decisions import Action, Findings, Override, Reason, Verdict
from worker.core.events import Event
from worker.core.metrics import Metrics
from worker.deliver.breaker import Breaker, BreakerSettings, Change, Phase
from worker.deliver.caps import ActorCaps

log = structlog.get_logger(__name__)


class Judges(Protocol):
    """What step 7 needs to know of a policy."""

    @property
    def id(self) -> str: ...

    @property
    def severe(self) -> frozenset[str]: ...


Judged = tuple[Event, Findings, float]


class Afterwards:
    """
    What happens to a verdict after the policy has spoken, before `otherwise`.

    A block becomes a flag when every category that asks for it is demoted, or when the actor has had as many automatic
    blocks this hour as the cap allows. List hits and `severe` categories are beyond both: the first are exact, the
    second too costly to get wrong, and so a flood is no way past either.

    Args:
        share: this worker's part of the group's partitions now, above 0 and at most 1.
    """

    def __init__(
        self, settings: BreakerSettings, clock: Clock, metrics: Metrics, share: Callable[[], float] = lambda: 1.0
    ) -> None:
        self._breaker = Breaker(settings, clock)
        self._caps = ActorCaps(settings.actor_blocks_per_hour, clock)
        self._enabled = settings.enabled
        self._cap = settings.actor_blocks_per_hour
        self._clock = clock
        self._metrics = metrics
        self._share = share

    def observe(self, policy: Judges, judged: Sequence[Judged], verdicts: Sequence[Verdict]) -> None:
        """Count a batch of verdicts; before `loosen` is asked about them."""
        if not self._enabled:
            return
        scored = sum(findings.scores is not None for _, findings, _ in judged)
        blocks = [
            (category, _actor_key(event))
            for (event, _, _), verdict in zip(judged, verdicts, strict=True)
            if verdict.action is Action.BLOCK
            for category in {reason.category for reason in _demotable(policy, verdict)}
        ]
        if scored or blocks:
            for change in self._breaker.observe(policy.id, scored, blocks, self._share()):
                self._tell(change)

    def loosen(self, policy: Judges, event: Event, verdict: Verdict) -> tuple[Action, list[Override]]:
        """The action and what changed it. Only a block changes, and only to a flag."""
        if verdict.action is not Action.BLOCK:
            return verdict.action, []
        asking = [reason for reason in verdict.reasons if reason.action is Action.BLOCK]
        if len(list(_demotable(policy, verdict))) < len(asking):
            return Action.BLOCK, []  # a list or a severe category asks for it too
        demoted = self._breaker.demoted(policy.id) if self._enabled else frozenset()
        if asking and all(reason.category in demoted or reason.scored_by in demoted for reason in asking):
            names = ", ".join(sorted({reason.category for reason in asking}))
            return self._flag("breaker", f"the block rate of {names} is far over its baseline: people decide")
        actor = event.context.get("actor")
        if self._cap and actor and not self._caps.take(event.tenant, str(actor)):
            return self._flag("cap", f"the actor had {self._cap} automatic blocks within the hour: people decide")
        return Action.BLOCK, []

    def status(self) -> list[dict[str, Any]]:
        """The nodes that are not closed, for `/status`."""
        now = self._clock.now()
        return [
            {
                "policy": one.policy,
                "category": one.category,
                "phase": one.phase.value,
                "baseline": round(one.baseline, 5),
                "rate": round(one.rate, 5),
                "seconds_left": round(max(one.until - now, 0.0), 1),
            }
            for one in self._breaker.standing()
        ]

    def _flag(self, cause: str, detail: str) -> tuple[Action, list[Override]]:
        self._metrics.demoted.labels(cause).inc()
        return Action.FLAG, [Override(cause, Action.FLAG, detail)]

    def _tell(self, change: Change) -> None:
        """An alert: the log line, the gauge that an alert rule watches, and `/status`."""
        opened = change.phase is Phase.OPEN
        (log.error if opened else log.warning)(
            f"breaker.{change.phase.value}",
            policy=change.policy,
            category=change.category,
            baseline=round(change.baseline, 5),
            rate=round(change.rate, 5),
            effect="its blocks are flags until it is tried again" if opened else "its blocks stand",
        )
        if opened:
            self._metrics.breaker_trips.inc()
        self._metrics.breaker_open.set(sum(one.phase is Phase.OPEN for one in self._breaker.standing()))


def _demotable(policy: Judges, verdict: Verdict) -> Iterator[Reason]:
    """Reasons to block that rest on a score alone, in a category that is not severe."""
    for reason in verdict.reasons:
        by_score = reason.action is Action.BLOCK and reason.list is None
        if by_score and reason.category not in policy.severe and reason.scored_by not in policy.severe:
            yield reason


def _actor_key(event: Event) -> str | None:
    actor = event.context.get("actor")
    return f"{event.tenant}\0{actor}" if actor else None
