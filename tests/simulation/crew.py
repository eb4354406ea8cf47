"""The workers of a schedule, and what happens to them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import Any

from ops.chaos.standin import standin_models
from tests.simulation.loop import LoopClock
from tests.simulation.queue import Queue, SimTransport
from worker import app
from worker.settings import Settings

LIMIT_S = 3_000.0  # virtual


class Crew:
    """The workers of a schedule."""

    def __init__(self, queue: Queue, settings: Settings, found: list[str]) -> None:
        self._queue, self._settings, self._found = queue, settings, found
        self._running: list[tuple[SimTransport, Any, asyncio.Task[None]]] = []

    def start(self) -> None:
        """One more worker."""
        transport = SimTransport(self._queue)
        worker = app.Worker(self._settings, transport, standin_models(timed=False), clock=LoopClock())
        self._running.append((transport, worker, asyncio.create_task(worker.run())))

    async def strike(self, random: Random) -> None:
        """Start, kill, stop, lose and find workers at random moments, then leave two alone."""
        self.start()
        for _ in range(random.randint(0, 8)):
            await asyncio.sleep(random.expovariate(1))
            what = random.choice(["start", "kill", "stop", "lose"])
            if what == "start" or not self._running:
                if len(self._running) < 3:
                    self.start()
                continue
            one = random.choice(self._running)
            if what == "kill":
                await self._kill(one)
            elif what == "stop":
                await self._stop(one)
            else:
                await self._lose(one[0], random)
        self.start()
        while True:  # as systemd would
            await asyncio.sleep(1)
            self._ended()
            if not self._running:
                self.start()

    async def _kill(self, one: tuple[SimTransport, Any, asyncio.Task[None]]) -> None:
        transport, _, task = one
        transport.dead = True
        self._running.remove(one)
        with suppress(ValueError):
            self._queue.members.remove(transport)
        task.cancel()
        await self._queue.rebalance()

    async def _stop(self, one: tuple[SimTransport, Any, asyncio.Task[None]]) -> None:
        one[1].pipeline.stop()
        done, _ = await asyncio.wait([one[2]], timeout=LIMIT_S / 4)
        if not done:
            self._found.append("drain: a worker asked to stop did not end")
        self._ended()
        await self._queue.rebalance()

    async def _lose(self, transport: SimTransport, random: Random) -> None:
        """The group gives a worker up that goes on working, and it finds out later."""
        transport.answers = False
        with suppress(ValueError):
            self._queue.members.remove(transport)
        await self._queue.rebalance()
        await asyncio.sleep(random.expovariate(0.3))
        await transport.wake()

    def _ended(self) -> None:
        for one in [one for one in self._running if one[2].done()]:
            self._running.remove(one)
            if not one[2].cancelled() and (error := one[2].exception()) is not None:
                self._found.append(f"broke: {error!r}")

    async def disband(self) -> None:
        """Stop all."""
        for one in list(self._running):
            one[1].pipeline.stop()
        if self._running:
            await asyncio.wait([task for _, _, task in self._running], timeout=LIMIT_S / 4)
        self._ended()
        if self._running:
            self._found.append(f"drain: {len(self._running)} workers did not end")
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
