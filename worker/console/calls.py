"""The page of calls and conversations: which there are, and the timeline of one, from its decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from worker.console.asking import query_of, tenant_of
from worker.console.decisions import store_of
from worker.console.gate import body_of
from worker.console.library import Library
from worker.console.people import Person
from worker.console.reach import Reach
from worker.console.transcripts import Place, lines_of
from worker.serve.problems import Refused
from worker.store.reading import DecisionStore, Query
from worker.store.row import Row

_LOOKED_AT = 5_000
_MOST_CALLS = 200
_RANK = {"allow": 0, "flag": 1, "block": 2}


class Calls:
    """Handlers for `/console/api/calls…`."""

    def __init__(self, reach: Reach, library: Library) -> None:
        self._reach, self._library = reach, library

    async def every(self, request: Request, person: Person) -> Any:
        """The calls and conversations of the last decisions, the newest first."""
        store, query = store_of(self._reach), query_of(request, person)
        return {"calls": await run_in_threadpool(_every, store, query, person)}

    async def one(self, request: Request, person: Person) -> Any:
        """A call from its beginning: what each of its decisions says, and every change of state."""
        store, query = store_of(self._reach), query_of(request, person)
        return await run_in_threadpool(_one, store, query, person, request.path_params["stream"])

    async def said(self, request: Request, person: Person) -> Any:
        """
        What a call was heard to say, from this process's memory; `tenant` in the body.

        Raises Refused: 403 when anything of it is restricted, 404, 409 where no call is heard, 410 when not heard here.
        """
        tenant, stream = str((await body_of(request)).get("tenant", "")), request.path_params["stream"]
        query = Query(tenant=tenant_of(tenant, person))
        rows = await run_in_threadpool(_of_call, store_of(self._reach), query, person, stream)
        if not rows or not tenant:
            raise Refused(404, "no_call", "none of the last decisions belongs to such a call")
        if await run_in_threadpool(lambda: any(self._library.restricted(row.decision) for row in rows)):
            raise Refused(403, "restricted", "something in it is of a restricted category: it is shown by no page")
        if self._reach.transcripts is None:
            raise Refused(409, "no_transcripts", "no words are kept here: console.transcripts, in `tidegate run`")
        found = self._reach.transcripts.of((tenant, stream))
        if found is None:
            raise Refused(410, "gone", "this worker has heard none of it, or an hour has passed since its last word")
        return {"lines": lines_of(found, list(_places(rows)))}


def _every(store: DecisionStore, query: Query, person: Person) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in _with_calls(store, query, person):
        call = row.decision["call"]
        said = found.setdefault(
            (row.tenant, call["stream"]),
            {
                "tenant": row.tenant,
                "stream": call["stream"],
                "kind": call["kind"],
                "until": row.time_ms,
                "state": call["stream_state"],
                "worst": "allow",
                "speakers": [],
                "decisions": 0,
                "changes": 0,
            },
        )
        said["from"] = row.time_ms
        said["decisions"] += 1
        said["changes"] += len(call["changed"])
        said["worst"] = max(said["worst"], call["stream_state"], key=_RANK.__getitem__)
        if call["speaker"] and call["speaker"] not in said["speakers"]:
            said["speakers"].append(call["speaker"])
    return list(found.values())[:_MOST_CALLS]


def _one(store: DecisionStore, query: Query, person: Person, stream: str) -> dict[str, Any]:
    points, changes = [], []
    for row in _of_call(store, query, person, stream):
        decision = row.decision
        call = decision["call"]
        points.append(
            {
                "id": row.id,
                "time": row.time_ms,
                "speaker": call["speaker"],
                "action": decision["action"],
                "state": call["state"],
                "windows": call["windows"],
                "raised": call["raised"],
                "scores": decision["scores"] if call["windows"] else {},
            }
        )
        changes += [one | {"decision": row.id} for one in call["changed"]]
    kind = "call" if any(one["kind"] == "call" for point in points for one in point["windows"]) else "conversation"
    return {"stream": stream, "kind": kind, "points": points, "changes": changes}


def _places(rows: Sequence[Row]) -> Iterator[Place]:
    """The windows that were decided, and where in them decisions act."""
    for row in rows:
        decision = row.decision
        speaker = decision["call"]["speaker"]
        for window in decision["call"]["windows"]:
            yield Place(speaker, window["t0"], window["t1"])
        for reason in decision["reasons"]:
            if "t" in (reason.get("evidence") or {}):
                t0, t1 = reason["evidence"]["t"]
                yield Place(speaker, t0, t1, reason["action"])


def _of_call(store: DecisionStore, query: Query, person: Person, stream: str) -> list[Row]:
    """Decisions of one stream among the last ones, oldest first."""
    rows = _with_calls(store, query, person)
    return [row for row in reversed(rows) if row.decision["call"]["stream"] == stream]


def _with_calls(store: DecisionStore, query: Query, person: Person) -> list[Row]:
    """Decisions of streams among the last ones, newest first."""
    rows = store.find(Query(tenant=query.tenant, limit=_LOOKED_AT))
    return [row for row in rows if person.may_see(row.tenant) and row.decision.get("call")]
