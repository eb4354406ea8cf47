"""What must hold of what came out of a schedule."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from ops.chaos.workload import expected
from tests.simulation.queue import Queue
from worker.core.records import Order, Outgoing, Record, Route

_TERMINAL = (Route.ALLOW, Route.FLAG, Route.BLOCK, Route.DEAD_LETTER)


def check(queue: Queue) -> Iterator[str]:
    """What is wrong with what a queue holds at the end: I1 to I5 and I8, each under its name."""
    firsts: dict[tuple[int, int], float] = {}
    answers: dict[tuple[int, int], set[tuple[str, str]]] = defaultdict(set)
    last: dict[tuple[Route, int, str], int] = {}
    inputs = {(r.position.partition, r.position.offset): r for p in queue.partitions for r in queue.records[p]}
    for at, out in queue.stored:
        if out.route not in _TERMINAL:
            continue
        place = out.source.partition, out.source.offset
        body = orjson.loads(out.value or b"{}") if out.route is not Route.DEAD_LETTER else {}
        if not (_convicted(out) and queue.order is Order.BY_KEY):
            answers[place].add((out.route.value, body.get("id", "")))
        if place in firsts:
            if queue.order is Order.BY_PARTITION:
                yield f"duplicated: {place}"
            continue
        firsts[place] = at
        record = inputs[place]
        yield from _wrong(place, record, out, body)
        if out.route is Route.DEAD_LETTER and queue.order is Order.BY_KEY:
            continue
        key = out.route, place[0], "" if queue.order is Order.BY_PARTITION else _order_key(record)
        if last.get(key, -1) > place[1]:
            yield f"reordered: {place} after {last[key]} of {key}"
        last[key] = place[1]
    for place, record in inputs.items():
        if record.value is not None and place not in firsts:
            yield f"lost: {place}"
        elif len({id for _, id in answers[place]}) > 1:
            yield f"doubled: {place} as {answers[place]}"
    yield from _commits(queue, firsts, inputs)


def _commits(
    queue: Queue, firsts: Mapping[tuple[int, int], float], inputs: Mapping[tuple[int, int], Record]
) -> Iterator[str]:
    reached: Counter[int] = Counter()
    for at, partition, offset in queue.commits:
        number = partition.number
        if offset < reached[number]:
            yield f"backwards: partition {number} from {reached[number]} to {offset}"
        for place in ((number, o) for o in range(reached[number], offset)):
            if inputs[place].value is not None and firsts.get(place, float("inf")) > at:
                yield f"ahead: {place} was committed at {at:.3f} and stored at {firsts.get(place)}"
        reached[number] = max(reached[number], offset)


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
        word = _word(record)
        number = int(body["policy"]["version"][1:])
        wanted = expected(kind, body["tenant"], word, number, standin=True)
        if wanted is not None and wanted != body["action"]:
            yield f"mixed: {kind} at {place} with '{word}' is {body['action']} under v{number}, which says {wanted}"


def _word(record: Record) -> str:
    """The word of the workload in an event's text."""
    said = orjson.loads(record.value or b"{}")["parts"][0]["text"].split()
    return next((word for word in said if word in ("crimson", "saffron", "stormy", "gusty")), "")
