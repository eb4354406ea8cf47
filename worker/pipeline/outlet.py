"""Outlet: decides what is judged, publishes it, and only then counts it as finished and commits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import stamina
import structlog

from worker.core.decisions import Verdict
from worker.core.errors import PublishFailed, TransportUnavailable
from worker.core.ports import Policy, Transport
from worker.core.records import Order, Outgoing, Partition
from worker.deliver.decision import Decided, DecisionWriter
from worker.pipeline.flow import Flow, Slot
from worker.score.assessment import Assessment

log = structlog.get_logger(__name__)


class Outlet:
    """The only publisher and the only committer."""

    def __init__(self, flow: Flow, transport: Transport, writer: DecisionWriter) -> None:
        self._flow = flow
        self._transport = transport
        self._writer = writer
        self._committing = asyncio.Lock()

    async def run(self) -> None:
        """Deliver what is ready, batch after batch, until cancelled."""
        flow = self._flow
        while True:
            await flow.wake.wait()
            flow.wake.clear()
            while flow.ready:
                batch = flow.ready[: flow.settings.publish_records]
                del flow.ready[: len(batch)]
                await self._deliver(batch)

    async def _deliver(self, batch: Sequence[Slot]) -> None:
        """Take one batch to its end. Nothing is finished before it is acknowledged."""
        flow = self._flow
        fresh = [slot for slot in batch if not flow.is_stale(slot)]
        decided = self._decide(fresh)
        outgoing = [
            slot.outgoing if one is None else one.outgoing
            for slot, one in zip(fresh, decided, strict=True)
            if one is not None or slot.outgoing is not None
        ]
        offsets = _offsets(fresh) if flow.order is Order.BY_PARTITION else {}
        await self._publish([record for record in outgoing if record is not None], offsets)
        flow.ledger.finished(slot.position for slot in fresh)
        flow.ledger.committed(offsets)
        self._count(fresh, decided)
        flow.credits.give_back(len(batch), sum(slot.decoded_bytes for slot in batch))
        flow.settled.set()

    def _decide(self, slots: Sequence[Slot]) -> list[Decided | None]:
        """Verdicts by policy, whole groups at a time; decisions in the slots' order; None for what is no event."""
        decided: list[Decided | None] = [None] * len(slots)
        groups: dict[int, tuple[Policy, list[int]]] = {}
        for i, slot in enumerate(slots):
            if slot.assessment is not None:
                policy = slot.assessment.policy
                groups.setdefault(id(policy), (policy, []))[1].append(i)
        for policy, members in groups.values():
            judged = [(i, a) for i in members if (a := slots[i].assessment) is not None]
            verdicts: list[Verdict] = policy.decide([a.findings for _, a in judged])
            written = self._writer.write(
                [(a.event, policy, a.findings) for _, a in judged], verdicts, [slots[i].received for i, _ in judged]
            )
            for (i, _), one in zip(judged, written, strict=True):
                decided[i] = one
        return decided

    async def _publish(self, outgoing: Sequence[Outgoing], offsets: dict[Partition, int]) -> None:
        """Publish until acknowledged: the same records in the same order, as often as it takes."""
        if not outgoing and not offsets:
            return
        async for attempt in stamina.retry_context(
            on=PublishFailed, attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0
        ):
            with attempt:
                if attempt.num > 1:
                    self._flow.metrics.publish_retries.inc()
                try:
                    await self._transport.publish(outgoing, offsets)
                except PublishFailed as error:
                    self._flow.publish_failing = True
                    log.warning("publish.failed", records=len(outgoing), attempt=attempt.num, error=str(error))
                    raise
        self._flow.publish_failing = False

    async def commit_regularly(self) -> None:
        """Commit the gap-free prefix every interval, until cancelled."""
        while True:
            await asyncio.sleep(self._flow.settings.commit_interval_s)
            await self.commit()

    async def commit(self) -> bool:
        """Commit the gap-free prefix now; False when the queue did not take it and it must come again."""
        async with self._committing:
            offsets = self._flow.ledger.committable()
            if not offsets:
                return True
            try:
                await self._transport.commit(offsets)
            except TransportUnavailable as error:
                self._flow.metrics.commits.labels("failed").inc()
                log.warning("commit.failed", partitions=len(offsets), error=str(error))
                return False
            self._flow.ledger.committed(offsets)
            self._flow.metrics.commits.labels("ok").inc()
            return True

    def _count(self, slots: Sequence[Slot], decided: Sequence[Decided | None]) -> None:
        metrics, wall_ms = self._flow.metrics, self._flow.clock.wall() * 1000
        actions: dict[str, int] = {}
        for slot, one in zip(slots, decided, strict=True):
            if one is None:
                if slot.code is not None:
                    metrics.dead_letters.labels(slot.code).inc()
                continue
            actions[one.action.label] = actions.get(one.action.label, 0) + 1
            for code in one.degraded:
                metrics.degraded.labels(code).inc()
        for action, count in actions.items():
            metrics.decisions.labels(action).inc(count)
        oldest = min((a.event.broker_ms for a in map(_assessment, slots) if a and a.event.broker_ms), default=None)
        if oldest is not None:
            metrics.latency.observe(max(wall_ms - oldest, 0.0) / 1000)


def _assessment(slot: Slot) -> Assessment | None:
    return slot.assessment


def _offsets(slots: Sequence[Slot]) -> dict[Partition, int]:
    """The next offset to read of each partition: slots leave in its order, so the last one ends the prefix."""
    return {slot.position.of: slot.position.offset + 1 for slot in slots}
