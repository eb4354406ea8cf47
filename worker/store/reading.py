"""
Reading a store: what the console, the policy tools and the records ask of it. Any number of readers, beside the writer.

Open and sealed segments lie in SQLite, archived ones in Parquet; a reader does not see the difference:

    decisions = DecisionStore(Path("tidegate-store"))
    decisions.get("d-5f0c…")                                      one decision, by its id or its event's
    decisions.find(Query(tenant="acme", actions={Action.BLOCK}))  the newest 100
    decisions.find(Query(after=row.seq))                          what came since, oldest first
    decisions.counts(Query(since_ms=…), bucket_ms=60_000)         how many of each action, by minute

All calls block on the disk: from the event loop, call them in a thread.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from worker.core.decisions import Action
from worker.core.events import PartType
from worker.store import parquet
from worker.store.file import ARCHIVED, EXPIRED, archive, reading
from worker.store.row import COLUMNS, Row
from worker.store.writing import Remark, Segment

_ALL = ", ".join(COLUMNS)


@dataclass(frozen=True, slots=True)
class Query:
    """Which decisions. Every field narrows; `after` turns the order round."""

    tenant: str | None = None
    actions: Set[Action] | None = None
    category: str | None = None  # one of its reasons names it
    type: PartType | None = None  # its event had such a part
    event: str | None = None  # the event's id
    since_ms: int | None = None  # Unix milliseconds, this one included
    until_ms: int | None = None  # and this one not
    before: int | None = None  # a `seq`: older than that, for the next page
    after: int | None = None  # a `seq`: newer than that, oldest first
    limit: int = 100


class Bucket(NamedTuple):
    """How many decisions of an action fall into a stretch of time."""

    start_ms: int
    action: Action
    decisions: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What is kept of one tenant. Times are Unix milliseconds, 0 where nothing is kept."""

    tenant: str
    decisions: int
    from_ms: int
    until_ms: int
    segments: Mapping[str, int]  # by state: open, sealed, archived, expired

    def as_json(self) -> dict[str, Any]:
        """For `--json` and the console."""
        return asdict(self)


