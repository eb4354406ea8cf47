"""
The worker under a policy of lists alone against the bare aiokafka loop, FastStream and Quix Streams, one broker.

Each rival runs alone in a process of its own on the same input, `ROUNDS` times in turn. The bare loop consumes,
`orjson.loads`, produces as many bytes a record as the worker's decisions have to the same three topics with the same
acks and idempotence, gathers and commits: no judging at all. FastStream (batch mode) and Quix Streams call the
worker's own decoder, policy and decision writer. Left out: order by key (rivals have none) and more than one process.

    python -m ops.bench.transport [--events N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from ops.kafka.broker import Broker
from worker.deliver.decision import Decided

EVENTS, PARTITIONS, ROUNDS, SEED = 120_000, 6, 2, 20261124
RIVALS = ("tidegate", "bare", "faststream", "quix")
WORDS = (  # noqa: SIM905  # prose reads better than a list
    "the game tonight was really close and nobody saw that last move coming but we should play again tomorrow "
    "bring your friends because the new map looks great with snow on every roof and a boat near the old harbour"
).split()
LISTED = ("free coins", "sell my account", "add me outside")
POLICY = {
    "id": "words",
    "version": "1",
    "categories": {"trade": {"flag": 0.5, "children": {"scam": {"block": 0.9}}}, "contact": {"flag": 0.5}},
    "terms": [
        {"words": ["free coins", "coins for cash"], "match": "word", "category": "trade/scam", "action": "block"},
        {"words": ["sell my account", "selling acc"], "match": "word", "category": "trade", "action": "flag"},
        {"words": ["add me outside", "my number is"], "match": "substring", "category": "contact", "action": "flag"},
    ],
}


def events(count: int) -> list[tuple[bytes, bytes]]:
    """Keys and values: chat lines of 4 to 30 words, 3 % of them with something listed."""
    pick = random.Random(SEED)
    made = []
    for i in range(count):
        words = pick.choices(WORDS, k=pick.randint(4, 30))
        if pick.random() < 0.03:
            words.insert(pick.randrange(len(words)), pick.choice(LISTED))
        actor = f"u{pick.randrange(5_000)}"
        event = {
            "id": f"m-{i:08}",
            "tenant": "bench",
            "time": "2026-11-24T10:00:00Z",
            "parts": [{"type": "text", "text": " ".join(words), "role": "user"}],
            "context": {"channel": "lobby", "actor": actor},
        }
        made.append((f"bench/{actor}".encode(), orjson.dumps(event)))
    return made


# --- rivals, each in a process of its own -------------------------------------------------------------------------


async def tidegate(args: dict[str, Any]) -> float:
    from worker.app import Worker, load_models, make_transport, running
    from worker.core import log
    from worker.core.clock import SystemClock
    from worker.lifecycle import spare_the_collector
    from worker.settings import load

    log.configure(level="warning")
    settings = load(
        None,
        {
            "policies": args["policies"],
            "models.profile": "words",
            "kafka.bootstrap_servers": args["bootstrap"],
            "kafka.group_id": args["group"],
            "topics.events": args["topic"],
            "topics.allow": args["outputs"][0],
            "topics.flag": args["outputs"][1],
            "topics.block": args["outputs"][2],
            "topics.dead_letter": args["outputs"][2],
            "flow.commit_interval_s": 0.1,
        },
    )
    worker = Worker(settings, make_transport(settings, SystemClock()), load_models(settings.models.model_dump()))
    spare_the_collector()  # as `tidegate run` does
    began = 0.0
    settled, ended = worker.flow.ledger.committed, 0.0
    finished = asyncio.Event()
    reached: dict[Any, int] = {}

    def counting(offsets: Any) -> None:
        nonlocal ended
        settled(offsets)
        reached.update(offsets)
        if sum(reached.values()) >= args["events"]:
            ended = time.perf_counter()
            finished.set()

    opened = worker.flow.ledger.opened

    def first(positions: Any) -> None:
        nonlocal began
        began = began or time.perf_counter()
        opened(positions)

    worker.flow.ledger.committed = counting  # type: ignore[method-assign]
    worker.flow.ledger.opened = first  # type: ignore[method-assign]
    async with running(worker):
        await finished.wait()
    return ended - began  # until the last event is acknowledged and committed


async def bare(args: dict[str, Any]) -> float:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

    consumer = AIOKafkaConsumer(
        args["topic"],
        bootstrap_servers=args["bootstrap"],
        group_id=args["group"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=args["bootstrap"], acks="all", enable_idempotence=True, max_batch_size=524_288, linger_ms=2
    )
    await consumer.start()
    await producer.start()
    body, outputs = b"x" * args["bytes"], args["outputs"]
    done, began = 0, 0.0
    try:
        while done < args["events"]:
            got = await consumer.getmany(timeout_ms=200, max_records=2_000)
            if not got:
                continue
            began = began or time.perf_counter()
            futures = []
            for records in got.values():
                for record in records:
                    event = orjson.loads(record.value)
                    output = outputs[0 if event["parts"] else 1] if done % 33 else outputs[1 + done % 2]
                    futures.append(await producer.send(output, body, key=record.key, partition=record.partition))
                    done += 1
            await asyncio.gather(*futures)
            await consumer.commit(
                {TopicPartition(tp.topic, tp.partition): records[-1].offset + 1 for tp, records in got.items()}
            )
        return time.perf_counter() - began
    finally:
        await consumer.stop()
        await producer.stop()


class Decide:
    """The worker's decoder, policy and writer as one function, for those who bring their own loop."""

    def __init__(self, args: dict[str, Any]) -> None:
        from worker.core.clock import SystemClock
        from worker.decode.decoder import EventDecoder
        from worker.deliver.decision import DecisionWriter
        from worker.policy.source.folder import FolderSource
        from worker.policy.store import PolicyStore
        from worker.score.profile import Models
        from worker.window.views import Views

        clock = SystemClock()
        self.clock, self.decoder, self.writer, self.views = clock, EventDecoder(), DecisionWriter(clock), Views(None)
        self.store = PolicyStore(FolderSource(Path(args["policies"])), Models().concepts, clock)

    def __call__(self, values: list[tuple[bytes, int, int]]) -> list[tuple[int, bytes]]:
        """(value, partition, offset) to (which output, decision)."""
        return [(int(one.action), one.outgoing.value or b"") for one in self.whole(values)]

    def whole(self, values: list[tuple[bytes, int, int]]) -> list[Decided]:
        """The same with headers."""
        from worker.core.events import PartType
        from worker.core.records import Position, Record
        from worker.core.views import TextSource
        from worker.score.assessment import Assessment

        policy = self.store.of("bench")
        assert policy is not None
        now = self.clock.now()
        judged = []
        for value, partition, offset in values:
            envelope = self.decoder.envelope(Record(Position("bench", partition, offset), None, value, (), 1))
            event = self.decoder.event(envelope, policy.limits, received=now)
            assessment = Assessment(event, policy)
            for part in event.parts:
                source = TextSource(part.path, part.text, (PartType.TEXT,))  # type: ignore[union-attr]
                found = self.views.normalised(source.text)
                text, back = (found.text, found.span) if found is not None else (None, None)
                assessment.findings.hits += policy.match(source, text, back)
            judged.append((event, assessment.findings, now))
        verdicts = policy.decide([findings for _, findings, _ in judged])
        return self.writer.write(policy, judged, verdicts)


