"""The device: runs one batch at a time in its own thread, in the order that `Dispatch` says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

import structlog

from worker.core.clock import Clock
from worker.core.errors import ConfigError, ModelFailed
from worker.score.batch import Batch
from worker.score.dispatch import Dispatch
from worker.score.lane import LATE, Answer, Ask, Lane

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
OnLost = Callable[[str, int], None]
_LOOKS = 4  # for hung batches, in the time that one may take


class _Run:
    """A batch with a thread, or waiting for one."""

    __slots__ = ("batch", "given_up", "lane", "started")

    def __init__(self, lane: Lane, batch: Batch[Ask]) -> None:
        self.lane = lane
        self.batch = batch
        self.started: float | None = None  # set by the thread that begins it
        self.given_up = False  # another thread is in the place of the one that runs it


class Device:
    """
    Takes views, gives answers. Made and used on the event loop's thread; models run in the device's own.

    Args:
        lanes: each with a name of its own.
        clock: where time is read; the same that the lanes have.
        on_done: called on the loop's thread with the answers of one batch. Must not raise.
        on_batch: called on the loop's thread after each batch, for metrics.
        threads: batches that may run at once, each of another lane; 1 unless the models leave cores idle.
        hung_s: a batch that runs for longer is given up: its views are judged one by one by another thread, and the
            one that hangs again is answered with `ModelFailed`. A thread cannot be ended, so each costs one for good.
        on_lost: called on the loop's thread with the lane and how many threads are lost by now.

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
        hung_s: float = float("inf"),
        on_lost: OnLost | None = None,
    ) -> None:
        lanes = list(lanes)
        self._lanes = {lane.name: lane for lane in lanes}
        if threads < 1:
            raise ConfigError("a device needs at least 1 thread: raise its setting")
        if len(self._lanes) != len(lanes):
            raise ConfigError("two lanes have the same name: rename one")
        self._dispatch = Dispatch(lanes, clock)
        self._clock = clock
        self._on_done = on_done
        self._on_batch = on_batch
        self._threads = threads
        self._hung_s = hung_s
        self._on_lost = on_lost
        self._lost = 0
        self._work: SimpleQueue[_Run | None] = SimpleQueue()
        self._runs: set[_Run] = set()  # handed to the threads, not back, not given up
        self._running = 0  # batches handed to the threads and not back yet
        self._late = 0  # answers of nobody's asks that the loop has yet to give, in lots
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
            self._start_thread(number)
        if self._hung_s < float("inf"):
            self._loop.call_later(self._hung_s / _LOOKS, self._look_for_hung)

    def _start_thread(self, number: int) -> None:
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
        for ask in asks:
            self._lanes[lane].submit(ask)
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
        self._answer_late()
        while not self._closed and self._running <= self._threads:
            # one batch ahead of the threads, so that they need not wait for this loop
            following = self._dispatch.next(ahead=self._running == self._threads, busy=self._busy())
            if following is None:
                break
            lane, batch = following
            self._running += 1
            self._out += len(batch.items)
            self._hand(_Run(lane, batch))
        if self._loop is not None and not self._closed and self._running < self._threads:
            wait_s = self._dispatch.wait_s(busy=self._busy())
            if wait_s is not None:
                self._timer = self._loop.call_later(wait_s, self._pump)
        if not self._running and not self._late and not self.waiting:
            self._empty.set()

    def _busy(self) -> set[str]:
        """Lanes that wait for their own batch; with one thread none does, since it takes one batch after the other."""
        return {run.lane.name for run in self._runs} if self._threads > 1 else set()

    def _answer_late(self) -> None:
        """Answer what nobody wants any more, in a turn of its own: it may lead to new work."""
        answers = [Answer(ask.ticket, ask.view, LATE) for _, asks in self._dispatch.give_up() for ask in asks]
        if answers and self._loop is not None:
            self._out += len(answers)
            self._late += 1
            self._loop.call_soon(self._late_answered, answers)

    def _late_answered(self, answers: list[Answer]) -> None:
        self._out -= len(answers)
        self._late -= 1
        if not self._closed:
            self._pump()
            self._on_done(answers)

    def _hand(self, run: _Run) -> None:
        self._runs.add(run)
        self._work.put(run)

    def _look_for_hung(self) -> None:
        """Give up what has run for too long, and come back."""
        if self._closed or self._loop is None:
            return
        now = self._clock.now()
        for run in [run for run in self._runs if run.started is not None and now - run.started > self._hung_s]:
            self._give_up(run)
        self._loop.call_later(self._hung_s / _LOOKS, self._look_for_hung)

    def _give_up(self, run: _Run) -> None:
        lane, items = run.lane, run.batch.items
        self._runs.discard(run)
        run.given_up = True
        self._lost += 1
        _log.error("batch.hung", lane=lane.name, items=len(items), after_s=self._hung_s, threads_lost=self._lost)
        self._start_thread(self._threads + self._lost - 1)
        if self._on_lost is not None:
            self._on_lost(lane.name, self._lost)
        if len(items) > 1:
            self._running += len(items) - 1
            for ask in items:
                alone = Batch((ask,), ask.view.cost, ask.view.cost, run.batch.since, run.batch.left)
                self._hand(_Run(lane, alone))
            return
        self._running -= 1
        self._out -= 1
        failed = ModelFailed(f"model {lane.name} hung on a view")
        self._pump()
        self._on_done([Answer(items[0].ticket, items[0].view, failed)])

    def _run(self) -> None:
        """A thread's life: judge batches until told to stop."""
        assert self._loop is not None, "a thread started before the device. This is a bug."
        while (run := self._work.get()) is not None:
            run.started = started = self._clock.now()
            answers = run.lane.judge(run.batch.items)
            ended = self._clock.now()
            try:
                self._loop.call_soon_threadsafe(self._finished, run, answers, started, ended)
            except RuntimeError:
                # the loop was closed under us: nobody is left to answer, and the records stay uncommitted
                _log.warning("device.orphaned", lane=run.lane.name, items=len(answers))
                return
            if run.given_up:
                return

    def _finished(self, run: _Run, answers: list[Answer], started: float, ended: float) -> None:
        if run not in self._runs:
            return  # it came back after it was given up
        self._runs.discard(run)
        lane, batch = run.lane, run.batch
        self._running -= 1
        self._out -= len(answers)
        if self._closed:
            return
        lane.ran(batch, ended - started)
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
