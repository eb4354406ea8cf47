"""Careful: admits records of a partition that is new here, or came from a run that died, as its mark demands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from worker.core.errors import Parked
from worker.core.ports import Transport
from worker.core.records import Partition, Record
from worker.deliver.suspects import Step
from worker.pipeline.flow import Flow
from worker.pipeline.outlet import Outlet

log = structlog.get_logger(__name__)

_LOOK_S = 0.2  # how often a restore lets the membership be kept alive

AdmitRun = Callable[[Sequence[Record]], Awaitable[None]]
Convict = Callable[[Record, Parked], Awaitable[bool]]


class Careful:
    """
    Holds the intake up while a mark is stored or a suspect runs alone; `keep_alive` is called meanwhile.

    Nothing else is read then, so what waits here is at most one poll's records.
    """

    def __init__(
        self,
        flow: Flow,
        transport: Transport,
        outlet: Outlet,
        admit_run: AdmitRun,
        convict: Convict,
        keep_alive: Callable[[], Awaitable[None]],
        flush: Callable[[], None],
        restore: Callable[[Partition, int], Awaitable[None]],
    ) -> None:
        self._flow = flow
        self._transport = transport
        self._outlet = outlet
        self._admit_run = admit_run
        self._convict = convict
        self._keep_alive = keep_alive
        self._flush = flush
        self._restore = restore

    async def admit(self, records: Sequence[Record]) -> None:
        """Records of one partition, in order, as far as they may go: not after a stop, nor when it has gone."""
        flow, suspects = self._flow, self._flow.suspects
        partition = records[0].position.of
        epoch = flow.epoch(partition)
        if not suspects.knows(partition):
            if not await self._restored(epoch, partition, records[0].position.offset):
                return
            self._take(partition)
        for index, record in enumerate(records):
            match suspects.step(record.position):
                case Step.ADMIT:
                    await self._admit_run([record])
                case Step.PARK:
                    if await self._convict(record, _guilty(record)):
                        suspects.convicted(record.position)
                case Step.MARK:
                    if not await self._hold(epoch, partition, lambda: flow.ledger.open_count([partition]) == 0):
                        return
                    if not await self._store(epoch, partition, record.position.offset, suspects.cover(record.position)):
                        return
                    if suspects.covers(partition, records[-1].position.offset):
                        await self._admit_run(records[index:])
                        return
                    await self._admit_run([record])
                case Step.ALONE:
                    await self._alone(epoch, record, last=index == len(records) - 1)
            if not self._here(epoch, partition):
                return

    async def _restored(self, epoch: int, partition: Partition, first: int) -> bool:
        """Have what the partition's streams were before its record at `first`; False as for `_hold`."""
        restoring = asyncio.ensure_future(self._restore(partition, first))
        try:
            while not restoring.done() and self._here(epoch, partition):
                await asyncio.wait({restoring}, timeout=_LOOK_S)
                if not restoring.done():
                    await self._keep_alive()
            if restoring.done():
                restoring.result()
        finally:
            restoring.cancel()
            await asyncio.gather(restoring, return_exceptions=True)
        return self._here(epoch, partition)

    def _take(self, partition: Partition) -> None:
        mark = self._flow.suspects.take(partition, self._transport.marks().get(partition, ""))
        if mark.run or mark.deaths:
            self._flow.metrics.suspects.inc()
            log.warning(
                "suspects",
                topic=partition.topic,
                partition=partition.number,
                left_by=mark.run or None,
                deaths=mark.deaths,
                until=mark.until,
                window=mark.window,
                named=mark.named,
            )

    async def _alone(self, epoch: int, record: Record, *, last: bool) -> None:
        """One suspect, with nothing else in flight in this process; after the `last`, other partitions may run."""
        flow, partition, offset = self._flow, record.position.of, record.position.offset
        if not await self._hold(epoch, partition, lambda: flow.credits.held[0] == 0):
            return
        if not await self._store(epoch, partition, offset, flow.suspects.name(record.position)):
            return
        await self._admit_run([record])
        if await self._hold(epoch, partition, lambda: flow.credits.held[0] == 0) and last:
            # else a death among another partition's records would convict this one, which came through
            await self._store(epoch, partition, offset + 1, flow.suspects.clear(record.position))

    async def _hold(self, epoch: int, partition: Partition, idle: Callable[[], bool]) -> bool:
        """Wait until it is idle; False when the partition has gone, or after a stop."""
        self._flush()
        while self._here(epoch, partition):
            if idle():
                return True
            await self._keep_alive()
        return False

    async def _store(self, epoch: int, partition: Partition, offset: int, mark: str) -> bool:
        """Store a mark beside an offset, as often as it takes; False as for `_hold`."""
        while self._here(epoch, partition):
            if await self._outlet.store({partition: offset}, {partition: mark}):
                return self._here(epoch, partition)  # it may have gone while the mark was on its way
            await self._keep_alive()
        return False

    def _here(self, epoch: int, partition: Partition) -> bool:
        return self._flow.epoch(partition) == epoch and not self._flow.stopping.is_set()


def _guilty(record: Record) -> Parked:
    reason = "the process died while this record alone was under way: find out why, then redrive it"
    return Parked("kills_worker", reason, stage="event", failures=("ProcessDied",))
