"""The one writer of a store: appends decisions to their tenants' segments, seals these, and lets old ones go."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import structlog

from worker.core.clock import Clock
from worker.core.errors import StoreFailed
from worker.core.records import Partition
from worker.store import parquet
from worker.store.chain import Entry, entry, first_link, link
from worker.store.file import ARCHIVED, EXPIRED, OPEN, SEALED, archive, open_writing
from worker.store.row import Found, Row, found_in
from worker.store.settings import StoreSettings

log = structlog.get_logger(__name__)

_ASKED_AT_ONCE = 500  # SQLite takes so many values of one question


@dataclass(slots=True)
class Segment:
    """A run of one tenant's decisions; the columns of the table `segments`."""

    number: int
    tenant: str
    state: str
    rows: int
    first_seq: int
    last_seq: int
    from_ms: int
    until_ms: int
    opened_ms: int
    link: bytes


@dataclass(frozen=True, slots=True)
class Remark:
    """An appeal or a review of a decision, as it stood in its topic."""

    kind: str  # "appeal" or "review"
    id: str
    decision: str
    tenant: str
    time_ms: int
    value: bytes


class StoreWriter:
    """
    Used from one thread at a time. Everything of one call stands, or nothing.

    Raises:
        ConfigError: the folder is in use, or cannot hold a store.
        StoreFailed: from every call, when the disk or the file does not do what it should.
    """

    def __init__(self, folder: Path, settings: StoreSettings, clock: Clock) -> None:
        self._folder, self._settings, self._clock = folder, settings, clock
        self._connection, self._lock = open_writing(folder)
        self._open: dict[str, Segment] = {}
        self._seq = self._segment = 0
        self._head: Entry | None = None
        self._load()

    def _load(self) -> None:
        """What memory holds of the file: after opening, and after a transaction that failed."""
        ask = self._connection.execute
        rows = ask("SELECT * FROM segments WHERE state = ?", (OPEN,))
        self._open = {one.tenant: one for one in (Segment(*row) for row in rows)}
        self._seq = ask("SELECT COALESCE(MAX(last_seq), 0) FROM segments").fetchone()[0]
        self._segment = ask("SELECT COALESCE(MAX(number), 0) FROM segments").fetchone()[0]
        head = ask("SELECT number, body, digest FROM chain ORDER BY number DESC LIMIT 1").fetchone()
        self._head = None if head is None else Entry(*head)

    @property
    def head(self) -> Entry | None:
        """The last entry of the chain."""
        return self._head

    @property
    def positions(self) -> dict[Partition, int]:
        """The next offset to read of each partition that the store was filled from."""
        rows = self._connection.execute("SELECT topic, partition, next FROM positions")
        return {Partition(topic, number): offset for topic, number, offset in rows}

    def append(
        self,
        values: Sequence[bytes],
        positions: Mapping[Partition, int] | None = None,
        remarks: Sequence[Remark] = (),
    ) -> int:
        """
        Add decisions in order; of repeats the first is kept. Returns how many were new.

        values: decision.v1; one that is none is passed over and counted in the log.
        positions: the next offset to read of each partition, stored with them.
        remarks: appeals and reviews; of repeats the last is kept.
        """
        found = [found_in(value) for value in values]
        if strange := sum(one is None for one in found):
            log.warning("store.no_decision", records=strange)
        with self._transaction():
            new = self._new([one for one in found if one is not None])
            self._insert(new)
            self._connection.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
                [(*partition, offset) for partition, offset in (positions or {}).items()],
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO remarks VALUES (?, ?, ?, ?, ?, ?)", map(astuple, remarks)
            )
        return len(new)

    def note(self, kind: str, said: Mapping[str, Any]) -> Entry:
        """
        Put an entry of its own into the chain: who did what, and why, e.g. a policy written from the console.

        said: JSON; no content, no personal data beyond the name of who acted, since it is kept for ever.
        """
        with self._transaction():
            return self._chained(kind, dict(said))

    def tend(self) -> None:
        """Seal what is old enough, archive what is sealed, let go what is past its tenant's time. Call now and then."""
        now = int(self._clock.wall() * 1000)
        with self._transaction():
            for segment in [s for s in self._open.values() if now - s.opened_ms >= self._settings.segment_s * 1000]:
                self._seal(segment)
        if self._settings.format == "parquet":
            for number in self._numbers("state = ?", SEALED):
                self._archive(number)
        for number, tenant, until_ms in self._kept():
            if until_ms + self._settings.kept_ms(tenant) <= now:
                self._expire(number, tenant, until_ms, now)

    def seal(self) -> None:
        """Seal every open segment now, so that the head covers all there is."""
        with self._transaction():
            for segment in list(self._open.values()):
                self._seal(segment)

    def close(self) -> None:
        """Close the file and let another process write."""
        self._connection.close()
        os.close(self._lock)

    def _new(self, found: Iterable[Found]) -> list[Found]:
        """Those that are not stored yet, each once."""
        first: dict[str, Found] = {}
        for one in found:
            first.setdefault(one.id, one)
        ids = list(first)
        for start in range(0, len(ids), _ASKED_AT_ONCE):
            some = ids[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(some))
            for (known,) in self._connection.execute(f"SELECT id FROM decisions WHERE id IN ({marks})", some):
                del first[known]
        return list(first.values())

    def _insert(self, new: Sequence[Found]) -> None:
        rows: list[Row] = []
        touched: dict[int, Segment] = {}
        for one in new:
            segment = self._open.get(one.tenant) or self._begin(one)
            self._seq += 1
            segment.link = link(segment.link, self._seq, one.value)
            segment.rows, segment.last_seq = segment.rows + 1, self._seq
            segment.from_ms, segment.until_ms = min(segment.from_ms, one.time_ms), max(segment.until_ms, one.time_ms)
            rows.append(Row(self._seq, segment.number, *one, segment.link))
            touched[segment.number] = segment
            if segment.rows >= self._settings.segment_rows:
                self._flush(rows, touched)
                self._seal(segment)
        self._flush(rows, touched)

    def _flush(self, rows: list[Row], touched: dict[int, Segment]) -> None:
        marks = ",".join("?" * len(Row._fields))
        self._connection.executemany(f"INSERT INTO decisions VALUES ({marks})", rows)
        self._connection.executemany(
            "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", map(astuple, touched.values())
        )
        rows.clear()
        touched.clear()

    def _begin(self, one: Found) -> Segment:
        self._segment += 1
        now, start = int(self._clock.wall() * 1000), first_link(self._segment, one.tenant)
        segment = Segment(
            self._segment, one.tenant, OPEN, 0, self._seq + 1, self._seq, one.time_ms, one.time_ms, now, start
        )
        self._open[one.tenant] = segment
        return segment

    def _seal(self, segment: Segment) -> None:
        """Nothing is added to it any more, and the chain says what it holds."""
        del self._open[segment.tenant]
        self._state(segment.number, SEALED)
        said = {
            "segment": segment.number,
            "tenant": segment.tenant,
            "rows": segment.rows,
            "seq": [segment.first_seq, segment.last_seq],
            "time_ms": [segment.from_ms, segment.until_ms],
            "link": segment.link.hex(),
        }
        sealed = self._chained("seal", said)
        log.info("store.sealed", segment=segment.number, rows=segment.rows, head=sealed.head)

    def _archive(self, number: int) -> None:
        """The file first, whole and on the disk; only then do the rows leave SQLite."""
        rows = self._connection.execute("SELECT * FROM decisions WHERE segment = ? ORDER BY seq", (number,))
        parquet.write(archive(self._folder, number), (Row(*row) for row in rows))
        with self._transaction():
            self._connection.execute("DELETE FROM decisions WHERE segment = ?", (number,))
            self._state(number, ARCHIVED)

    def _expire(self, number: int, tenant: str, until_ms: int, now: int) -> None:
        """The decisions go, and what was said of them; their digests stay."""
        kept = self._settings.kept_ms(tenant)
        with self._transaction():
            self._connection.execute("DELETE FROM remarks WHERE tenant = ? AND time_ms <= ?", (tenant, now - kept))
            self._connection.execute("DELETE FROM decisions WHERE segment = ?", (number,))
            self._state(number, EXPIRED)
            self._chained("expire", {"segment": number, "until_ms": until_ms, "kept_ms": kept})
        archive(self._folder, number).unlink(missing_ok=True)

    def _chained(self, kind: str, said: dict[str, Any]) -> Entry:
        made = entry(self._head, {**said, "kind": kind, "at_ms": int(self._clock.wall() * 1000)})
        self._connection.execute("INSERT INTO chain VALUES (?, ?, ?)", made)
        self._head = made
        return made

    def _state(self, number: int, state: str) -> None:
        self._connection.execute("UPDATE segments SET state = ? WHERE number = ?", (state, number))

    def _numbers(self, where: str, *values: Any) -> list[int]:
        return [number for (number,) in self._connection.execute(f"SELECT number FROM segments WHERE {where}", values)]

    def _kept(self) -> list[tuple[int, str, int]]:
        """Number, tenant and newest time of the segments that are sealed and not expired, oldest first."""
        return self._connection.execute(
            "SELECT number, tenant, until_ms FROM segments WHERE state IN (?, ?) ORDER BY number", (SEALED, ARCHIVED)
        ).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._load()  # memory went ahead of the file
            if isinstance(error, sqlite3.Error):
                raise StoreFailed(f"the decision store in {self._folder} cannot be written: {error}") from error
            raise
