"""An event loop whose time is virtual and whose order of ready callbacks comes from a seed."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor, Future
from random import Random
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_STEP = 1e-6  # past a timer's moment, so that rounding never leaves it undue


class Stalled(AssertionError):
    """Nothing is ready and no timer runs: the schedule would wait for ever."""


class _Selector(selectors.SelectSelector):
    """Instead of waiting, moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """What is readable now, else nothing at a later time."""
        events = super().select(0)
        if not events:
            if timeout is None:
                raise Stalled("nothing is ready and nothing will be")
            if timeout > 0:
                self.now += timeout + _STEP
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """Hours in milliseconds. `shuffle` runs what is ready in any order, as threads and sockets may."""

    def __init__(self, random: Random, *, shuffle: bool) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        self._random, self._shuffle = random, shuffle
        self._default_executor = Inline(random)  # asyncio.to_thread
        self.errors: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.errors.append(context))

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual.now

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]  # asyncio has no other place to change the order
        if self._shuffle and len(ready) > 1:
            handles = list(ready)
            self._random.shuffle(handles)
            ready.clear()
            ready.extend(handles)
        super()._run_once()  # type: ignore[misc]


class LoopClock:
    """The loop's time as a stage's clock; the wall begins somewhere in 2027."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return 1_800_000_000.0 + self.now()


class Inline(Executor):
    """Threads without threads: the work is done on the loop, a random moment later."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.lost = 0  # as `DecodeThreads`

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As `Executor.submit`."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  # it belongs to whoever waits for the future
                future.set_exception(error)
            else:
                future.set_result(result)

        asyncio.get_running_loop().call_later(self._random.expovariate(100), work)
        return future
