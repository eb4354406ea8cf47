"""What is still to be delivered, in a SQLite file: every decision once, with its attempts, and those set aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from worker.core.errors import ConfigError, StoreFailed
from worker.core.records import Partition

_SCHEMA = """
CREATE TABLE IF NOT EXISTS deliveries (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, value BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  due_ms INTEGER NOT NULL, dead INTEGER NOT NULL DEFAULT 0, last TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (dead, due_ms);
CREATE TABLE IF NOT EXISTS positions (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
"""
_COLUMNS = "id, tenant, value, attempts, due_ms, last"


class Delivery(NamedTuple):
    """A decision on its way to a tenant."""

    id: str  # the decision's
    tenant: str
    value: bytes  # decision.v1 as published
    attempts: int
    due_ms: int  # Unix milliseconds, of the next attempt
    last: str  # why the last attempt failed: a code, nothing of the answer


class Outbox:
    """
    Used from one thread at a time.

    Raises:
        ConfigError: the file cannot be used.
        StoreFailed: from every call, when the disk does not do what it should.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise ConfigError(f"{path} cannot hold deliveries: give webhooks.state a file of ours: {error}") from None

    @property
    def positions(self) -> dict[Partition, int]:
        """The next offset to read of each partition."""
        with self._guarded() as file:
            rows = file.execute("SELECT topic, partition, next FROM positions")
            return {Partition(topic, number): offset for topic, number, offset in rows}

    def take(self, new: Sequence[Delivery], positions: Mapping[Partition, int]) -> None:
        """Add deliveries and how far the topics are read, both or neither; one that waits already stays as it is."""
        with self._guarded() as file:
            file.executemany(
                f"INSERT OR IGNORE INTO deliveries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", [tuple(one) for one in new]
            )
            places = [(*partition, offset) for partition, offset in positions.items()]
            file.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", places)

    def due(self, now_ms: int, busy: Sequence[str], tenants: Sequence[str], most_each: int) -> list[Delivery]:
        """What is due, longest due first, at most so many of each of `tenants`; not those under way."""
        marks, names = ",".join("?" * len(busy)), ",".join("?" * len(tenants))
        with self._guarded() as file:
            rows = file.execute(
                f"SELECT {_COLUMNS} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY tenant ORDER BY due_ms) AS place"
                f" FROM deliveries WHERE dead = 0 AND due_ms <= ? AND id NOT IN ({marks}) AND tenant IN ({names}))"
                " WHERE place <= ? ORDER BY due_ms",
                (now_ms, *busy, *tenants, most_each),
            )
            return [Delivery(*row) for row in rows]

    def delivered(self, id: str) -> None:
        """It was taken."""
        with self._guarded() as file:
            file.execute("DELETE FROM deliveries WHERE id = ?", (id,))

    def failed(self, id: str, why: str, due_ms: int | None) -> None:
        """It was not; the next attempt is due then, or never: None sets it aside."""
        with self._guarded() as file:
            file.execute(
                "UPDATE deliveries SET attempts = attempts + 1, last = ?, due_ms = COALESCE(?, due_ms), dead = ?"
                " WHERE id = ?",
                (why, due_ms, due_ms is None, id),
            )

    def dead(self, tenant: str | None = None) -> list[Delivery]:
        """What was set aside."""
        where, values = ("AND tenant = ?", (tenant,)) if tenant is not None else ("", ())
        with self._guarded() as file:
            rows = file.execute(f"SELECT {_COLUMNS} FROM deliveries WHERE dead = 1 {where} ORDER BY due_ms, id", values)
            return [Delivery(*row) for row in rows]

    def waiting(self) -> int:
        """How many are still to be delivered."""
        with self._guarded() as file:
            count: int = file.execute("SELECT COUNT(*) FROM deliveries WHERE dead = 0").fetchone()[0]
            return count

    def redrive(self, now_ms: int, tenant: str | None = None) -> int:
        """What was set aside is due again, with all its attempts; returns how many."""
        where, values = ("AND tenant = ?", (tenant,)) if tenant is not None else ("", ())
        with self._guarded() as file:
            again = f"UPDATE deliveries SET dead = 0, attempts = 0, due_ms = ? WHERE dead = 1 {where}"
            return file.execute(again, (now_ms, *values)).rowcount

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """One transaction."""
        try:
            self._file.execute("BEGIN IMMEDIATE")
            yield self._file
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise StoreFailed(f"{self._path} does not take deliveries: {error}") from error
