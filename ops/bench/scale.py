"""
1, 2, 4, 8 workers of one group on 24 partitions, and how long a partition is silent when a worker comes or goes.

Models are replaced by a stand-in with a GPU's time, 20 ms a batch and 0.2 ms an item, in batches of at most 8: a worker
then does some 370 events a second and eight need less than this machine's two cores, so that what is measured is how
the work spreads and not the processor. Efficiency: the rate of n workers over n times the rate of one, once each holds
its share of the partitions. Silence: the longest time without a decision in any partition while a third worker joins,
leaves, or is started again, with and without static membership, under a steady load far below what the workers can
do. Left out: several machines and brokers.

    python -m ops.bench.scale [--seconds S] [--delivery exactly-once]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from ops.bench.eos import PARTITIONS, prepare, settings_of, topics_of
from ops.bench.transport import events
from ops.kafka.broker import Broker

CREWS, BATCH, IN_FLIGHT, SECONDS, RATE = (1, 2, 4, 8), 8, 256, 8.0, 240
POLICY = {"id": "bench", "version": "1", "categories": {"harm": {"definition": "Harm.", "flag": 0.5, "block": 0.9}}}


async def work(args: dict[str, Any]) -> None:
    """One worker until SIGTERM; says on stdout how many partitions it holds, whenever that changes."""
    from ops.chaos.standin import standin_models
    from worker.app import Worker, make_transport
    from worker.core import log
    from worker.core.clock import SystemClock
    from worker.lifecycle import spare_the_collector, stop_on_signals
    from worker.score.batch import BatchLimits

    log.configure(level="error")
    logging.disable(logging.ERROR)
    settings = settings_of(args)
    models = standin_models()
    models = replace(models, limits=dict.fromkeys(models.limits, BatchLimits(BATCH, 8_192)))
    transport = make_transport(settings, SystemClock())
    worker = Worker(settings, transport, models)
    spare_the_collector()  # as `tidegate run` does

    async def tell() -> None:
        held = -1
        while True:
            if (now := len(transport.health().partitions)) != held:
                held = now
                print(held, flush=True)
            await asyncio.sleep(0.02)

    telling = asyncio.create_task(tell())
    with stop_on_signals(worker.pipeline.stop):
        await worker.run()
    telling.cancel()


class Member:
    """A worker in a process of its own."""

    def __init__(self, args: dict[str, Any], instance: str | None) -> None:
        flags = {"flow.events": IN_FLIGHT, "kafka.session_timeout_ms": 10_000, "kafka.heartbeat_interval_ms": 500}
        given = {**args, "flags": {**flags, "kafka.group_instance_id": instance}}
        command = [sys.executable, "-m", "ops.bench.scale", "--child", json.dumps(given)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.held = -1

    async def holds(self, partitions: int) -> None:
        """Return when the worker says that it holds so many."""
        assert self.process.stdout is not None
        while self.held != partitions:
            line = await asyncio.to_thread(self.process.stdout.readline)
            if not line:
                sys.exit("a worker of the bench ended by itself")
            self.held = int(line)

    def stop(self) -> None:
        """Drain and end."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(40)


@contextmanager
def crew(args: dict[str, Any], count: int, *, static: bool = False) -> Iterator[list[Member]]:
    """So many workers; killed at the end."""
    members = [Member(args, f"w{i}" if static else None) for i in range(count)]
    try:
        yield members
    finally:
        for member in members:
            member.process.kill()
            member.process.wait()


