"""Who reads which partition of the SQLite file: members, leases, and the fair share of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from worker.core.records import Partition


class Share(NamedTuple):
    """What one worker learns from one heartbeat."""

    gained: dict[Partition, int]  # newly leased, with the next offset to read
    lost: frozenset[Partition]  # held by this worker's account, leased to nobody or another by the file's
    excess: frozenset[Partition]  # leased, over the fair share: to be drained and then released


def heartbeat(
    connection: sqlite3.Connection,
    group: str,
    owner: str,
    partitions: Sequence[Partition],
    held: frozenset[Partition],
    *,
    now_ms: int,
    lease_ms: int,
) -> Share:
    """
    Say that `owner` lives, bury who does not, and take the free partitions of its share. Runs in a transaction.

    Partition i belongs to member i modulo members, so that every worker comes to the same answer by itself.
    """
    connection.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", (group, owner, now_ms + lease_ms))
    connection.execute("DELETE FROM members WHERE grp = ? AND expires_ms <= ?", (group, now_ms))
    connection.execute(
        "DELETE FROM leases WHERE grp = ? AND owner NOT IN (SELECT owner FROM members WHERE grp = ?)", (group, group)
    )
    members = [row[0] for row in connection.execute("SELECT owner FROM members WHERE grp = ? ORDER BY owner", (group,))]
    fair = {p for i, p in enumerate(partitions) if members[i % len(members)] == owner}
    mine = owned(connection, group, owner)
    gained = _take(connection, group, owner, [p for p in partitions if p in fair and p not in mine])
    return Share(gained, frozenset(held - mine), frozenset((mine & held) - fair))


def owned(connection: sqlite3.Connection, group: str, owner: str) -> set[Partition]:
    """The partitions leased to `owner`."""
    rows = connection.execute("SELECT topic, partition FROM leases WHERE grp = ? AND owner = ?", (group, owner))
    return {Partition(*row) for row in rows}


def _take(connection: sqlite3.Connection, group: str, owner: str, wanted: Sequence[Partition]) -> dict[Partition, int]:
    taken: dict[Partition, int] = {}
    for partition in wanted:
        row = (group, *partition, owner)
        if connection.execute("INSERT OR IGNORE INTO leases VALUES (?, ?, ?, ?)", row).rowcount:
            taken[partition] = committed(connection, group, partition)[0]
    return taken


def committed(connection: sqlite3.Connection, group: str, partition: Partition) -> tuple[int, str]:
    """The next offset that `group` has to read, and the mark beside it."""
    row = connection.execute(
        "SELECT next, mark FROM offsets WHERE grp = ? AND topic = ? AND partition = ?", (group, *partition)
    ).fetchone()
    return (int(row[0]), str(row[1])) if row else (0, "")


def store(connection: sqlite3.Connection, group: str, partition: Partition, offset: int, mark: str = "") -> None:
    """Set the next offset that `group` has to read, never backwards, and the mark beside it."""
    connection.execute(
        "INSERT INTO offsets (grp, topic, partition, next, mark) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (grp, topic, partition) DO UPDATE SET next = MAX(next, excluded.next), mark = excluded.mark",
        (group, *partition, offset, mark),
    )


def renew(connection: sqlite3.Connection, group: str, owner: str, expires_ms: int) -> None:
    """Say that `owner` lives, and nothing more."""
    connection.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", (group, owner, expires_ms))


def release(connection: sqlite3.Connection, group: str, owner: str, partitions: frozenset[Partition]) -> None:
    """Give up leases, so that others can take them at their next heartbeat."""
    connection.executemany(
        "DELETE FROM leases WHERE grp = ? AND topic = ? AND partition = ? AND owner = ?",
        [(group, *partition, owner) for partition in partitions],
    )


def leave(connection: sqlite3.Connection, group: str, owner: str) -> None:
    """Take a worker out of the group with all its leases."""
    connection.execute("DELETE FROM leases WHERE grp = ? AND owner = ?", (group, owner))
    connection.execute("DELETE FROM members WHERE grp = ? AND owner = ?", (group, owner))
