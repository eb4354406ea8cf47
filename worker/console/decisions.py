"""Decisions: lists, counts, the live stream, and one of them explained."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from worker.console.asking import brief, decision_row, query_of
from worker.console.library import Library
from worker.console.people import Person
from worker.console.reach import Reach
from worker.serve.problems import Refused
from worker.store.reading import DecisionStore

_LOOK_S, _BEAT_S = 0.5, 15.0
_MOST_AT_ONCE = 400  # of one look: a page cannot show more, and the next look goes on from there
_BUCKET_MS = 10_000


def store_of(reach: Reach) -> DecisionStore:
    """Raises Refused: 409, where no store is named."""
    if reach.store is None:
        raise Refused(409, "no_store", "no decision store is named: set store.path, and decisions are kept and shown")
    return reach.store


class Decisions:
    """Handlers for `/console/api/decisions…`, `counts` and `live`."""

    def __init__(self, reach: Reach, library: Library, stopping: asyncio.Event) -> None:
        self._reach, self._library, self._stopping = reach, library, stopping

    async def find(self, request: Request, person: Person) -> Any:
        """The newest that fit, newest first."""
        store, query = store_of(self._reach), query_of(request, person)
        rows = await run_in_threadpool(store.find, query)
        return {"decisions": [brief(row) for row in rows], "last": await run_in_threadpool(store.last_seq)}

    async def counts(self, request: Request, person: Person) -> Any:
        """How many of each action, by stretches of ten seconds."""
        store, query = store_of(self._reach), query_of(request, person)
        found = await run_in_threadpool(store.counts, query, _BUCKET_MS)
        return {"bucket_ms": _BUCKET_MS, "counts": [[one.start_ms, one.action.label, one.decisions] for one in found]}

    async def tenants(self, _: Request, person: Person) -> Any:
        """Whose decisions are kept, of those that this person may see."""
        found = await run_in_threadpool(store_of(self._reach).tenants)
        return {"tenants": [tenant for tenant in found if person.may_see(tenant)]}

    async def live(self, request: Request, person: Person) -> StreamingResponse:
        """Server-sent events: `decisions`, a list of new ones, oldest first. `Last-Event-ID` goes on where it broke."""
        store, query = store_of(self._reach), query_of(request, person)
        said = request.headers.get("last-event-id", "")
        after = int(said) if said.isdecimal() else query.after
        if after is None:
            after = await run_in_threadpool(store.last_seq)
        query = replace(query, after=after, before=None, limit=_MOST_AT_ONCE)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._stream(store, query), media_type="text/event-stream", headers=headers)

    async def _stream(self, store: DecisionStore, query: Any) -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        quiet = 0.0
        while not self._stopping.is_set():
            rows = await run_in_threadpool(store.find, query)
            if rows:
                quiet, query = 0.0, replace(query, after=rows[-1].seq)
                said = orjson.dumps([brief(row) for row in rows])
                yield b"id: %d\nevent: decisions\ndata: %s\n\n" % (rows[-1].seq, said)
                if len(rows) == _MOST_AT_ONCE:
                    continue
            elif quiet >= _BEAT_S:
                quiet = 0.0
                yield b": still here\n\n"
            quiet += _LOOK_S
            try:
                await asyncio.wait_for(self._stopping.wait(), _LOOK_S)
            except TimeoutError:
                continue

    async def one(self, request: Request, person: Person) -> Any:
        """A decision with its explanation and what people said of it."""
        store = store_of(self._reach)
        row = await run_in_threadpool(decision_row, store, request.path_params["id"], person)
        said = row.decision
        why, notes = await run_in_threadpool(self._library.explained, said)
        remarks = [
            {"kind": kind, **orjson.loads(remark.value)}
            for kind in ("review", "appeal")
            for remark in await run_in_threadpool(partial(store.remarks, kind, decision=row.id))
        ]
        return {"decision": said, "seq": row.seq, "why": why, "notes": notes, "remarks": remarks}