class DecisionStore:
    """
    A store's folder, read.

    Raises:
        ConfigError: from every call, when there is no store or it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, id: str) -> Row | None:
        """The decision with this id, else the newest one on the event with this id, else None."""
        for column in ("id", "event_id"):
            where, order = f"WHERE {column} = ?", "ORDER BY seq DESC LIMIT 1"
            with reading(self.folder) as file:
                row = file.execute(f"SELECT {_ALL} FROM decisions {where} {order}", (id,)).fetchone()
                archived = self._archives(file, None)
            found = [row] if row else parquet.search(archived, _ALL, f"{where} {order}", (id,))
            if found:
                return Row(*found[0])
        return None

    def find(self, query: Query) -> list[Row]:
        """At most `limit` rows, newest first; with `after` the oldest of the newer ones, oldest first."""
        order = "ASC" if query.after is not None else "DESC"
        where, values = _where(query)
        rest = f"{where} ORDER BY seq {order} LIMIT {int(query.limit)}"
        with reading(self.folder) as file:
            near = [Row(*row) for row in file.execute(f"SELECT {_ALL} FROM decisions {rest}", values)]
            archived = self._archives(file, query)
        far = [Row(*row) for row in parquet.search(archived, _ALL, rest, values)]
        both = heapq.merge(near, far, key=lambda row: row.seq, reverse=order == "DESC")
        return [row for row, _ in zip(both, range(query.limit), strict=False)]

    def walk(self, query: Query, page: int = 2_000) -> Iterator[Row]:
        """Every row of the query, oldest first, page by page; `limit` does not count."""
        after = query.after or 0
        while some := self.find(replace(query, after=after, limit=page)):
            yield from some
            after = some[-1].seq

    def counts(self, query: Query, bucket_ms: int) -> list[Bucket]:
        """Decisions by action and stretch of `bucket_ms`, earliest first; `limit` does not count."""
        where, values = _where(query)
        chosen = f"time_ms - time_ms % {int(bucket_ms)} AS start, action, COUNT(*)"
        with reading(self.folder) as file:
            near = file.execute(f"SELECT {chosen} FROM decisions {where} GROUP BY start, action", values).fetchall()
            archived = self._archives(file, query)
        total: Counter[tuple[int, int]] = Counter()
        for start, action, count in [
            *near,
            *parquet.search(archived, chosen, f"{where} GROUP BY start, action", values),
        ]:
            total[start, action] += count
        return [Bucket(start, Action(action), count) for (start, action), count in sorted(total.items())]

    def tenants(self) -> list[str]:
        """Whose decisions are kept, by name."""
        with reading(self.folder) as file:
            return [tenant for (tenant,) in file.execute("SELECT DISTINCT tenant FROM segments ORDER BY tenant")]

    def last_seq(self) -> int:
        """Of the newest row: where `after` begins for who wants only what comes; 0 in an empty store."""
        with reading(self.folder) as file:
            last: int = file.execute("SELECT COALESCE(MAX(last_seq), 0) FROM segments").fetchone()[0]
            return last

    def remarks(self, kind: str, *, decision: str | None = None, since_ms: int = 0) -> list[Remark]:
        """Appeals (`appeal`) or reviews (`review`), oldest first; of one decision, or all."""
        where, values = "kind = ? AND time_ms >= ?", [kind, since_ms]
        if decision is not None:
            where, values = f"{where} AND decision = ?", [*values, decision]
        with reading(self.folder) as file:
            rows = file.execute(f"SELECT * FROM remarks WHERE {where} ORDER BY time_ms, id", values)
            return [Remark(*row) for row in rows]

    def segments(self) -> list[Segment]:
        """All of them, in their order."""
        with reading(self.folder) as file:
            return [Segment(*row) for row in file.execute("SELECT * FROM segments ORDER BY number")]

    def holdings(self) -> list[Holding]:
        """What is kept, tenant by tenant."""
        segments = self.segments()
        found = []
        for tenant in sorted({segment.tenant for segment in segments}):
            own = [segment for segment in segments if segment.tenant == tenant]
            kept = [segment for segment in own if segment.state != EXPIRED]
            times = min((s.from_ms for s in kept), default=0), max((s.until_ms for s in kept), default=0)
            states = dict(Counter(segment.state for segment in own))
            found.append(Holding(tenant, sum(segment.rows for segment in kept), *times, states))
        return found

    def _archives(self, file: Any, query: Query | None) -> list[Path]:
        """The Parquet files that may hold what is asked for."""
        where, values = ["state = ?"], [ARCHIVED]
        if query is not None:
            for clause, value in (
                ("tenant = ?", query.tenant),
                ("until_ms >= ?", query.since_ms),
                ("from_ms < ?", query.until_ms),
                ("first_seq < ?", query.before),
                ("last_seq > ?", query.after),
            ):
                if value is not None:
                    where.append(clause)
                    values.append(value)  # type: ignore[arg-type]  # columns of either kind
        numbers = file.execute(f"SELECT number FROM segments WHERE {' AND '.join(where)} ORDER BY number", values)
        return [archive(self.folder, number) for (number,) in numbers]


def _where(query: Query) -> tuple[str, list[Any]]:
    """The condition, for SQLite and DuckDB alike."""
    clauses: list[str] = []
    values: list[Any] = []
    for clause, value in (
        ("tenant = ?", query.tenant),
        ("event_id = ?", query.event),
        ("time_ms >= ?", query.since_ms),
        ("time_ms < ?", query.until_ms),
        ("seq < ?", query.before),
        ("seq > ?", query.after),
        ("types & ? != 0", None if query.type is None else 1 << query.type),
        ("instr(categories, ?) > 0", None if query.category is None else f"|{query.category}|"),
    ):
        if value is not None:
            clauses.append(clause)
            values.append(value)
    if query.actions is not None:
        clauses.append(f"action IN ({','.join(str(int(action)) for action in sorted(query.actions)) or 'NULL'})")
    return (f"WHERE {' AND '.join(clauses)}" if clauses else ""), values
