"""
Exactly once against at least once: the whole worker under a policy of lists alone, 24 partitions, one broker.

Throughput: each guarantee alone in a process of its own on the same input, `--rounds` times in turn, from the first
record read to the last offset committed. Latency: events at `--rate` a second, from before the send to a reader that
reads committed, so that a transaction counts until its readers see it. Both with the settings that ship, but for
at-least-once's commit interval in the throughput runs, 0.1 s, so that its last second is not one of waiting. Left out:
replicas (one broker, one copy of each log) and a network.

    python -m ops.bench.eos [--events N] [--rounds N] [--rate PER_S] [--seconds S]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import orjson

from ops.bench.transport import POLICY, events
from ops.kafka.broker import Broker
from worker.settings import Settings, load

GUARANTEES = ("at-least-once", "exactly-once")
PARTITIONS, EVENTS, ROUNDS, RATE, SECONDS, WARM_S = 24, 150_000, 3, 2_000, 12, 3


def settings_of(args: dict[str, Any]) -> Settings:
    """Settings of one worker of the bench."""
    topics = args["topics"]
    return load(
        None,
        {
            "policies": args["policies"],
            "models.profile": "words",
            "delivery": args["delivery"],
            "kafka.bootstrap_servers": args["bootstrap"],
            "kafka.group_id": args["group"],
            **{f"topics.{role}": topic for role, topic in topics.items()},
            **args.get("flags", {}),
        },
    )


async def work(args: dict[str, Any]) -> float:
    """Run a worker until `args["events"]` are committed; the seconds since the first was read."""
    from worker.app import Worker, load_models, make_transport, running
    from worker.core import log
    from worker.core.clock import SystemClock
    from worker.lifecycle import spare_the_collector

    log.configure(level="warning")
    settings = settings_of(args)
    worker = Worker(settings, make_transport(settings, SystemClock()), load_models(settings.models.model_dump()))
    spare_the_collector()  # as `tidegate run` does
    ledger = worker.flow.ledger
    began, finished, reached = 0.0, asyncio.Event(), dict[Any, int]()
    opened, committed = ledger.opened, ledger.committed

    def first(positions: Any) -> None:
        nonlocal began
        began = began or time.perf_counter()
        opened(positions)

    def counting(offsets: Any) -> None:
        committed(offsets)
        reached.update(offsets)
        if sum(reached.values()) >= args["events"]:
            finished.set()

    ledger.opened, ledger.committed = first, counting  # type: ignore[method-assign]
    async with running(worker):
        await finished.wait()
        return time.perf_counter() - began


async def prepare(bootstrap: str, topics: dict[str, str], count: int) -> None:
    """Create the topics and fill the input."""
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in topics.values()])
    await admin.close()
    if count:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=524_288, linger_ms=20)
        await producer.start()
        await asyncio.gather(*[await producer.send(topics["events"], value, key=key) for key, value in events(count)])
        await producer.stop()


async def latencies(args: dict[str, Any], rate: float, seconds: float) -> list[float]:
    """Seconds from before the send to a read-committed reader, of what was sent after the warm-up."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    topics = args["topics"]
    producer = AIOKafkaProducer(bootstrap_servers=args["bootstrap"], acks=1, linger_ms=1)
    outputs = [topics[role] for role in ("allow", "flag", "block")]
    reader = AIOKafkaConsumer(
        *outputs, bootstrap_servers=args["bootstrap"], isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await producer.start()
    await reader.start()
    some = events(int(rate * seconds))
    found: list[float] = []
    seen = 0

    async def send() -> float:
        began = time.time()
        for i, (key, value) in enumerate(some):
            if (early := began + i / rate - time.time()) > 0.002:
                await asyncio.sleep(early)
            event = orjson.loads(value)
            event["id"] = f"{time.time():.6f}-{i}"
            await producer.send(topics["events"], orjson.dumps(event), key=key)
        return began

    await (await producer.send(topics["events"], some[0][1], key=some[0][0]))
    while not await reader.getmany(timeout_ms=500):  # the worker has started when its first decision is there
        continue
    sending = asyncio.create_task(send())
    arrivals: list[tuple[float, float]] = []
    while seen < len(some):
        got = await reader.getmany(timeout_ms=100, max_records=5_000)
        now = time.time()
        for records in got.values():
            for record in records:
                seen += 1
                arrivals.append((float(orjson.loads(record.value)["event_id"].split("-")[0]), now))
    warm = await sending + WARM_S
    found = [now - sent for sent, now in arrivals if sent >= warm]
    await producer.stop()
    await reader.stop()
    return found


def child(args: dict[str, Any]) -> subprocess.Popen[str]:
    """A worker in a process of its own."""
    command = [sys.executable, "-m", "ops.bench.eos", "--child", json.dumps(args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def throughput(args: dict[str, Any]) -> float:
    """Events a second of one run."""
    out, error = (process := child(args)).communicate(timeout=180)
    if process.returncode:
        sys.exit(f"{args['delivery']} failed:\n{error[-2000:]}")
    return float(args["events"] / json.loads(out.splitlines()[-1])["seconds"])


def latency(args: dict[str, Any], rate: float, seconds: float) -> tuple[float, float]:
    """Median and 95th percentile, in milliseconds, of one run."""
    asyncio.run(prepare(args["bootstrap"], args["topics"], 0))
    process = child({**args, "events": int(rate * seconds) + 1})
    try:
        found = asyncio.run(latencies(args, rate, seconds))
        process.wait(30)
    finally:
        process.kill()
    cuts = statistics.quantiles(found, n=20)
    return cuts[9] * 1000, cuts[18] * 1000


def topics_of(name: str) -> dict[str, str]:
    return {role: f"{name}.{role}" for role in ("events", "allow", "flag", "block", "dead_letter")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--child", metavar="ARGS")
    given = parser.parse_args()
    if given.child:
        print(json.dumps({"seconds": asyncio.run(work(json.loads(given.child)))}))
        return
    logging.disable(logging.ERROR)  # aiokafka on topics that are seconds old
    rates: dict[str, list[float]] = {one: [] for one in GUARANTEES}
    p95s: dict[str, list[float]] = {one: [] for one in GUARANTEES}
    with tempfile.TemporaryDirectory() as folder, Broker() as broker:
        policies = Path(folder)
        (policies / "words.json").write_bytes(orjson.dumps(POLICY))
        (policies / "tenants.json").write_bytes(orjson.dumps({"*": "words"}))
        base = {"bootstrap": broker.bootstrap, "policies": str(policies), "events": given.events}
        asyncio.run(prepare(broker.bootstrap, topics_of("eos"), given.events))
        print(
            f"{given.events} events of 24 partitions, one worker; latency at {given.rate:g}/s for {given.seconds:g} s"
        )
        for turn in range(given.rounds + 1):  # the first turn warms the broker's JVM up and is not counted
            for one in GUARANTEES[:: 1 if turn % 2 else -1]:
                run = {**base, "delivery": one, "topics": topics_of("eos"), "group": f"g-{uuid.uuid4().hex[:8]}"}
                rate = throughput({**run, "flags": {"flow.commit_interval_s": 0.1}})
                if turn:
                    rates[one].append(rate)
                    print(f"  {one:<15}{rate:>9,.0f} events/s", flush=True)
        for turn in range(2):
            for one in GUARANTEES:
                name = uuid.uuid4().hex[:8]
                run = {**base, "delivery": one, "topics": topics_of(name), "group": name}
                p50, p95 = latency(run, given.rate, given.seconds)
                p95s[one].append(p95)
                print(f"  {one:<15}{p50:>9.0f} ms median, {p95:.0f} ms p95 (run {turn + 1})", flush=True)
    rate_of = {one: statistics.median(found) for one, found in rates.items()}
    p95_of = {one: statistics.median(found) for one, found in p95s.items()}
    at_least, exactly = GUARANTEES
    print(
        f"exactly_once_per_s={rate_of[exactly]:.0f} at_least_once_per_s={rate_of[at_least]:.0f} "
        f"ratio={rate_of[exactly] / rate_of[at_least]:.2f} p95_exactly_once_ms={p95_of[exactly]:.0f} "
        f"p95_at_least_once_ms={p95_of[at_least]:.0f} p95_added_ms={p95_of[exactly] - p95_of[at_least]:.0f}"
    )


if __name__ == "__main__":
    main()
