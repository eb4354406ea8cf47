"""Outlet: decides what is judged, publishes it, and only then counts it as finished and commits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import stamina
import structlog

from worker.core.decisions import Verdict
from worker.core.errors import PublishFailed, TransportUnavailable
from worker.core.ports import DecideEach, Policy, Transport
from worker.core.records import Order, Outgoing, Partition
from worker.deliver.decision import Decided, DecisionWriter, Judged
from worker.pipeline.flow import Flow, Slot

log = structlog.get_logger(__name__)


class Outlet:
    """The only publisher and the only committer."""

    def __init__(self, flow: Flow, transport: Transport, decide: DecideEach, writer: DecisionWriter) -> None:
        self._flow = flow
        self._transport = transport
        self._decide_each = decide
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
            record
            for slot, one in zip(fresh, decided, strict=True)
            if (record := slot.outgoing if one is None else one.outgoing) is not None
        ]
        offsets = _offsets(fresh) if flow.order is Order.BY_PARTITION else {}
        await self._publish(outgoing, offsets)
        flow.ledger.finished([slot.position for slot in fresh])
        flow.ledger.committed(offsets)
        self._count(fresh, decided)
        flow.credits.give_back(len(batch), sum(slot.decoded_bytes for slot in batch))
        flow.settled.set()

    def _decide(self, slots: Sequence[Slot]) -> list[Decided | None]:
        """Verdicts of the whole batch, decisions by policy, in the slots' order; None for what is no event."""
        decided: list[Decided | None] = [None] * len(slots)
        judged = [(i, slot, slot.assessment) for i, slot in enumerate(slots) if slot.assessment is not None]
        verdicts = self._decide_each([one.policy for _, _, one in judged], [one.findings for _, _, one in judged])
        groups: dict[int, tuple[Policy, list[int], list[Judged], list[Verdict]]] = {}
        for (i, slot, one), verdict in zip(judged, verdicts, strict=True):
            group = groups.get(id(one.policy))
            if group is None:
                group = groups[id(one.policy)] = (one.policy, [], [], [])
            group[1].append(i)
            group[2].append((one.event, one.findings, slot.received))
            group[3].append(verdict)
        for policy, places, members, theirs in groups.values():
            for place, written in zip(places, self._writer.write(policy, members, theirs), strict=True):
                decided[place] = written
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
        actions = Counter(one.action for one in decided if one is not None)
        for code in (code for one in decided if one is not None and one.degraded for code in one.degraded):
            metrics.degraded.labels(code).inc()
        for code in (slot.code for slot in slots if slot.code is not None):
            metrics.dead_letters.labels(code).inc()
        for action, count in actions.items():
            metrics.decisions.labels(action.label).inc(count)
        stamps = [slot.assessment.event.broker_ms for slot in slots if slot.assessment is not None]
        oldest = min(filter(None, stamps), default=None)
        if oldest is not None:
            metrics.latency.observe(max(wall_ms - oldest, 0.0) / 1000)


def _offsets(slots: Sequence[Slot]) -> dict[Partition, int]:
    """The next offset to read of each partition: slots leave in its order, so the last one ends the prefix."""
    return {slot.position.of: slot.position.offset + 1 for slot in slots}