async def faststream(args: dict[str, Any]) -> float:
    import logging

    from faststream import AckPolicy
    from faststream.kafka import KafkaBroker, KafkaMessage

    decide = Decide(args)
    await decide.store.load()
    broker = KafkaBroker(
        args["bootstrap"], acks="all", enable_idempotence=True, max_batch_size=524_288, linger_ms=2, logger=None
    )
    logging.disable(logging.WARNING)
    done, began = 0, 0.0
    finished = asyncio.Event()

    @broker.subscriber(
        args["topic"],
        batch=True,
        group_id=args["group"],
        auto_offset_reset="earliest",
        max_records=2_000,
        ack_policy=AckPolicy.ACK,
        decoder=lambda message: message.body,
    )
    async def handle(bodies: Any, message: KafkaMessage) -> None:
        nonlocal done, began
        began = began or time.perf_counter()
        raw = message.raw_message
        by_output: dict[int, list[bytes]] = {}
        for output, value in decide([(r.value, r.partition, r.offset) for r in raw]):
            by_output.setdefault(output, []).append(value)
        for output, batch in by_output.items():
            for first in range(0, len(batch), 500):  # more overflow its batch buffer
                await broker.publish_batch(*batch[first : first + 500], topic=args["outputs"][output])
        done += len(raw)
        if done >= args["events"]:
            finished.set()

    await broker.start()
    await finished.wait()
    seconds = time.perf_counter() - began
    await broker.stop()
    return seconds


