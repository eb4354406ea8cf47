"""The store's folder: a SQLite file with the open segments and the chain, and Parquet files of sealed ones."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.core.errors import ConfigError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
  seq INTEGER PRIMARY KEY, segment INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, event_id TEXT NOT NULL,
  tenant TEXT NOT NULL, time_ms INTEGER NOT NULL, action INTEGER NOT NULL, types INTEGER NOT NULL,
  categories TEXT NOT NULL, value BLOB NOT NULL, link BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS decisions_by_tenant ON decisions (tenant, seq);
CREATE INDEX IF NOT EXISTS decisions_by_event ON decisions (event_id);
CREATE INDEX IF NOT EXISTS decisions_by_segment ON decisions (segment, seq);
CREATE TABLE IF NOT EXISTS segments (
  number INTEGER PRIMARY KEY, tenant TEXT NOT NULL, state TEXT NOT NULL, rows INTEGER NOT NULL,
  first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
  opened_ms INTEGER NOT NULL, link BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS chain (number INTEGER PRIMARY KEY, body BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS positions (
  topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS remarks (
  kind TEXT NOT NULL, id TEXT NOT NULL, decision TEXT NOT NULL, tenant TEXT NOT NULL, time_ms INTEGER NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS remarks_by_decision ON remarks (decision);
"""
_BUSY_S = 5.0

OPEN, SEALED, ARCHIVED, EXPIRED = "open", "sealed", "archived", "expired"  # a segment's states, in their order


def database(folder: Path) -> Path:
    """The SQLite file of a store."""
    return folder / "decisions.db"


def archive(folder: Path, segment: int) -> Path:
    """The Parquet file of a segment."""
    return folder / "segments" / f"{segment:08d}.parquet"


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """
    A connection that cannot write, for one question.

    Raises:
        ConfigError: there is no store, or its file cannot be read.
    """
    path = database(folder)
    if not path.is_file():
        raise ConfigError(f"there is no decision store in {folder}: fill one with `tidegate store fill`")
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_BUSY_S, check_same_thread=False)
    except sqlite3.Error as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        connection.execute("BEGIN")  # one moment of the store, however many questions are asked
        yield connection
    finally:
        connection.close()


def open_writing(folder: Path) -> tuple[sqlite3.Connection, int]:
    """
    The one connection that writes, and the lock that says so; both are the caller's to close.

    Raises:
        ConfigError: another process writes this store, or the folder cannot be written.
    """
    lock = -1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        archive(folder, 0).parent.mkdir(exist_ok=True)
        lock = os.open(folder / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        connection = sqlite3.connect(database(folder), timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # what a power cut takes is read again from the topics
        connection.executescript(_SCHEMA)
    except BlockingIOError:
        os.close(lock)
        raise ConfigError(f"another process fills the store in {folder}: one is enough, or give it its own") from None
    except (OSError, sqlite3.Error) as error:
        if lock >= 0:
            os.close(lock)
        raise ConfigError(f"{folder} cannot hold a decision store: give store.path a folder of ours: {error}") from None
    return connection, lock
