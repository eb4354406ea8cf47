"""The page of calls and conversations: which there are, and the timeline of one, from its decisions."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from worker.console.asking import query_of
from worker.console.decisions import store_of
from worker.console.people import Person
from worker.console.reach import Reach
from worker.store.reading import DecisionStore, Query
from worker.store.row import Row

_LOOKED_AT = 5_000
_MOST_CALLS = 200
_RANK = {"allow": 0, "flag": 1, "block": 2}


class Calls:
    """Handlers for `/console/api/calls…`."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def every(self, request: Request, person: Person) -> Any:
        """The calls and conversations of the last decisions, the newest first."""
        store, query = store_of(self._reach), query_of(request, person)
        return {"calls": await run_in_threadpool(_every, store, query, person)}

    async def one(self, request: Request, person: Person) -> Any:
        """A call from its beginning: what each of its decisions says, and every change of state."""
        store, query = store_of(self._reach), query_of(request, person)
        return await run_in_threadpool(_one, store, query, person, request.path_params["stream"])


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
    for row in reversed(_with_calls(store, query, person)):
        decision = row.decision
        call = decision["call"]
        if call["stream"] != stream:
            continue
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


def _with_calls(store: DecisionStore, query: Query, person: Person) -> list[Row]:
    """Decisions of streams among the last ones, newest first."""
    rows = store.find(Query(tenant=query.tenant, limit=_LOOKED_AT))
    return [row for row in rows if person.may_see(row.tenant) and row.decision.get("call")]
