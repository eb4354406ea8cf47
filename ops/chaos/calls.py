"""
`python -m ops.chaos.calls`: workers killed in mid-conversation and mid-call on a real Kafka, against one nobody kills.

Both read one input topic, each in a group and with outputs of its own. Repeats dropped, what they decide of every
message and every chunk must be the same: action, reasons, overrides, and the state of its conversation or call.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Annotated, Any

import orjson
import typer

from ops.chaos.cluster import ROUTES, Cluster
from ops.chaos.crew import Crew
from ops.chaos.reading import Found, read_records
from ops.chaos.tones import RATE, TONES, sound
from ops.chaos.workload import Made
from ops.kafka.broker import Broker

GUARANTEES = ("at-least-once", "exactly-once")
COMPARED = ("id", "action", "reasons", "overrides", "hits", "call")
PARTITIONS, ROOMS, LINES, TENANT = 4, 40, 24, "elm-co"
CHUNK_OF = 5  # one event in so many is a second of a call
WORDS = ("dark", "crimson", "deep", "saffron", "calm", "calm", "sea", "sky", "la")
POLICY: dict[str, Any] = {
    "id": "rooms",
    "version": "1",
    "categories": {"colour": {"flag": 0.5, "block": 0.9}},
    "terms": [
        {"words": ["dark crimson"], "match": "word", "category": "colour", "action": "flag"},
        {"words": ["deep saffron"], "match": "word", "category": "colour", "action": "block"},
        {"words": ["free coins"], "match": "word", "category": "colour", "action": "flag"},
        {"words": ["i will hurt you"], "match": "word", "category": "colour", "action": "block"},
    ],
    "calls": {"cooldown_s": 1, "of": 3, "escalate": 3, "window_s": 4, "hop_s": 2},
}
_SETTLE_S = 120.0
_BETWEEN_S = (1.5, 4.0)  # two kills


def load(seed: int, count: int) -> Iterator[Made]:
    """Messages of one word each: what is harmful is so only together. Between them the seconds of calls."""
    random = Random(f"rooms {seed}")
    for number in range(count):
        if number % CHUNK_OF == 0:
            second, line = divmod(number // CHUNK_OF, LINES)
            yield _chunk(number, second, line, random.choices([None, *TONES], [6, 3, 3, 2, 1])[0])
            continue
        room = f"room-{random.randrange(ROOMS)}"
        stream = {"id": room, "seq": number, "speaker": random.choice(["ann", "bob", "cai"])}
        part = {"type": "text", "text": random.choice(WORDS)}
        event = {"id": f"m{number}", "tenant": TENANT, "parts": [part], "stream": stream}
        yield Made("text", room.encode(), orjson.dumps(event))


def _chunk(number: int, second: int, line: int, word: str | None) -> Made:
    """A second of a line; each call has two."""
    call, pcm = f"call-{line // 2}", (sound([word]) * 32_767).astype("<i2").tobytes()
    part = {"type": "audio", "data": base64.b64encode(pcm).decode(), "encoding": "pcm16", "rate": RATE}
    stream = {"id": call, "offset_ms": second * 1_000, "speaker": f"s{line % 2}"}
    event = {"id": f"m{number}", "tenant": TENANT, "parts": [part], "stream": stream}
    return Made("audio", call.encode(), orjson.dumps(event))


def _config(folder: Path, cluster: Cluster, events: str, guarantee: str) -> Path:
    topics = {"events": events, "calls": f"{cluster.group}.calls", **cluster.outputs}
    lines = [
        f'policies = "{folder / "policies"}"',
        f'delivery = "{guarantee}"',
        "[kafka]",
        f'"bootstrap.servers" = "{cluster.bootstrap}"',
        f'"group.id" = "{cluster.group}"',
        '"session.timeout.ms" = 3000',
        '"heartbeat.interval.ms" = 500',
        "create_topics = true",
        f"create_partitions = {PARTITIONS}",
        "[topics]",
        *(f'{role} = "{topics[role]}"' for role in ("events", "calls", *ROUTES)),
        "[models]",
        'profile = "words"',
        "[http]",
        "enabled = false",
    ]
    path = folder / f"{cluster.group}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _crew(folder: Path, config: Path, name: str, size: int) -> Crew:
    logs = folder / name
    logs.mkdir()
    return Crew([sys.executable, "-m", "ops.chaos.tones", "run", "-c", str(config)], logs, size)


async def run(seed: int, guarantee: str, bootstrap: str, folder: Path, *, count: int, seconds: float) -> dict[str, Any]:
    """Counts for the line that is printed, and `different`: events that were decided otherwise, or not at all."""
    (folder / "policies").mkdir()
    (folder / "policies" / "rooms.json").write_bytes(orjson.dumps(POLICY))
    (folder / "policies" / "tenants.json").write_bytes(orjson.dumps({TENANT: "rooms"}))
    name = f"rooms-{folder.name[-8:]}"
    hurt, calm = Cluster(bootstrap, name, PARTITIONS), Cluster(bootstrap, f"{name}-calm", PARTITIONS)
    await asyncio.gather(hurt.create(), calm.create())
    calm.events, calm.ends = hurt.events, hurt.ends  # one input, two groups
    crews = [
        _crew(folder, _config(folder, hurt, hurt.events, guarantee), "hurt", 2),
        _crew(folder, _config(folder, calm, hurt.events, "at-least-once"), "calm", 1),
    ]
    tasks = [asyncio.create_task(work) for work in (*(c.watch() for c in crews), hurt.sample(), calm.sample())]
    try:
        await asyncio.gather(*(crew.begun() for crew in crews))
        killing = asyncio.create_task(_kill(crews[0], Random(f"kills {seed}")))
        await hurt.send(load(seed, count), count, seconds)
        killing.cancel()
        async with asyncio.timeout(_SETTLE_S):
            while hurt.behind() or calm.behind():  # noqa: ASYNC110  # the broker announces nothing
                await asyncio.sleep(0.2)
        kills = len(crews[0].ends)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for crew in crews:
            crew.kill()
    found, expected = await _decided(hurt), await _decided(calm)
    different = [name for name, one in expected.items() if found.get(name) != one]
    kinds = Counter(change["kind"] for one in expected.values() for change in one["call"]["changed"])
    counts = {"events": count, "kills": kills, "transitions": kinds.total(), "of_calls": kinds["call"]}
    return {**counts, "decided": len(found), "different": different}


async def _kill(crew: Crew, random: Random) -> None:
    while True:
        await asyncio.sleep(random.uniform(*_BETWEEN_S))
        if (member := crew.pick(random.random())) is not None:
            member.signal(signal.SIGKILL)


async def _decided(cluster: Cluster) -> dict[str, Any]:
    """By event, what was decided of it first by the broker's clock."""
    records = await read_records(cluster.bootstrap, cluster.outputs.values(), Found())
    decided: dict[str, Any] = {}
    for record in sorted(records, key=lambda record: record.timestamp):
        body = orjson.loads(record.value)
        decided.setdefault(body["event_id"], {name: body[name] for name in COMPARED})
    return decided


def main(
    seed: Annotated[int, typer.Option(help="Of load and kills.")] = 1,
    guarantee: Annotated[str, typer.Option(help="at-least-once, exactly-once or both.")] = "both",
    seconds: Annotated[float, typer.Option(min=5, help="Of load.")] = 20.0,
    events: Annotated[int, typer.Option(min=100, help="Messages and chunks.")] = 4_000,
) -> None:
    """Exits with 1 when a death changed a decision."""
    wrong = False
    with Broker(own=True) as broker:
        for one in GUARANTEES if guarantee == "both" else (guarantee,):
            folder = Path(tempfile.mkdtemp(prefix=f"tidegate-rooms-{seed}-"))
            outcome = asyncio.run(run(seed, one, broker.bootstrap, folder, count=events, seconds=seconds))
            different = outcome.pop("different")
            counts = " ".join(f"{name}={count}" for name, count in outcome.items())
            print(f"calls seed={seed} guarantee={one} {counts} different={len(different)}", flush=True)
            if different or outcome["decided"] != events:
                wrong = True
                print(f"VIOLATED calls: {', '.join(different[:5])}; the workers' logs are in {folder}")
            else:
                shutil.rmtree(folder)
    if wrong:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
