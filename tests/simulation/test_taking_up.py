"""Records that come one by one are taken up every 5 ms, and a backlog at once: on a clock that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import orjson

from ops.chaos.standin import standin_models
from ops.chaos.workload import TENANTS
from tests.simulation.loop import LoopClock, VirtualLoop
from tests.simulation.wiring import prepared, simulated
from worker import app
from worker.core.records import Draft, Record
from worker.settings import load
from worker.transport.memory import MemoryLog, MemoryTransport


class Timed(MemoryTransport):
    """Notes when it gave how many records."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.taken: list[tuple[float, int]] = []

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As `MemoryTransport`."""
        found = await super().poll(max_records=max_records, timeout_s=timeout_s)
        if found:
            self.taken.append((asyncio.get_running_loop().time(), len(found)))
        return found


def taken(folder: Path, arrivals: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """When a worker took how many of the records that come so many at these moments, seconds after the first came."""
    settings = load(None, {"policies": folder, "models.profile": "words"})

    async def run() -> list[tuple[float, int]]:
        log, loop = MemoryLog(1), asyncio.get_running_loop()
        transport = Timed(log, settings.topics)
        worker = app.Worker(settings, transport, standin_models(timed=False), clock=LoopClock())
        async with app.running(worker):
            await asyncio.sleep(1.0)
            began = loop.time()
            for turn, (at, count) in enumerate(arrivals):
                await asyncio.sleep(max(began + at - loop.time(), 0.0))
                body = {"tenant": TENANTS[0], "parts": [{"type": "text", "text": "hello"}]}
                values = [orjson.dumps({"id": f"{turn}/{place}", **body}) for place in range(count)]
                log.append([Draft(settings.topics.events, b"k", value, ()) for value in values])
            await asyncio.sleep(1.0)
            return [(at - began, count) for at, count in transport.taken]

    loop = VirtualLoop(Random(1), shuffle=False)
    with simulated(Random(1)):
        try:
            return loop.run_until_complete(run())
        finally:
            loop.close()


def test_records_that_come_one_by_one_are_taken_up_every_5_ms_and_none_waits_longer(tmp_path: Path) -> None:
    """One a millisecond for 50 ms: about five at once; the first of all at once."""
    with prepared(tmp_path / "policies") as folder:
        found = taken(folder, [(n / 1_000, 1) for n in range(50)])
    assert sum(count for _, count in found) == 50
    assert found[0][0] < 0.0005
    between = [later - earlier for (earlier, _), (later, _) in pairwise(found)]
    assert all(0.0049 < wait < 0.0065 for wait in between), between
    assert len(found) <= 11


def test_a_backlog_is_taken_up_without_a_pause(tmp_path: Path) -> None:
    """Polls that bring many follow one another at once."""
    with prepared(tmp_path / "policies") as folder:
        found = taken(folder, [(0.0, 2_000)])
    assert sum(count for _, count in found) == 2_000
    assert len(found) >= 4
    assert found[-1][0] < 0.004
