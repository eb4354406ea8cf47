"""The SQLite file: leases, fencing of a worker that was thought dead, and files that are no queue."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock import FakeClock
from worker.core.errors import ConfigError, PublishFailed
from worker.core.records import Draft, Outgoing, Partition, Record, Route
from worker.transport import sqlite_leases as leases
from worker.transport.settings import SqliteSettings, TopicSettings
from worker.transport.sqlite import SqliteTransport
from worker.transport.sqlite_ends import SqliteSender, SqliteTail
from worker.transport.sqlite_file import _SCHEMA

TOPICS = TopicSettings()


@pytest.fixture
async def workers() -> AsyncIterator[list[SqliteTransport]]:
    """Workers that a test made; stopped at its end."""
    made: list[SqliteTransport] = []
    yield made
    for worker in made:
        await worker.stop()


async def let_go(partitions: frozenset[Partition]) -> None:
    """Nothing to drain."""


async def fill(settings: SqliteSettings, count: int) -> None:
    """Append `count` events."""
    sender = SqliteSender(settings, [TOPICS.events], FakeClock())
    await sender.start()
    await sender.send([Draft(TOPICS.events, None, b"%d" % i) for i in range(count)])
    await sender.stop()


async def allowed(settings: SqliteSettings) -> list[bytes | None]:
    """What stands in the allow topic."""
    tail = SqliteTail(settings, [TOPICS.allow])
    await tail.start()
    found = await tail.read(max_records=100, timeout_s=0)
    await tail.stop()
    return [record.value for record in found]


async def allow(worker: SqliteTransport, records: list[Record]) -> None:
    """Publish each record as its own decision, with its offset."""
    outgoing = [Outgoing(Route.ALLOW, r.key, r.value, r.headers, r.position) for r in records]
    await worker.publish(outgoing, {r.position.of: r.position.offset + 1 for r in records})


async def test_a_worker_that_was_thought_dead_publishes_nothing(tmp_path: Path, workers: list[SqliteTransport]) -> None:
    """Its lease ran out and another has its partition: what it still does is left out, so each event ends once."""
    clock = FakeClock()
    settings = SqliteSettings(path=tmp_path / "q.db", partitions=1, heartbeat_ms=3_000)
    await fill(settings, 5)
    stalled, heir = (SqliteTransport(settings, TOPICS, clock) for _ in range(2))
    workers += [stalled, heir]
    await stalled.start(let_go)
    old = list(await stalled.poll(max_records=10, timeout_s=5))
    clock.advance(settings.lease_ms / 1_000)
    await heir.start(let_go)
    new = list(await heir.poll(max_records=10, timeout_s=5))
    assert [r.value for r in new] == [r.value for r in old] == [b"0", b"1", b"2", b"3", b"4"]
    await allow(stalled, old)
    assert await allowed(settings) == []
    await allow(heir, new)
    assert await allowed(settings) == [b"0", b"1", b"2", b"3", b"4"]


async def test_no_partition_waits_behind_a_busy_one(tmp_path: Path, workers: list[SqliteTransport]) -> None:
    """Polls of two records go round all four partitions."""
    settings = SqliteSettings(path=tmp_path / "q.db", partitions=4)
    await fill(settings, 40)
    worker = SqliteTransport(settings, TOPICS, FakeClock())
    workers.append(worker)
    await worker.start(let_go)
    visited = [(await worker.poll(max_records=2, timeout_s=5))[0].position.partition for _ in range(8)]
    assert sorted(visited[:4]) == sorted(visited[4:]) == [0, 1, 2, 3]


async def test_a_publish_that_fails_leaves_neither_decisions_nor_offset(
    tmp_path: Path, workers: list[SqliteTransport]
) -> None:
    """Another program broke the table: nothing stands, and the same publish works once it is mended."""
    settings = SqliteSettings(path=tmp_path / "q.db", partitions=1)
    await fill(settings, 3)
    worker = SqliteTransport(settings, TOPICS, FakeClock())
    workers.append(worker)
    await worker.start(let_go)
    found = list(await worker.poll(max_records=10, timeout_s=5))
    with sqlite3.connect(settings.path) as other:
        other.execute("ALTER TABLE offsets RENAME TO away")
    with pytest.raises(PublishFailed, match="3 records not stored"):
        await allow(worker, found)
    assert await allowed(settings) == []
    with sqlite3.connect(settings.path) as other:
        other.execute("DROP TABLE IF EXISTS offsets")
        other.execute("ALTER TABLE away RENAME TO offsets")
    await allow(worker, found)
    assert await allowed(settings) == [b"0", b"1", b"2"]


async def test_a_file_that_is_no_queue_is_refused_with_its_path(tmp_path: Path) -> None:
    """Not a database, and not a folder that exists."""
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be taken for the header of one" * 10)
    for path in (tmp_path / "notes.txt", tmp_path / "absent" / "q.db"):
        worker = SqliteTransport(SqliteSettings(path=path), TOPICS, FakeClock())
        with pytest.raises(ConfigError, match=f"cannot use {path}"):
            await worker.start(let_go)
        await worker.stop()


@given(st.integers(1, 12), st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_no_partition_ever_has_two_owners_and_all_find_one(partitions: int, beats: list[int]) -> None:
    """Any order of heartbeats and lets-go of five workers; after each has had its turn the shares are even."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(_SCHEMA)
    all_of = [Partition("events", number) for number in range(partitions)]
    held: dict[int, frozenset[Partition]] = dict.fromkeys(range(5), frozenset())

    def beat(worker: int) -> None:
        share = leases.heartbeat(connection, "g", str(worker), all_of, held[worker], now_ms=0, lease_ms=1_000)
        leases.release(connection, "g", str(worker), share.excess)
        held[worker] = (held[worker] - share.excess - share.lost) | share.gained.keys()
        assert not any(held[a] & held[b] for a, b in itertools.combinations(held, 2))

    for worker in beats:
        beat(worker)
    joined = sorted(set(beats))
    for worker in joined * 2:
        beat(worker)
    sizes = [len(held[worker]) for worker in joined]
    assert sum(sizes) == partitions
    assert max(sizes) - min(sizes) <= 1
    connection.close()
