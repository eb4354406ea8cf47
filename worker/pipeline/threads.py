"""Threads that decode: daemons, so that work which hangs neither keeps the process alive nor takes a place for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, NamedTuple, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Job(NamedTuple):
    future: Future[Any]
    work: Callable[[], Any]


class DecodeThreads(Executor):
    """
    An executor of `count` daemon threads. A Python thread cannot be ended, so one that hangs is given up instead:
    `replace` puts a new one in its place, and the lost one ends by itself should its work ever come back.
    """

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._started = 0
        self._count = count
        self._closed = False
        self.lost = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As `Executor.submit`."""
        if self._closed:
            raise RuntimeError("cannot decode after shutdown")
        while len(self._threads) < self._count:
            self._start()
        future: Future[T] = Future()
        self._jobs.put(_Job(future, lambda: fn(*args, **kwargs)))
        return future

    def replace(self, thread: threading.Thread) -> None:
        """Give up a thread whose work hangs, and put another in its place."""
        if thread in self._threads:
            self._threads.discard(thread)
            self.lost += 1
            self._start()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work and let idle threads end; never waits for one that works."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)

    def _start(self) -> None:
        self._started += 1
        thread = threading.Thread(target=self._run, name=f"decode-{self._started}", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _run(self) -> None:
        """A thread's life: work until told to stop, or until it was given up."""
        while (job := self._jobs.get()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                result = job.work()
            except BaseException as error:  # noqa: BLE001  # it belongs to whoever waits for the future
                job.future.set_exception(error)
            else:
                job.future.set_result(result)
            if threading.current_thread() not in self._threads:
                return
