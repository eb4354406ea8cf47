"""Queries as the pages ask them: what stands in an address, within what a person may see."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from worker.console.people import Person
from worker.core.decisions import Action
from worker.core.events import PartType
from worker.serve.problems import Refused
from worker.store.reading import DecisionStore, Query
from worker.store.row import Row

MOST_ROWS = 500


def query_of(request: Request, person: Person) -> Query:
    """
    `tenant`, `action` (more than one by commas), `category`, `type`, `event`, `since`, `until` (Unix ms), `before`,
    `after` (a `seq`), `limit`. Raises Refused: 403, 422.
    """
    said = request.query_params
    actions = said.get("action")
    kind = said.get("type")
    try:
        return Query(
            tenant=tenant_of(said.get("tenant"), person),
            actions=frozenset(Action.parse(one) for one in actions.split(",")) if actions else None,
            category=said.get("category") or None,
            type=PartType[kind.upper()] if kind else None,
            event=said.get("event") or None,
            since_ms=_number(said.get("since")),
            until_ms=_number(said.get("until")),
            before=_number(said.get("before")),
            after=_number(said.get("after")),
            limit=min(_number(said.get("limit")) or 100, MOST_ROWS),
        )
    except (KeyError, ValueError) as error:
        raise Refused(422, "bad_query", f"the address asks for what there is not: {error}") from None


def tenant_of(asked: str | None, person: Person) -> str | None:
    """The tenant to look at; None for all of them. Raises Refused: 403."""
    if asked:
        if not person.may_see(asked):
            raise Refused(403, "not_yours", "this tenant's decisions are not yours to see")
        return asked
    if person.tenants is None:
        return None
    if len(person.tenants) != 1:
        raise Refused(422, "choose_tenant", f"choose one of your tenants: {', '.join(sorted(person.tenants))}")
    return next(iter(person.tenants))


def decision_row(store: DecisionStore, id: str, person: Person) -> Row:
    """A decision by its id or its event's. Raises Refused: 404, also for what is not theirs to see."""
    row = store.get(id)
    if row is None or not person.may_see(row.tenant):
        raise Refused(404, "no_decision", "the store has no such decision")
    return row


def brief(row: Row) -> dict[str, Any]:
    """A decision as one line of a list."""
    decision = row.decision
    first = next(iter(decision["reasons"]), None)
    call = decision.get("call") or {}
    return {
        "seq": row.seq,
        "id": row.id,
        "event": row.event_id,
        "tenant": row.tenant,
        "time": row.time_ms,
        "action": decision["action"],
        "types": decision["types"],
        "category": first and first["category"],
        "score": first and first.get("score"),
        "threshold": first and first.get("threshold"),
        "list": first and first.get("list"),
        "view": first and first.get("view"),
        "degraded": bool(decision.get("degraded")),
        "overridden": bool(decision.get("overrides")),
        "transition": bool(call.get("transition")),
        "policy": f"{decision['policy']['id']} {decision['policy']['version']}",
        "ms": (decision.get("latency_ms") or {}).get("total"),
    }


def _number(said: str | None) -> int | None:
    return int(said) if said else None
