"""
Audit: every hash of a store computed again, and every difference named.

What it finds: a decision changed, left out, put in or moved; a column that says something else than the decision; a
seal, an expiry or a note changed or left out; an expiry before its time. Whoever may write the file can also compute
all hashes anew, from the first changed place to the end: against that, keep a head (`tidegate audit head`, the log's
`store.sealed`) where they cannot write, and give it to `verify`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from worker.core.errors import ConfigError
from worker.store import parquet
from worker.store.chain import BEGINNING, Entry, entry_digest, first_link, link
from worker.store.file import ARCHIVED, EXPIRED, OPEN, SEALED, archive, reading
from worker.store.row import Row, found_in
from worker.store.writing import Segment


@dataclass(slots=True)
class Audit:
    """What was looked at, and what is wrong: nothing, when `faults` is empty."""

    decisions: int = 0
    segments: int = 0
    expired: int = 0
    entries: int = 0
    head: str | None = None
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        counts = {"decisions": self.decisions, "segments": self.segments, "expired": self.expired}
        return {**counts, "entries": self.entries, "head": self.head, "faults": self.faults}


def verify(folder: Path, heads: Iterable[str] = ()) -> Audit:
    """
    Compute all of a store again.

    heads: `number:digest` kept elsewhere; each must stand in the chain.

    Raises:
        ConfigError: there is no store, or a head is not written so.
    """
    audit = Audit()
    faults = audit.faults
    with reading(folder) as file:
        rows = file.execute("SELECT number, CAST(body AS BLOB), CAST(digest AS BLOB) FROM chain ORDER BY number")
        entries = [Entry(*row) for row in rows]
        audit.entries, audit.head = len(entries), entries[-1].head if entries else None
        faults += _chain(entries)
        faults += [fault for head in heads if (fault := _kept_head(entries, head))]
        said = [body for one in entries if (body := _body(one)) is not None]
        segments = {row[0]: Segment(*row) for row in file.execute("SELECT * FROM segments ORDER BY number")}
        faults += _sealed(segments, said)
        last = 0
        for segment in segments.values():
            audit.segments += 1
            audit.expired += segment.state == EXPIRED
            faults += _segment(file, folder, segment, audit)
            last = max(last, segment.last_seq)
        strays = file.execute("SELECT COUNT(*) FROM decisions WHERE segment NOT IN (SELECT number FROM segments)")
        if strays := strays.fetchone()[0]:
            faults.append(f"{strays} decisions stand in no segment")
        if gaps := _gaps(segments.values()):
            faults.append(f"the segments {gaps} are not there")
    return audit


def head(folder: Path) -> str | None:
    """`number:digest` of the last entry: what to keep where nobody can write to it. None for an empty chain."""
    with reading(folder) as file:
        row = file.execute("SELECT number, body, digest FROM chain ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else Entry(*row).head


def place_of(folder: Path, row: Row) -> dict[str, Any]:
    """Where a decision stands: its segment, its hash, and the entry of the chain that covers it, once it is sealed."""
    with reading(folder) as file:
        for found in file.execute("SELECT number, CAST(body AS BLOB), CAST(digest AS BLOB) FROM chain ORDER BY number"):
            one = Entry(*found)
            body = _body(one) or {}
            if body.get("kind") == "seal" and body.get("segment") == row.segment:
                return {"seq": row.seq, "segment": row.segment, "link": row.link.hex(), "seal": one.head}
    return {"seq": row.seq, "segment": row.segment, "link": row.link.hex(), "seal": None}


def _chain(entries: Iterable[Entry]) -> Iterator[str]:
    above, number = BEGINNING, 0
    for one in entries:
        number += 1
        if one.number != number:
            yield f"chain: entries {number} to {one.number - 1} are missing"
            number = one.number
        elif entry_digest(above, one.number, one.body) != one.digest:
            yield f"chain: entry {one.number} is not what its digest says, or the one before it is another"
        above = one.digest


def _kept_head(entries: list[Entry], kept: str) -> str | None:
    number, _, digest = kept.partition(":")
    if not number.isdecimal() or len(digest) != 64:
        raise ConfigError(f"--head {kept[:80]!r} is not number:digest: give what `tidegate audit head` printed")
    found = {one.number: one.digest.hex() for one in entries}.get(int(number))
    if found is None:
        return f"chain: entry {number}, whose digest you kept, is not there"
    return None if found == digest else f"chain: entry {number} has another digest than the one you kept"


def _body(one: Entry) -> dict[str, Any] | None:
    try:
        said = orjson.loads(one.body)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) else None


def _sealed(segments: dict[int, Segment], said: list[dict[str, Any]]) -> Iterator[str]:
    """The table of segments says what the chain says."""
    seals = {body["segment"]: body for body in said if body.get("kind") == "seal" and "segment" in body}
    ends = {body["segment"]: body for body in said if body.get("kind") == "expire" and "segment" in body}
    for number in sorted(seals.keys() - segments.keys()):
        yield f"segment {number}: it was sealed, and is not there"
    for segment in segments.values():
        name, seal, end = f"segment {segment.number}", seals.get(segment.number), ends.get(segment.number)
        if (seal is None) != (segment.state == OPEN):
            yield f"{name}: it is {segment.state}, and the chain has {'no' if seal is None else 'a'} seal of it"
        elif seal is not None and seal != _seal_of(segment) | {key: seal.get(key) for key in ("kind", "at_ms")}:
            yield f"{name}: its seal says something else than the table of segments"
        if (end is None) == (segment.state == EXPIRED):
            yield f"{name}: it is {segment.state}, and the chain has {'no' if end is None else 'an'} expiry of it"
        elif end is not None and end.get("at_ms", 0) < segment.until_ms + end.get("kept_ms", 0):
            yield f"{name}: it expired before its time"


def _seal_of(segment: Segment) -> dict[str, Any]:
    return {
        "segment": segment.number,
        "tenant": segment.tenant,
        "rows": segment.rows,
        "seq": [segment.first_seq, segment.last_seq],
        "time_ms": [segment.from_ms, segment.until_ms],
        "link": segment.link.hex(),
    }


def _segment(file: sqlite3.Connection, folder: Path, segment: Segment, audit: Audit) -> Iterator[str]:
    """Its rows, one after the other."""
    name = f"segment {segment.number}"
    inside: Iterator[Row] = (
        Row(*row) for row in file.execute("SELECT * FROM decisions WHERE segment = ? ORDER BY seq", (segment.number,))
    )
    path = archive(folder, segment.number)
    if segment.state == EXPIRED:
        if path.exists() or next(inside, None) is not None:
            yield f"{name}: it expired, and its decisions are still there"
        return
    if segment.state == ARCHIVED:
        if not path.exists():
            yield f"{name}: its file {path.name} is missing"
            return
        inside = parquet.rows(path)
    elif segment.state not in (OPEN, SEALED):
        yield f"{name}: there is no state {segment.state!r}"
    count, above = 0, first_link(segment.number, segment.tenant)
    try:
        for row in inside:
            count, above = count + 1, link(above, row.seq, row.value)
            audit.decisions += 1
            if above != row.link:
                yield f"{name}: decision {row.id} (seq {row.seq}) was changed, or one before it left out or put in"
                above = row.link
            elif row.found != found_in(row.value) or row.tenant != segment.tenant or row.segment != segment.number:
                yield f"{name}: the columns of decision {row.id} (seq {row.seq}) say something else than it does"
    except Exception as error:  # noqa: BLE001  # whatever a damaged file raises is what an audit is to say
        yield f"{name}: {path.name} cannot be read: {type(error).__name__}"
        return
    if count != segment.rows or above != segment.link:
        yield f"{name}: it holds {count} decisions that end otherwise than the {segment.rows} it was left with"


def _gaps(segments: Iterable[Segment]) -> str:
    numbers = [segment.number for segment in segments]
    missing = sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
    return ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
