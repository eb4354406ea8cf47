"""The device: runs one batch at a time in its own thread and takes the lane whose oldest item has the least slack."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

import structlog

from worker.core.clock import Clock
from worker.core.errors import ConfigError, ModelFailed
from worker.score.batcher import Batch
from worker.score.lane import Answer, Ask, Lane

_log = structlog.get_logger(__name__)

OnDone = Callable[[list[Answer]], None]


class BatchReport(NamedTuple):
    """What is measured of one batch. Seconds; `cost` and `padded` in the lane's unit."""

    lane: str
    items: int
    cost: int
    padded: int
    left_because: str
    wait_s: float  # of its oldest item
    run_s: float
    failed: int


OnBatch = Callable[[BatchReport], None]


class Device:
    """
    Takes views, gives answers. Made and used on the event loop's thread; models run in the device's own.

    Args:
        lanes: each with a name of its own.
        clock: where time is read; the same that the lanes have.
        on_done: called on the loop's thread with the answers of one batch. Must not raise.
        on_batch: called on the loop's thread after each batch, for metrics.
        threads: batches that may run at once; 1 unless the models leave cores idle.

    Raises:
        ConfigError: no thread, or two lanes of one name.
    """

    def __init__(
        self,
        lanes: Iterable[Lane],
        clock: Clock,
        on_done: OnDone,
        on_batch: OnBatch | None = None,
        threads: int = 1,
    ) -> None:
        lanes = list(lanes)
        self._lanes = {lane.name: lane for lane in lanes}
        if threads < 1:
            raise ConfigError("a device needs at least 1 thread: raise its setting")
        if len(self._lanes) != len(lanes):
            raise ConfigError("two lanes have the same name: rename one")
        self._clock = clock
        self._on_done = on_done
        self._on_batch = on_batch
        self._threads = threads
        self._work: SimpleQueue[tuple[Lane, Batch[Ask]] | None] = SimpleQueue()
        self._running = 0  # batches handed to the threads and not back yet
        self._out = 0  # views in them
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def waiting(self) -> int:
        """Views that wait in the lanes; those of batches under way are not among them."""
        return sum(len(lane.batcher) for lane in self._lanes.values())

    def start(self) -> None:
        """Start the threads; call it on the running loop."""
        self._loop = asyncio.get_running_loop()
        for number in range(self._threads):
            # daemons: a model that hangs must not keep the process from ending
            threading.Thread(target=self._run, name=f"device-{number}", daemon=True).start()

    def submit(self, lane: str, asks: Sequence[Ask]) -> None:
        """
        Queue `asks`; each is answered exactly once through `on_done`, in whatever batch it leaves.

        Raises:
            ConfigError: the device has no such lane, is not started, or is closed.
        """
        if self._loop is None or self._closed:
            raise ConfigError(f"the device cannot take work for lane {lane}: it is not running")
        if lane not in self._lanes:
            raise ConfigError(f"the device has no lane {lane}: configure its model")
        batcher = self._lanes[lane].batcher
        for ask in asks:
            batcher.add(ask, ask.view.cost, ask.deadline, tenant=ask.tenant, weight=ask.weight)
        self._empty.clear()
        if not self._scheduled:
            # at the end of this turn of the loop, so that all that one turn submits can leave together
            self._scheduled = True
            self._loop.call_soon(self._pump)

    async def close(self, timeout_s: float) -> int:
        """
        Let everything queued leave at once, wait at most `timeout_s`, then stop.

        Returns:
            How many views had no answer in time; they get none any more.
        """
        for lane in self._lanes.values():
            lane.batcher.drain()
        self._pump()
        try:
            await asyncio.wait_for(self._empty.wait(), timeout_s)
        except TimeoutError:
            _log.warning("device.drain_timed_out", waiting=self.waiting, running=self._running)
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for _ in range(self._threads):
            self._work.put(None)
        return self.waiting + self._out

    def _pump(self) -> None:
        """Hand batches to the threads, and come back when the next one is due."""
        self._scheduled = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while not self._closed and self._running <= self._threads:
            # one batch ahead of the threads, but only a full one: it could not get better by waiting
            lane = self._most_urgent(only_full=self._running == self._threads)
            batch = lane.batcher.take() if lane is not None else None
            if lane is None or batch is None:
                break
            self._running += 1
            self._out += len(batch.items)
            self._work.put((lane, batch))
        if self._loop is not None and not self._closed and self._running < self._threads:
            dues = [due for lane in self._lanes.values() if (due := lane.batcher.due_in_s()) is not None]
            if dues:
                self._timer = self._loop.call_later(min(dues), self._pump)
        if not self._running and not self.waiting:
            self._empty.set()

    def _most_urgent(self, *, only_full: bool) -> Lane | None:
        """The lane with least slack, then the oldest work, among those with a batch that is due."""
        due = [
            lane
            for lane in self._lanes.values()
            if lane.batcher.due_in_s() == 0.0 and (lane.batcher.full or not only_full)
        ]
        return min(due, key=lambda lane: (lane.slack_s(), lane.batcher.since), default=None)

    def _run(self) -> None:
        """A thread's life: judge batches until told to stop."""
        assert self._loop is not None, "a thread started before the device. This is a bug."
        while (work := self._work.get()) is not None:
            lane, batch = work
            started = self._clock.now()
            answers = lane.judge(batch.items)
            ended = self._clock.now()
            try:
                self._loop.call_soon_threadsafe(self._finished, lane, batch, answers, started, ended)
            except RuntimeError:
                # the loop was closed under us: nobody is left to answer, and the records stay uncommitted
                _log.warning("device.orphaned", lane=lane.name, items=len(answers))
                return

    def _finished(self, lane: Lane, batch: Batch[Ask], answers: list[Answer], started: float, ended: float) -> None:
        self._running -= 1
        self._out -= len(answers)
        if self._closed:
            return
        lane.latency.observe(batch.padded, ended - started)
        report = BatchReport(
            lane.name,
            len(answers),
            batch.cost,
            batch.padded,
            batch.left.value,
            max(0.0, started - batch.since),
            ended - started,
            sum(isinstance(answer.result, ModelFailed) for answer in answers),
        )
        self._tell(report)
        self._pump()  # before the answers are folded in, so that the thread does not wait for that
        self._on_done(answers)

    def _tell(self, report: BatchReport) -> None:
        _log.info(
            "batch.done",
            lane=report.lane,
            items=report.items,
            cost=report.cost,
            left_because=report.left_because,
            wait_ms=round(report.wait_s * 1000, 1),
            score_ms=round(report.run_s * 1000, 1),
            failed=report.failed,
        )
        if self._on_batch is not None:
            self._on_batch(report)
