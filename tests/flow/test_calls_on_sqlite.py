"""The state of calls and conversations in the SQLite file: in the transaction of their decisions."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from ops.chaos.tones import models
from tests.flow.test_calls_survive import CALLS, chunks, decided, messages, send
from worker.app import Outside, Worker, make_tail, make_transport
from worker.core.clock import SystemClock
from worker.services import make_open_tail
from worker.settings import Settings, load

COUNT = 120


def on_file(policies: Path, file: Path) -> Settings:
    """A queue of its own, whose leases end soon."""
    return load(
        None,
        {
            "policies": policies,
            "transport": "sqlite",
            "sqlite.path": file,
            "sqlite.partitions": 2,
            "sqlite.lease_ms": 300,
            "sqlite.heartbeat_ms": 100,
            "models.profile": "words",
            "topics.calls": "state",
            "flow.poll_records": 5,
            "flow.events": 20,
        },
    )


async def work(settings: Settings, until: int) -> dict[str, Any]:
    """A worker that is cut off, without a drain, once so many decisions are there."""
    outside = Outside(open_tail=make_open_tail(settings))
    worker = Worker(settings, make_transport(settings, SystemClock()), models(), outside=outside)
    running = asyncio.create_task(worker.run())
    try:
        return await decided(settings, until)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_workers_that_are_cut_off_change_no_decision(policies: Path, tmp_path: Path) -> None:
    """Three in turn on one file; the decisions are those of one that went through a copy of it."""
    policy = orjson.loads((policies / "words.json").read_bytes()) | {"calls": {"cooldown_s": 0, "of": 3}}
    (policies / "words.json").write_bytes(orjson.dumps(policy))
    hurt, count = on_file(policies, tmp_path / "hurt.db"), COUNT + COUNT // 10 * CALLS
    await send(hurt, messages(0, COUNT, chunks()))
    (tmp_path / "calm.db").write_bytes((tmp_path / "hurt.db").read_bytes())
    expected = await work(on_file(policies, tmp_path / "calm.db"), count)
    for until in (count // 4, count // 2):
        assert len(await work(hurt, until)) >= until
    assert await work(hurt, count) == expected
    causes = {change["kind"] for one in expected.values() for change in one["call"]["changed"]}
    assert causes == {"call", "speaker", "exchange"}


async def test_what_is_kept_of_calls_holds_nothing_that_was_said(policies: Path, tmp_path: Path) -> None:
    """Numbers, and names of tenants, streams, speakers, categories and causes: no text, no sample; the way back too."""
    policy = orjson.loads((policies / "words.json").read_bytes()) | {"calls": {"cooldown_s": 0, "of": 3}}
    (policies / "words.json").write_bytes(orjson.dumps(policy))
    settings, count = on_file(policies, tmp_path / "queue.db"), COUNT + COUNT // 10 * CALLS
    await send(settings, messages(0, COUNT, chunks()))
    await work(settings, count)
    names = {"v", "applied", "stamp_ms", "expire_ms", "tracks", "base", "changes", "index", "windows", "standings"}
    names |= {"said", "heard", "acme", "scam", "threat", "call", "speaker", "exchange", "ann", "bob", "s0", "s1"}
    names |= {"state", "back", "agreed", "severe", "escalated", "cleared"}
    names |= {f"{kind}-{number}" for kind in ("room", "call") for number in range(20)}
    tail = make_tail(settings, ("state",), from_beginning=True)
    await tail.start()
    try:
        records = await tail.read(max_records=10_000, timeout_s=1.0)
    finally:
        await tail.stop()
    found = set[str]()
    for record in records:
        found |= words_of(orjson.loads(record.key or b"null")) | words_of(orjson.loads(record.value or b"null"))
    assert {"state", "back", "threat", "applied"} <= found
    assert found <= names, found - names


def words_of(value: Any) -> set[str]:
    """Every string in a JSON value."""
    if isinstance(value, dict):
        return {word for key, one in value.items() for word in {key} | words_of(one)}
    if isinstance(value, list):
        return {word for one in value for word in words_of(one)}
    return {value} if isinstance(value, str) else set()
