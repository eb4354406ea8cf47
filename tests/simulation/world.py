"""One schedule: real workers over a simulated queue, struck at random, and what must hold of what came out."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from random import seed as seed_everyone
from typing import Any

import orjson
import pytest
import structlog

from ops.chaos.standin import standin_models
from ops.chaos.workload import expected, workload, write_policies
from tests.simulation.loop import Inline, LoopClock, VirtualLoop
from tests.simulation.queue import Chances, Queue, SimTransport, position
from worker import app
from worker.core.records import Order, Outgoing, Record, Route
from worker.policy.store import PolicyStore
from worker.score.lane import Answer, Lane
from worker.settings import Settings, load
from worker.transport.memory import MemoryLog, MemoryTransport
from worker.transport.settings import TopicSettings

PARTITIONS = 3
_LIMIT_S = 3_000.0  # virtual
_VERSIONS = 2
_BINARY = ("image", "audio")  # decoding them takes real milliseconds, and the loop is what is tried here


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
        worker = app.Worker(_settings(folder, Random(0)), transport, standin_models(timed=False))
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


@dataclass
class Schedule:
    """One seed's schedule and what came of it."""

    seed: int
    order: Order
    records: int = 40
    queue: Queue = field(init=False)
    found: list[str] = field(default_factory=list)

    def run(self, folder: Path) -> list[str]:
        """Run to the end; what is wrong with the outcome, nothing when all holds."""
        random = Random(f"{self.seed} {self.order.value}")
        seed_everyone(self.seed)  # pauses between retries are drawn from the module's own generator
        loop = VirtualLoop(random, shuffle=random.random() < 0.5)
        try:
            with simulated(random):
                loop.run_until_complete(self._run(random, folder))
        finally:
            loop.close()
        self.found += [f"loop: {context.get('exception') or context['message']}" for context in loop.errors]
        return self.found + list(self._check())

    async def _run(self, random: Random, folder: Path) -> None:
        chances = Chances(*random.choice([(0.0, 0.0), (0.1, 0.1), (0.3, 0.3)]), random.choice([0.001, 0.02, 0.5]))
        self.queue = Queue(random, self.order, list(_records(self.seed, self.records, random)), chances)
        crew = _Crew(self.queue, _settings(folder, random), self.found)
        striking = asyncio.create_task(crew.strike(random))
        try:
            async with asyncio.timeout(_LIMIT_S):
                while not self.queue.done:  # noqa: ASYNC110  # virtual time costs nothing
                    await asyncio.sleep(0.5)
        except TimeoutError:
            behind = {p.number: self.queue.committed.get(p, (0, ""))[0] for p in self.queue.partitions}
            self.found.append(f"stuck: committed no further than {behind} after {_LIMIT_S:.0f} s")
        striking.cancel()
        await asyncio.gather(striking, return_exceptions=True)
        await crew.disband()

    def _check(self) -> Iterator[str]:
        queue = self.queue
        firsts: dict[tuple[int, int], float] = {}
        answers: dict[tuple[int, int], set[tuple[str, str]]] = defaultdict(set)
        last: dict[tuple[Route, int, str], int] = {}
        inputs = {(r.position.partition, r.position.offset): r for p in queue.partitions for r in queue.records[p]}
        for at, out in queue.stored:
            place = out.source.partition, out.source.offset
            body = orjson.loads(out.value or b"{}") if out.route is not Route.DEAD_LETTER else {}
            if not (_convicted(out) and self.order is Order.BY_KEY):
                answers[place].add((out.route.value, body.get("id", "")))
            if place in firsts:
                if self.order is Order.BY_PARTITION:
                    yield f"duplicated: {place}"
                continue
            firsts[place] = at
            record = inputs[place]
            yield from _wrong(place, record, out, body)
            if out.route is Route.DEAD_LETTER and self.order is Order.BY_KEY:
                continue
            key = out.route, place[0], "" if self.order is Order.BY_PARTITION else _order_key(record)
            if last.get(key, -1) > place[1]:
                yield f"reordered: {place} after {last[key]} of {key}"
            last[key] = place[1]
        for place, record in inputs.items():
            if record.value is not None and place not in firsts:
                yield f"lost: {place}"
            elif len({id for _, id in answers[place]}) > 1:
                yield f"doubled: {place} as {answers[place]}"
        yield from self._commits(firsts, inputs)

    def _commits(
        self, firsts: Mapping[tuple[int, int], float], inputs: Mapping[tuple[int, int], Record]
    ) -> Iterator[str]:
        reached: Counter[int] = Counter()
        for at, partition, offset in self.queue.commits:
            number = partition.number
            if offset < reached[number]:
                yield f"backwards: partition {number} from {reached[number]} to {offset}"
            for place in ((number, o) for o in range(reached[number], offset)):
                if inputs[place].value is not None and firsts.get(place, float("inf")) > at:
                    yield f"ahead: {place} was committed at {at:.3f} and stored at {firsts.get(place)}"
            reached[number] = max(reached[number], offset)


class _Crew:
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
        done, _ = await asyncio.wait([one[2]], timeout=_LIMIT_S / 4)
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
            await asyncio.wait([task for _, _, task in self._running], timeout=_LIMIT_S / 4)
        self._ended()
        if self._running:
            self._found.append(f"drain: {len(self._running)} workers did not end")
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _records(seed: int, count: int, random: Random) -> Iterator[Record]:
    ends: Counter[int] = Counter()
    for made in workload(seed, count * 2, poison=False):
        if made.kind in _BINARY or sum(ends.values()) >= count:
            continue
        number = int(made.key.decode().rpartition("/u")[2]) % PARTITIONS
        headers = (("chaos-kind", made.kind.encode()),)
        yield Record(position(number, ends[number]), made.key, made.value, headers, 1_800_000_000_000)
        ends[number] += 1


def _convicted(out: Outgoing) -> bool:
    return ("tidegate-code", b"kills_worker") in out.headers


def _order_key(record: Record) -> str:
    event = orjson.loads(record.value or b"{}")
    return f"{event['tenant']} {event.get('stream', {}).get('id') or event['context']['actor']}"


def _wrong(place: tuple[int, int], record: Record, out: Outgoing, body: Mapping[str, Any]) -> Iterator[str]:
    kind = dict(record.headers)["chaos-kind"].decode()
    if _convicted(out):
        return  # chance killed its worker once too often while it ran alone: parked, and said so
    if (kind in ("invalid", "oversized")) is not (out.route is Route.DEAD_LETTER):
        yield f"wrong: {kind} at {place} ended as {out.route.value}"
    elif body:
        word = body_word(record)
        number = int(body["policy"]["version"][1:])
        wanted = expected(kind, body["tenant"], word, number, standin=True)
        if wanted is not None and wanted != body["action"]:
            yield f"mixed: {kind} at {place} with '{word}' is {body['action']} under v{number}, which says {wanted}"


def body_word(record: Record) -> str:
    """The word of the workload in an event's text."""
    said = orjson.loads(record.value or b"{}")["parts"][0]["text"].split()
    return next((word for word in said if word in ("crimson", "saffron", "stormy", "gusty")), "")


def _settings(folder: Path, random: Random) -> Settings:
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