def quix(args: dict[str, Any]) -> float:
    import logging

    from quixstreams import Application

    logging.disable(logging.WARNING)
    decide = Decide(args)
    asyncio.run(decide.store.load())
    app = Application(
        broker_address=args["bootstrap"],
        consumer_group=args["group"],
        auto_offset_reset="earliest",
        loglevel=None,
        auto_create_topics=False,
        producer_extra_config={"acks": "all", "enable.idempotence": True, "linger.ms": 2},
    )
    source = app.topic(args["topic"], value_deserializer="bytes", key_deserializer="bytes")
    outputs = [app.topic(name, value_serializer="bytes", key_serializer="bytes") for name in args["outputs"]]
    times: list[float] = []

    def one(value: bytes, key: Any, timestamp: Any, headers: Any) -> tuple[int, bytes]:
        times.append(time.perf_counter())
        return decide([(value, 0, len(times))])[0]

    stream = app.dataframe(source).apply(one, metadata=True)

    def goes_to(wanted: int) -> Callable[[tuple[int, bytes]], bool]:
        return lambda pair: pair[0] == wanted

    for number, output in enumerate(outputs):
        stream.filter(goes_to(number)).apply(lambda pair: pair[1]).to_topic(output)
    app.run(count=args["events"], timeout=30.0)
    return time.perf_counter() - times[0]


def child(rival: str, args: dict[str, Any]) -> None:
    run = globals()[rival]
    seconds = run(args) if rival == "quix" else asyncio.run(run(args))
    print(json.dumps({"seconds": seconds}))


# --- the bench ------------------------------------------------------------------------------------------------------


async def prepare(bootstrap: str, topic: str, outputs: list[str], count: int) -> None:
    """Create the topics and fill the input."""
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in (topic, *outputs)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=524_288, linger_ms=20)
    await producer.start()
    await asyncio.gather(*[await producer.send(topic, value, key=key) for key, value in events(count)])
    await producer.stop()


def decision_bytes(policies: Path) -> int:
    """Mean bytes of the worker's decisions, values and headers, on the first thousand events."""
    decide = Decide({"policies": str(policies)})
    asyncio.run(decide.store.load())
    decided = decide.whole([(value, 0, i) for i, (_, value) in enumerate(events(1_000))])
    headers = [sum(len(name) + len(content) for name, content in one.outgoing.headers) for one in decided]
    return round(statistics.mean(len(one.outgoing.value or b"") for one in decided) + statistics.mean(headers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--child", nargs=2, metavar=("RIVAL", "ARGS"))
    given = parser.parse_args()
    if given.child:
        child(given.child[0], json.loads(given.child[1]))
        return
    with tempfile.TemporaryDirectory() as folder, Broker() as broker:
        policies = Path(folder)
        (policies / "words.json").write_bytes(orjson.dumps(POLICY))
        (policies / "tenants.json").write_bytes(orjson.dumps({"*": "words"}))
        size = decision_bytes(policies)
        outputs = ["bench.allow", "bench.flag", "bench.block"]
        asyncio.run(prepare(broker.bootstrap, "bench.events", outputs, given.events))
        sent = len(events(1)[0][1])
        print(f"{given.events} events of {sent} bytes or so, decisions of {size}, {PARTITIONS} partitions")
        print("rivals: acks=all, idempotent, batches to 512 KiB, linger 2 ms, 2,000 records a poll")
        rates: dict[str, list[float]] = {rival: [] for rival in RIVALS}
        for turn in range(given.rounds + 1):  # the first turn warms the broker's JVM up and is not counted
            for rival in RIVALS[turn % 2 :] + RIVALS[: turn % 2] if turn else ("bare",):
                args = {
                    "bootstrap": broker.bootstrap,
                    "topic": "bench.events",
                    "outputs": outputs,
                    "group": f"{rival}-{uuid.uuid4().hex[:8]}",
                    "events": given.events,
                    "bytes": size,
                    "policies": str(policies),
                }
                command = [sys.executable, "-m", "ops.bench.transport", "--child", rival, json.dumps(args)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
                if done.returncode:
                    sys.exit(f"{rival} failed:\n{done.stderr[-2000:]}")
                rate = given.events / json.loads(done.stdout.splitlines()[-1])["seconds"]
                if turn:
                    rates[rival].append(rate)
                    print(f"  {rival:<11}{rate:>9,.0f} events/s", flush=True)
    middle = {rival: statistics.median(found) for rival, found in rates.items()}
    print(
        f"events_per_s={middle['tidegate']:.0f} bare_per_s={middle['bare']:.0f} "
        f"faststream_per_s={middle['faststream']:.0f} quix_per_s={middle['quix']:.0f} "
        f"ratio={middle['tidegate'] / middle['bare']:.2f} "
        f"ratio_faststream={middle['tidegate'] / middle['faststream']:.2f}"
    )


if __name__ == "__main__":
    main()
