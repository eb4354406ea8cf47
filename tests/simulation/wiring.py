"""The worker's wiring with what has threads, files or wires of its own replaced."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog

from ops.chaos.standin import standin_models
from ops.chaos.workload import write_policies
from tests.simulation.loop import Inline
from worker import app
from worker.policy.store import PolicyStore
from worker.score.lane import Answer, Lane
from worker.settings import Settings, load
from worker.transport.memory import MemoryLog, MemoryTransport
from worker.transport.settings import TopicSettings

_VERSIONS = 2


class SimDevice:
    """The device without threads: answers come in any grouping and order, some after a long while."""

    def __init__(
        self, lanes: list[Lane], clock: Any, on_done: Callable[[list[Answer]], None], *_: Any, **__: Any
    ) -> None:
        self._lanes = {lane.name: lane for lane in lanes}
        self._on_done = on_done
        self._closed = False

    def start(self) -> None:
        """Nothing to start."""

    def submit(self, lane: str, asks: Any, *_: Any, **__: Any) -> None:
        """Answer each of a few random groups at a time of its own."""
        loop = asyncio.get_running_loop()
        random: Random = loop._random  # type: ignore[attr-defined]
        waiting = list(asks)
        while waiting:
            group = [waiting.pop(random.randrange(len(waiting))) for _ in range(random.randint(1, len(waiting)))]
            hang = random.random() < 0.01
            loop.call_later(random.uniform(10, 40) if hang else random.expovariate(20), self._answer, lane, group)

    def _answer(self, lane: str, group: list[Any]) -> None:
        if not self._closed:
            self._on_done(self._lanes[lane].judge(group))

    async def close(self, timeout_s: float) -> int:
        """Answer nothing any more."""
        self._closed = True
        return 0


class SimPolicies(PolicyStore):
    """The store over compiled versions that change at random moments; nothing is read from a disk again."""

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._versions = COMPILED
        self._now = 0

    async def load(self) -> None:
        """The versions are compiled already."""

    def of(self, tenant: str) -> Any:
        """Of the version that is in force at this moment."""
        return self._versions[self._now].of(tenant)

    def candidate_of(self, tenant: str, event_id: str) -> Any:
        """None has one."""
        return None

    def status(self) -> Any:
        """As the version in force says."""
        return self._versions[self._now].status()

    async def watch(self, stop: asyncio.Event) -> None:
        """Another version now and then."""
        random: Random = asyncio.get_running_loop()._random  # type: ignore[attr-defined]
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(random.expovariate(1)):
                    await stop.wait()
            self._now = (self._now + 1) % _VERSIONS


COMPILED: list[PolicyStore] = []


async def compile_policies(folder: Path) -> None:
    """Compile the versions once for all schedules."""
    for number in range(_VERSIONS):
        write_policies(folder, number)
        transport = MemoryTransport(MemoryLog(1), TopicSettings())
        worker = app.Worker(small_settings(folder, Random(0)), transport, standin_models(timed=False))
        await worker.policies.load()
        COMPILED.append(worker.policies)


@contextmanager
def simulated(random: Random) -> Iterator[None]:
    """The worker's wiring with what has threads of its own replaced."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "Device", SimDevice)
        patch.setattr(app, "PolicyStore", SimPolicies)
        for name in ("DecodeThreads", "ThreadPoolExecutor"):
            patch.setattr(app, name, lambda *_, **__: Inline(random), raising=False)
        yield


def small_settings(folder: Path, random: Random) -> Settings:
    """Small bounds, so that they are met: much in flight or little, batches long or short."""
    plain = _plain_settings(folder)
    flow = {
        "events": random.choice([4, 20, 1_000]),
        "poll_records": random.choice([1, 7, 500]),
        "publish_records": random.choice([1, 5, 500]),
        "prepare_events": random.choice([1, 3]),
        "drain_s": 5.0,
        "dead_letter_bytes": 20_000,
    }
    return plain.model_copy(update={"flow": plain.flow.model_copy(update=flow)})


@cache
def _plain_settings(folder: Path) -> Settings:
    return load(None, {"policies": folder, "models.profile": "words"})


@contextmanager
def prepared(folder: Path) -> Iterator[Path]:
    """Policies compiled once in `folder`, and a log that costs nothing."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(compile_policies(folder))
    try:
        yield folder
    finally:
        COMPILED.clear()
        structlog.configure(**before)