async def rate_of(args: dict[str, Any], count: int, seconds: float) -> float:
    """Decisions a second of `count` workers with all they can do."""
    topics = args["topics"]
    outputs = [TopicPartition(topics[role], i) for role in ("allow", "flag", "block") for i in range(PARTITIONS)]
    reader = AIOKafkaConsumer(bootstrap_servers=args["bootstrap"], isolation_level="read_committed")
    await reader.start()

    async def written() -> tuple[float, int]:
        ends = await reader.end_offsets(outputs)
        return time.perf_counter(), sum(ends.values())

    try:
        with crew({**args, "group": uuid.uuid4().hex[:8]}, count) as members:
            await asyncio.gather(*(member.holds(PARTITIONS // count) for member in members))
            await asyncio.sleep(2)
            since, before = await written()
            await asyncio.sleep(seconds)
            until, after = await written()
    finally:
        await reader.stop()
    return (after - before) / (until - since)


class Watch:
    """Reads every decision and notes when each partition had its last ones."""

    def __init__(self, args: dict[str, Any]) -> None:
        topics = args["topics"]
        self.reader = AIOKafkaConsumer(
            *(topics[role] for role in ("allow", "flag", "block")),
            bootstrap_servers=args["bootstrap"],
            isolation_level="read_committed",
        )
        self.last: dict[int, float] = {}
        self.gap = 0.0

    async def run(self) -> None:
        while True:
            got = await self.reader.getmany(timeout_ms=20)
            now = time.perf_counter()
            for number in {tp.partition for tp in got}:
                self.gap = max(self.gap, now - self.last.get(number, now))
                self.last[number] = now

    def silence(self) -> float:
        """Seconds of the longest silence of a partition since the last call."""
        now = time.perf_counter()
        found, self.gap = max([self.gap, *(now - at for at in self.last.values())]), 0.0
        return found


async def silences(args: dict[str, Any], static: bool) -> dict[str, float]:
    """Seconds of silence by what happened to the third worker."""
    await prepare(args["bootstrap"], args["topics"], 0)
    producer = AIOKafkaProducer(bootstrap_servers=args["bootstrap"])
    watch = Watch(args)
    await producer.start()
    await watch.reader.start()
    some = events(5_000)

    async def load() -> None:
        for i in range(10**9):
            _, value = some[i % len(some)]
            await producer.send(args["topics"]["events"], value, partition=i % PARTITIONS)
            await asyncio.sleep(1 / RATE)

    tasks = [asyncio.create_task(load()), asyncio.create_task(watch.run())]
    found: dict[str, float] = {}
    try:
        with crew(args, 2, static=static) as members:
            await asyncio.gather(*(member.holds(PARTITIONS // 2) for member in members))
            await asyncio.sleep(2)
            watch.silence()

            async def measured(name: str, act: Callable[[], None], share: int, crew_size: int) -> None:
                await asyncio.to_thread(act)
                await asyncio.gather(*(member.holds(share) for member in members[:crew_size]))
                await asyncio.sleep(3)
                found[name] = watch.silence()

            def join() -> None:
                members.append(Member(args, "w2" if static else None))

            def leave() -> None:
                members.pop().stop()

            def again() -> None:
                leave()
                join()

            await measured("join", join, PARTITIONS // 3, 3)
            await measured("restart", again, PARTITIONS // 3, 3)
            await measured("leave", leave, PARTITIONS // 2, 2)
    finally:
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
        await producer.stop()
        await watch.reader.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--delivery", choices=["at-least-once", "exactly-once"], default="at-least-once")
    parser.add_argument("--child", metavar="ARGS")
    given = parser.parse_args()
    if given.child:
        asyncio.run(work(json.loads(given.child)))
        return
    logging.disable(logging.ERROR)  # aiokafka on topics that are seconds old
    rates: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder, Broker() as broker:
        policies = Path(folder)
        (policies / "bench.json").write_bytes(orjson.dumps(POLICY))
        (policies / "tenants.json").write_bytes(orjson.dumps({"*": "bench"}))
        base = {"bootstrap": broker.bootstrap, "policies": str(policies), "delivery": given.delivery}
        args = {**base, "topics": topics_of("scale")}
        asyncio.run(prepare(broker.bootstrap, args["topics"], 100_000))
        print(f"{given.delivery}, 24 partitions, stand-in of 20 ms + 0.2 ms an item in batches of {BATCH}")
        for count in CREWS:
            rates[count] = asyncio.run(rate_of(args, count, given.seconds))
            efficiency = rates[count] / count / rates[1]
            print(f"  {count} workers{rates[count]:>9,.0f} events/s, efficiency {efficiency:.2f}", flush=True)
        gaps = {}
        for kind in ("dynamic", "static"):
            name = uuid.uuid4().hex[:8]
            run = {**base, "topics": topics_of(name), "group": name}
            gaps[kind] = asyncio.run(silences(run, kind == "static"))
            told = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in gaps[kind].items())
            print(f"  {kind} members: longest silence of a partition at {told}", flush=True)
    print(
        f"efficiency={min(rates[n] / n / rates[1] for n in CREWS):.2f} one_per_s={rates[1]:.0f} "
        f"eight_per_s={rates[8]:.0f} "
        + " ".join(f"{kind}_{what}_s={s:.1f}" for kind, found in gaps.items() for what, s in found.items())
    )


if __name__ == "__main__":
    main()
