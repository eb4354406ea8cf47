"""The SQLite file itself: its tables, and every statement run on them, each in a thread of its own connection."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import orjson

from worker.core.errors import ConfigError, TransportUnavailable
from worker.core.records import Draft, Headers, Partition, Position, Record
from worker.transport.partitioning import partition_of
from worker.transport.settings import SqliteSettings

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
  id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
  key BLOB, value BLOB, headers BLOB NOT NULL, timestamp_ms INTEGER NOT NULL,
  UNIQUE (topic, partition, offset));
CREATE TABLE IF NOT EXISTS offsets (
  grp TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
  mark TEXT NOT NULL DEFAULT '', PRIMARY KEY (grp, topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
  grp TEXT NOT NULL, owner TEXT NOT NULL, expires_ms INTEGER NOT NULL, PRIMARY KEY (grp, owner)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
  grp TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, owner TEXT NOT NULL,
  PRIMARY KEY (grp, topic, partition)) WITHOUT ROWID;
"""
_BUSY_S = 5.0  # how long a statement waits for another process's transaction


class SqliteFile:
    """
    One connection to the file, used from one thread of its own, so the event loop never waits for the disk.

    Raises `TransportUnavailable` from every call while the file is locked for too long, full or away.
    """

    def __init__(self, settings: SqliteSettings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def open(self, topics: Sequence[str]) -> dict[str, int]:
        """Open the file, create what is missing, and return the number of partitions of each of `topics`."""
        try:
            return await self._in_thread(self._open, topics)
        except sqlite3.Error as error:
            raise ConfigError(
                f"cannot use {self._settings.path} as a queue: give sqlite.path a writable file of ours: {error}"
            ) from error

    def _open(self, topics: Sequence[str]) -> dict[str, int]:
        connection = sqlite3.connect(
            self._settings.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        self._connection = connection
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # a decision that was acknowledged survives a power cut
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN IMMEDIATE")
        if "mark" not in {row[1] for row in connection.execute("PRAGMA table_info(offsets)")}:  # made by 0.1
            connection.execute("ALTER TABLE offsets ADD COLUMN mark TEXT NOT NULL DEFAULT ''")
        connection.executemany(
            "INSERT OR IGNORE INTO topics VALUES (?, ?)", [(topic, self._settings.partitions) for topic in topics]
        )
        counts = dict(connection.execute("SELECT name, partitions FROM topics").fetchall())
        connection.execute("COMMIT")
        return {topic: counts[topic] for topic in topics}

    async def transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one write transaction: all of it stands, or nothing."""
        return await self._run(_transaction, work)

    async def query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work`, which only reads."""
        return await self._run(lambda connection, read: read(connection), work)

    async def _run(
        self,
        how: Callable[[sqlite3.Connection, Callable[[sqlite3.Connection], T]], T],
        work: Callable[[sqlite3.Connection], T],
    ) -> T:
        connection = self._connection
        if connection is None or self._closed:
            raise TransportUnavailable(f"{self._settings.path} is not open: start the queue before using it")
        try:
            return await self._in_thread(how, connection, work)
        except sqlite3.Error as error:
            raise TransportUnavailable(f"{self._settings.path} does not answer: {error}") from error

    async def close(self) -> None:
        """Close the connection after what already runs."""
        if self._closed:
            return
        self._closed = True
        if self._connection is not None:
            await self._in_thread(self._connection.close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def append(
    connection: sqlite3.Connection, drafts: Iterable[Draft], counts: Mapping[str, int], stamp_ms: int
) -> list[Position]:
    """Add `drafts` in order; `counts` are the partitions of each topic."""
    ends: dict[Partition, int] = {}
    rows, positions = [], []
    for turn, draft in enumerate(drafts, stamp_ms):
        number = draft.partition
        if number is None:
            number = partition_of(draft.key, counts[draft.topic], turn)
        partition = Partition(draft.topic, number)
        offset = ends[partition] if partition in ends else end(connection, partition)
        ends[partition] = offset + 1
        rows.append((draft.topic, number, offset, draft.key, draft.value, _pack(draft.headers), stamp_ms))
        positions.append(Position(draft.topic, number, offset))
    connection.executemany(
        "INSERT INTO records (topic, partition, offset, key, value, headers, timestamp_ms) VALUES (?,?,?,?,?,?,?)",
        rows,
    )
    return positions


def read(connection: sqlite3.Connection, nexts: Mapping[Partition, int], max_records: int) -> list[Record]:
    """Up to `max_records` records from the offsets in `nexts`, partition by partition."""
    found: list[Record] = []
    for partition, offset in nexts.items():
        if len(found) >= max_records:
            break
        rows = connection.execute(
            "SELECT offset, key, value, headers, timestamp_ms FROM records"
            " WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?",
            (*partition, offset, max_records - len(found)),
        )
        found += [Record(Position(*partition, row[0]), row[1], row[2], _unpack(row[3]), row[4]) for row in rows]
    return found


def end(connection: sqlite3.Connection, partition: Partition) -> int:
    """The offset that the next record of `partition` will have."""
    row = connection.execute("SELECT MAX(offset) FROM records WHERE topic = ? AND partition = ?", partition).fetchone()
    return 0 if row[0] is None else int(row[0]) + 1


def _pack(headers: Headers) -> bytes:
    return orjson.dumps([(name, value.hex()) for name, value in headers])


def _unpack(packed: bytes) -> Headers:
    return tuple((name, bytes.fromhex(value)) for name, value in orjson.loads(packed)) if packed != b"[]" else ()
