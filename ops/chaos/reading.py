"""What stands in Kafka after a run, read with a plain read-committed consumer: no code of the worker's."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from ops.chaos.workload import KIND, WORDS

_CONNECT = "__connect.errors."
_READ_S = 30.0
Place = tuple[int, int]  # partition and offset in the input topic


class Input(NamedTuple):
    """One record of the input topic."""

    kind: str
    tenant: str
    event_id: str
    order_key: str
    word: str
    sent_ms: int
    value: bytes | None


class Output(NamedTuple):
    """One terminal record, in the order of its partition. A dead letter has no `version`."""

    route: str
    partition: int
    offset: int
    stored_ms: int  # when the broker appended it
    source: Place
    id: str
    event_id: str
    action: str
    version: str
    digest: str
    tenant: str
    read_ms: float  # wall time at which its record was read, as far as the decision says
    decided_ms: float
    slip: str  # what is wrong with the record itself; empty when nothing is


@dataclass(slots=True)
class Found:
    """Everything that stands in the topics of one run."""

    inputs: dict[Place, Input] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)  # of the input's partitions
    hanging: list[str] = field(default_factory=list)  # partitions whose stable end is not their end


async def read_all(bootstrap: str, events: str, outputs: Mapping[str, str]) -> Found:
    """
    Read the input and the outputs (topics by route) from their beginnings to their ends.

    A partition whose last stable offset does not reach its end within 30 s holds an open transaction: `hanging`.
    """
    found = Found()
    for record in await read_records(bootstrap, [events], found):
        found.inputs[record.partition, record.offset] = _input(record)
        found.ends[record.partition] = record.offset + 1
    routes = {topic: route for route, topic in outputs.items()}
    for record in await read_records(bootstrap, routes, found):
        route = routes[record.topic]
        found.outputs.append(_dead_letter(record, found.inputs) if route == "dead_letter" else _decision(record, route))
    return found


async def read_records(bootstrap: str, topics: Iterable[str], found: Found) -> list[Any]:
    """Every record of the topics, as a reader of what is committed finds them."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(t, p) for t in topics for p in await _numbers(consumer, t)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)  # of everything appended, committed or not
        records: list[Any] = []
        deadline = time.monotonic() + _READ_S
        while behind := [p for p in partitions if ends[p] and await consumer.position(p) < ends[p]]:
            if time.monotonic() > deadline:
                found.hanging += [
                    f"{p.topic}[{p.partition}] at {await consumer.position(p)} of {ends[p]}" for p in behind
                ]
                break
            fetched = await consumer.getmany(timeout_ms=200)
            records += [record for some in fetched.values() for record in some]
        return records
    finally:
        await consumer.stop()


async def _numbers(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    while not (numbers := consumer.partitions_for_topic(topic)):
        await consumer._client.set_topics([topic])  # an assigned consumer has no other way to learn of a topic
        await asyncio.sleep(0.05)
    return sorted(numbers)


def _input(record: Any) -> Input:
    kind = dict(record.headers).get(KIND, b"").decode()
    if kind in ("tombstone", "invalid", "oversized"):
        return Input(kind, "", "", "", "", record.timestamp, record.value)
    event = orjson.loads(record.value)
    tenant, stream, actor = event["tenant"], event.get("stream"), event["context"]["actor"]
    order_key = f"{tenant} call {stream['id']}" if stream else f"{tenant} actor {actor}"
    said = event["parts"][0]["text"].split()
    word = next((word for word in WORDS if word and word in said), "")
    return Input(kind, tenant, event["id"], order_key, word, record.timestamp, record.value)


def _decision(record: Any, route: str) -> Output:
    body = orjson.loads(record.value)
    headers = {name: value.decode() for name, value in record.headers}
    slip = ""
    if not body["action"] == route == headers["action"]:
        slip = f"action {body['action']} in topic {route} under header {headers['action']}"
    elif (headers["event-id"], headers["policy-digest"]) != (body["event_id"], body["policy"]["digest"]):
        slip = "headers and body disagree"
    elif body["source"]["partition"] != record.partition:
        slip = f"of partition {body['source']['partition']} and stands in {record.partition}"
    return Output(
        route,
        record.partition,
        record.offset,
        record.timestamp,
        (body["source"]["partition"], body["source"]["offset"]),
        body["id"],
        body["event_id"],
        body["action"],
        body["policy"]["version"],
        body["policy"]["digest"],
        body["tenant"],
        _milliseconds(body["time"]) - body["latency_ms"]["score"],
        _milliseconds(body["time"]),
        slip,
    )


def _dead_letter(record: Any, inputs: Mapping[Place, Input]) -> Output:
    headers = dict(record.headers)
    source = int(headers[_CONNECT + "partition"]), int(headers[_CONNECT + "offset"])
    of = inputs.get(source)
    slip = ""
    if of is None:
        slip = "names a position that is none"
    elif (digest := headers.get("tidegate-pointer-sha256")) is not None:
        if hashlib.sha256(of.value or b"").hexdigest() != digest.decode():
            slip = "its pointer's digest is not its record's"
    elif record.value != of.value:
        slip = "its bytes are not its record's"
    code = headers.get("tidegate-code", b"").decode()
    id = f"dead letter of {source[0]}:{source[1]}"
    return Output(
        "dead_letter",
        record.partition,
        record.offset,
        record.timestamp,
        source,
        id,
        "",
        code,
        "",
        "",
        "",
        0.0,
        0.0,
        slip,
    )


def _milliseconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp() * 1000
