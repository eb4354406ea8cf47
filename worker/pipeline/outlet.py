"""Outlet: decides what is judged, publishes it, and only then counts it as finished and commits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from functools import partial

import stamina
import structlog

from worker.core.errors import PublishFailed, RecordsTooLarge, TransportUnavailable
from worker.core.ports import Transport
from worker.core.records import Order, Outgoing, Partition
from worker.deliver.decision import Decided
from worker.pipeline.changelog import Changelog
from worker.pipeline.deciding import Deciding
from worker.pipeline.departures import Departures
from worker.pipeline.flow import Flow, Slot
from worker.pipeline.parking import Parking

log = structlog.get_logger(__name__)


class Outlet:
    """The only publisher and the only committer."""

    def __init__(
        self, flow: Flow, transport: Transport, deciding: Deciding, parking: Parking, changelog: Changelog
    ) -> None:
        self._changelog = changelog
        self._flow = flow
        self._transport = transport
        self._deciding = deciding
        self._parking = parking
        self._committing = asyncio.Lock()

    async def run(self) -> None:
        """Deliver what is ready, batch after batch, until cancelled."""
        flow = self._flow
        if flow.order is Order.BY_PARTITION:
            await self._run_by_partition()
        while True:
            await flow.wake.wait()
            flow.wake.clear()
            while flow.ready:
                batch = flow.ready[: flow.settings.publish_records]
                del flow.ready[: len(batch)]
                await self._deliver(batch)

    async def _run_by_partition(self) -> None:
        """The same with a batch of each partition under way at a time; one that fails for good breaks the worker."""
        flow, settings = self._flow, self._flow.settings
        lines: Departures[Slot] = Departures(
            flow.clock, interval_s=settings.transaction_interval_s, most=settings.publish_records
        )
        try:
            async with asyncio.TaskGroup() as under_way:
                while True:
                    lines.add(flow.ready)
                    flow.ready.clear()
                    for partition, batch in lines.leaving():
                        under_way.create_task(self._deliver(batch)).add_done_callback(
                            partial(self._arrived, lines, partition)
                        )
                    with suppress(TimeoutError):
                        async with asyncio.timeout(lines.wait_s()):
                            await flow.wake.wait()
                    flow.wake.clear()
        except BaseExceptionGroup as broken:
            raise broken.exceptions[0] from broken

    def _arrived(self, lines: Departures[Slot], partition: Partition, _: object) -> None:
        lines.arrived(partition)
        self._flow.wake.set()

    async def _deliver(self, batch: Sequence[Slot]) -> None:
        """Take one batch to its end. Nothing is finished before it is acknowledged."""
        flow, began = self._flow, self._flow.clock.wall()
        fresh = [slot for slot in batch if not flow.is_stale(slot)]
        decided = self._deciding.decide(fresh)
        self._parking.check(fresh)
        state = self._changelog.unwritten(_offsets(fresh)) if flow.order is Order.BY_PARTITION else []
        while True:
            try:
                await self._publish(fresh, decided, state)
                break
            except RecordsTooLarge as error:
                decided = self._deciding.smaller(fresh, decided, error)
        self._finished(fresh)
        self._count(fresh, decided, began)
        held = [(slot.tenant, slot.decoded_bytes) for slot in batch]
        flow.credits.give_back(len(batch), sum(size for _, size in held), held)
        flow.settled.set()

    def _finished(self, slots: Sequence[Slot]) -> None:
        here = [slot for slot in slots if not self._flow.is_stale(slot)]  # one that went is not ours to finish
        self._flow.ledger.finished([slot.position for slot in here])
        if self._flow.order is Order.BY_PARTITION:
            self._flow.ledger.committed(_offsets(here))
            self._changelog.settled(_offsets(here))

    async def _publish(
        self, slots: Sequence[Slot], decided: Sequence[Decided | None], state: Sequence[Outgoing] = ()
    ) -> None:
        """
        Publish until acknowledged: the same records in the same order, as often as it takes.

        state: what of streams stands in the same transaction.

        What goes to another worker between two attempts is left out of the second, even when it came back since:
        behind it stands what this worker may have left out before.

        Raises:
            RecordsTooLarge: trying again cannot help.
        """
        line = slots[0].key if slots and self._flow.order is Order.BY_PARTITION else None
        try:
            await self._publish_once(slots, decided, state, line)
        except PublishFailed:  # only then: the library's loop would cost a tenth of what a light event does
            async for attempt in stamina.retry_context(
                on=PublishFailed, attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0
            ):
                with attempt:
                    self._flow.metrics.publish_retries.inc()
                    await self._publish_once(slots, decided, state, line)
        self._flow.failing.discard(line)

    async def _publish_once(
        self, slots: Sequence[Slot], decided: Sequence[Decided | None], state: Sequence[Outgoing], line: Hashable
    ) -> None:
        """One attempt. Raises PublishFailed, RecordsTooLarge."""
        flow = self._flow
        here = [(slot, one) for slot, one in zip(slots, decided, strict=True) if not flow.is_stale(slot)]
        outgoing = _leaving(here)
        offsets = _offsets([slot for slot, _ in here]) if flow.order is Order.BY_PARTITION else {}
        if not outgoing and not offsets:
            return
        outgoing += [one for one in state if one.source.of in offsets]
        try:
            await self._transport.publish(outgoing, offsets, flow.suspects.marks(offsets))
        except PublishFailed as error:
            if offsets:
                flow.metrics.transactions.labels("failed").inc()
            flow.failing.add(line)
            log.warning("publish.failed", records=len(outgoing), error=str(error))
            raise
        if offsets:
            flow.metrics.transactions.labels("ok").inc()

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
                self._flow.commits_fail_since = None  # what was owed went with its partitions
                return True
            try:
                await self._write_state(offsets)
                await self._transport.commit(offsets, self._flow.suspects.marks(offsets))
            except (TransportUnavailable, PublishFailed) as error:
                self._committed(False)
                log.warning("commit.failed", partitions=len(offsets), error=str(error))
                return False
            self._flow.ledger.committed(offsets)
            self._changelog.settled(offsets)
            self._committed(True)
            return True

    async def _write_state(self, offsets: dict[Partition, int]) -> None:
        """The state of streams stands before their offsets do, where those are committed by themselves."""
        state = self._changelog.unwritten(offsets) if self._flow.order is Order.BY_KEY else []
        if not state:
            return
        try:
            await self._transport.publish(state, {})
        except PublishFailed:
            self._changelog.failed(state)
            raise

    def _committed(self, stood: bool) -> None:
        flow = self._flow
        flow.metrics.commits.labels("ok" if stood else "failed").inc()
        if stood:
            flow.commits_fail_since = None
        elif flow.commits_fail_since is None:
            flow.commits_fail_since = flow.clock.now()

    async def store(self, offsets: dict[Partition, int], marks: dict[Partition, str]) -> bool:
        """Store marks beside offsets below which all is finished; False when the queue did not take them."""
        if not offsets:
            return True
        async with self._committing:
            try:
                if self._flow.order is Order.BY_PARTITION:
                    await self._transport.publish((), offsets, marks)
                else:
                    await self._write_state(offsets)
                    await self._transport.commit(offsets, marks)
            except (TransportUnavailable, PublishFailed) as error:
                self._committed(False)
                log.warning("commit.failed", partitions=len(offsets), error=str(error))
                return False
            self._flow.ledger.committed(offsets)
            self._changelog.settled(offsets)
            self._committed(True)
            return True

    async def release(self, partitions: Iterable[Partition], *, unfinished: bool = False) -> bool:
        """
        Commit what is finished of partitions that are let go, and say that no run is under way there any more.

        One with open records keeps its mark, since one of them may hang: unless `unfinished` says that none does.
        """
        flow = self._flow
        offsets = flow.ledger.reached(flow.suspects.known() & set(partitions))
        marks = {
            partition: flow.suspects.mark(partition, offset)
            if flow.ledger.open_count([partition]) and not unfinished
            else flow.suspects.rest(partition, offset)
            for partition, offset in offsets.items()
        }
        return await self.store(offsets, marks)

    def _count(self, slots: Sequence[Slot], decided: Sequence[Decided | None], began: float) -> None:
        metrics, wall_ms = self._flow.metrics, self._flow.clock.wall() * 1000
        actions = Counter(one.action for one in decided if one is not None)
        by_name = {action.label: count for action, count in actions.items()}
        self._flow.traces.delivered(began, wall_ms / 1000, len(slots), by_name, lambda: _parents(slots))
        for code in (code for one in decided if one is not None and one.degraded for code in one.degraded):
            metrics.degraded.labels(code).inc()
        for code in (slot.code for slot in slots if slot.code is not None):
            metrics.dead_letters.labels(code).inc()
        metrics.conditions_failed.inc(sum(one.conditions_failed for one in decided if one is not None))
        metrics.review_samples.inc(sum(one is not None and one.review is not None for one in decided))
        for outcome, count in Counter(one.tried for one in decided if one is not None and one.tried).items():
            metrics.candidates.labels(outcome).inc(count)
        for action, count in actions.items():
            metrics.decisions.labels(action.label).inc(count)
        reasons = Counter((one.action, label) for one in decided if one is not None for label in one.categories)
        for (action, label), count in reasons.items():
            metrics.categories.labels(action.label, label).inc(count)
        stamps = [slot.assessment.event.broker_ms for slot in slots if slot.assessment is not None]
        oldest = min(filter(None, stamps), default=None)
        if oldest is not None:
            metrics.latency.observe(max(wall_ms - oldest, 0.0) / 1000)


def _parents(slots: Sequence[Slot]) -> list[str]:
    """The events' own trace contexts."""
    events = [slot.assessment.event for slot in slots if slot.assessment is not None]
    return [event.traceparent for event in events if event.traceparent is not None]


def _leaving(slots: Sequence[tuple[Slot, Decided | None]]) -> list[Outgoing]:
    """What is published of the slots, in their order."""
    outgoing: list[Outgoing] = []
    for slot, one in slots:
        # a review sample leaves with its decision: in one publish, and in one transaction where there is one
        leaving = (slot.outgoing, None) if one is None else (one.outgoing, one.review)
        outgoing += [record for record in leaving if record is not None]
    return outgoing


def _offsets(slots: Sequence[Slot]) -> dict[Partition, int]:
    """The next offset to read of each partition: slots leave in its order, so the last one ends the prefix."""
    return {slot.position.of: slot.position.offset + 1 for slot in slots}
