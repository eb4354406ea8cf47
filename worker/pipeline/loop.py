"""The loop's life: start, run the three tasks, drain on a revoke or a stop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import Executor

import structlog

from worker.core.errors import TidegateError
from worker.core.ports import Transport
from worker.core.records import Partition
from worker.pipeline.flow import Flow
from worker.pipeline.intake import Intake
from worker.pipeline.outlet import Outlet

log = structlog.get_logger(__name__)


class Pipeline:
    """
    Records in, acknowledged decisions out.

    `run` returns after `stop()` and a drain, or raises what made it impossible to go on; then nothing unfinished has
    been committed, and the next start reads it again.
    """

    def __init__(self, flow: Flow, transport: Transport, intake: Intake, outlet: Outlet, threads: Executor) -> None:
        self._flow = flow
        self._transport = transport
        self._intake = intake
        self._outlet = outlet
        self._threads = threads

    def stop(self) -> None:
        """Stop reading; what is in flight is finished within `flow.drain_s`."""
        self._flow.stopping.set()

    async def run(self) -> None:
        """Run until stopped or broken."""
        if not await self._join():
            return
        intake = asyncio.create_task(self._intake.run(), name="intake")
        outlet = asyncio.create_task(self._outlet.run(), name="outlet")
        commits = asyncio.create_task(self._outlet.commit_regularly(), name="commits")
        try:
            done, _ = await asyncio.wait({intake, outlet, commits}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # raises what broke it
            await self._finish(None)
        except TidegateError:
            # ended on purpose: no record killed this run, so none is to be suspected of it
            await self._outlet.release(self._flow.suspects.known(), unfinished=True)
            raise
        finally:
            for task in (intake, outlet, commits):
                task.cancel()
            await asyncio.gather(intake, outlet, commits, return_exceptions=True)
            await self._transport.stop()
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _join(self) -> bool:
        """Join the queue, however long it is away; False when a stop came first."""
        joining = asyncio.create_task(self._transport.start(self.drain), name="join")
        stopping = asyncio.create_task(self._flow.stopping.wait(), name="stopping")
        try:
            await asyncio.wait({joining, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if joining.done():
                joining.result()
                return True
        finally:
            for task in (joining, stopping):
                task.cancel()
            await asyncio.gather(joining, stopping, return_exceptions=True)
        await self._transport.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)
        return False

    async def drain(self, partitions: frozenset[Partition]) -> None:
        """Before partitions go to another worker: finish what is in flight of them, commit, let go."""
        self._flow.metrics.rebalances.inc()
        await self._finish(partitions)
        self._flow.forget(partitions)

    async def _finish(self, partitions: Iterable[Partition] | None) -> None:
        """Wait until nothing of `partitions` (all: None) is open, then commit; bounded by `flow.drain_s`."""
        flow = self._flow
        since = flow.clock.now()
        try:
            async with asyncio.timeout(flow.settings.drain_s):
                while self._open(partitions):
                    flow.settled.clear()
                    await flow.settled.wait()
        except TimeoutError:
            flow.metrics.drains_cut.inc()
            log.warning("drain.cut_short", open=self._open(partitions), after_s=flow.settings.drain_s)
        leaving = self._flow.suspects.known() if partitions is None else partitions
        committed = await self._outlet.release(leaving)
        flow.metrics.drains.observe(flow.clock.now() - since)
        log.info("drain.done", seconds=round(flow.clock.now() - since, 3), committed=committed)

    def _open(self, partitions: Iterable[Partition] | None) -> int:
        if partitions is None:
            return self._flow.credits.held[0]
        return self._flow.ledger.open_count(partitions)
