"""The review page: what waits for people, its content when somebody asks for it, and what they said of it."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from worker.console.asking import brief, decision_row, query_of
from worker.console.decisions import store_of
from worker.console.gate import body_of
from worker.console.library import Library
from worker.console.people import Person
from worker.console.reach import Reach
from worker.console.settings import ConsoleSettings
from worker.core.clock import Clock
from worker.core.decisions import Action
from worker.core.records import Draft
from worker.core.schema_people import ReviewDocument
from worker.core.shares import Share
from worker.decode.envelope import EventEnvelope
from worker.originals import NotToBeHad, case_of
from worker.serve.problems import Refused
from worker.store.appeals import Joined, joined, overturned
from worker.store.reading import DecisionStore
from worker.store.row import Row
from worker.store.writing import Remark

_SAMPLE = 50  # one decision in so many that nothing was found in is shown too: what was missed is found there
_LOOKED_AT = 2_000
_NAME_CHARS = 12


class Reviewing:
    """Handlers for `/console/api/review…`."""

    def __init__(self, reach: Reach, library: Library, clock: Clock, settings: ConsoleSettings) -> None:
        self._reach, self._library, self._clock, self._settings = reach, library, clock, settings

    async def queue(self, request: Request, person: Person) -> Any:
        """Flagged decisions and a stable sample of the others that nobody reviewed, the newest first."""
        store, query = store_of(self._reach), query_of(request, person)
        return await run_in_threadpool(self._queue, store, query, person)

    def _queue(self, store: DecisionStore, query: Any, person: Person) -> Any:
        me = pseudonym(person)
        done = {r.decision for r in store.remarks("review") if orjson.loads(r.value).get("reviewer") == me}
        found: list[dict[str, Any]] = []
        looked = 0
        while len(found) < query.limit and looked < _LOOKED_AT:
            rows = store.find(query)
            if not rows:
                break
            looked += len(rows)
            query = replace(query, before=rows[-1].seq)
            found += [self._item(row) for row in rows if row.id not in done and _wanted(row)]
        return {"queue": found[: query.limit], "reviewed": len(done), "can": self._reach.reviews is not None}

    def _item(self, row: Row) -> dict[str, Any]:
        why = "flagged" if row.action == Action.FLAG else "sample"
        restricted = self._library.restricted(row.decision)
        handoff = self._settings.handoff_of(row.id, row.tenant, row.event_id) if restricted else None
        return brief(row) | {"why": why, "restricted": restricted, "handoff": handoff}

    async def content(self, request: Request, person: Person) -> Any:
        """The event's parts. Raises Refused: 403 for what is restricted, 410 when gone."""
        row, event = await self._original(request, person)
        return {"parts": _parts(event), "evidence": _evidence(row.decision)}

    async def _original(self, request: Request, person: Person) -> tuple[Row, EventEnvelope]:
        """A decision and the event that it is about, from the topic it came by."""
        store = store_of(self._reach)
        row = await run_in_threadpool(decision_row, store, request.path_params["id"], person)
        if await run_in_threadpool(self._library.restricted, row.decision):
            raise Refused(403, "restricted", "content of a restricted category is shown by no page: hand it off")
        if self._reach.fetch is None:
            raise Refused(409, "no_source", "this process does not read the input topic")
        try:
            return row, await self._reach.fetch(row.decision)
        except NotToBeHad as error:
            raise Refused(410, error.code, str(error)) from None

    async def verdict(self, request: Request, person: Person) -> Any:
        """A reviewer's verdict: to the topic of reviews, and into the store."""
        if self._reach.reviews is None or self._reach.send is None:
            raise Refused(409, "no_reviews", "no topic for verdicts: set topics.reviews")
        store, said = store_of(self._reach), await body_of(request)
        row = await run_in_threadpool(decision_row, store, request.path_params["id"], person)
        action, category = said.get("action"), said.get("category") or None
        if action not in ("allow", "flag", "block") or not (category is None or isinstance(category, str)):
            raise Refused(422, "bad_verdict", "action is allow, flag or block; category is a path")
        moment = datetime.fromtimestamp(self._clock.wall(), UTC)
        seconds = said.get("seconds")
        document = ReviewDocument(
            decision=row.id,
            tenant=row.tenant,
            time=moment.isoformat(timespec="milliseconds"),
            action=action,
            category=category,
            reviewer=pseudonym(person),
            seconds=round(float(seconds), 1) if isinstance(seconds, int | float) and seconds >= 0 else None,
        )
        value = document.model_dump_json(exclude_none=True).encode()
        (place,) = await self._reach.send([Draft(self._reach.reviews, row.id.encode(), value)])
        if (
            self._reach.keeper is not None
        ):  # the store follows the topic too, and keeps one of both: same place, same id
            at = f"{place.topic}:{place.partition}:{place.offset}"
            remark = Remark("review", at, row.id, row.tenant, round(moment.timestamp() * 1000), value)
            await self._reach.keeper.keep((), remarks=[remark])
        return {"kept": True}

    async def test(self, request: Request, person: Person) -> Any:
        """A reviewed decision as a case for its policy's `tests`: a person's text goes into it, so only when asked."""
        row, event = await self._original(request, person)
        verdicts = [orjson.loads(one.value) for one in store_of(self._reach).remarks("review", decision=row.id)]
        last = verdicts[-1] if verdicts else {"action": row.decision["action"]}
        try:
            case = case_of(event, f"review {row.event_id}", last["action"])
        except NotToBeHad as error:
            raise Refused(422, error.code, str(error)) from None
        first = next(iter(row.decision["reasons"]), None)
        category = last.get("category") or (first and first["category"])
        return {"policy": row.decision["policy"]["id"], "case": case | ({"category": category} if category else {})}

    async def quality(self, _: Request, person: Person) -> Any:
        """How far reviewers agree, and how often a node is overturned."""
        return await run_in_threadpool(self._quality, person)

    def _quality(self, person: Person) -> Any:
        found = [one for one in joined(store_of(self._reach), "review") if person.may_see(one.row.tenant)]
        return {"agreement": agreement(found).as_json(), "overturned": overturned(found).as_json()}


def pseudonym(person: Person) -> str:
    """The same for all verdicts of one person, and not their name: it goes into a topic."""
    return "r-" + hashlib.blake2b(person.name.encode(), digest_size=8, person=b"reviewer").hexdigest()[:_NAME_CHARS]


def agreement(found: Iterable[Joined]) -> Share:
    """Of the pairs of verdicts on one decision by two reviewers, the share that names the same action."""
    by_decision: dict[str, list[str]] = defaultdict(list)
    for one in found:
        by_decision[one.row.id].append(one.said.action)
    pairs = [pair for verdicts in by_decision.values() for pair in combinations(verdicts, 2)]
    return Share(sum(one == other for one, other in pairs), len(pairs))


def _wanted(row: Row) -> bool:
    """Flagged, or among the sample: by a hash of the id, so the same for every reviewer."""
    drawn = int.from_bytes(hashlib.blake2b(row.id.encode(), digest_size=4, person=b"console").digest(), "big")
    return row.action == Action.FLAG or drawn % _SAMPLE == 0


def _parts(event: EventEnvelope) -> list[dict[str, Any]]:
    """Texts as they are; media as data for the page to hold; what is fetched by reference is not fetched here."""
    found = []
    for part in event.body["parts"]:
        data = part.get("data") if event.raw is None else base64.b64encode(event.raw).decode()
        kept = {"type": part["type"], "text": part.get("text"), "data": data, "media_type": part.get("mime")}
        kept["ref"] = True if part.get("ref") else None
        found.append({name: one for name, one in kept.items() if one is not None})
    return found


def _evidence(decision: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """Where in its parts the decision's reasons and hits point."""
    return [
        {"category": one["category"], "view": one.get("view"), **one["evidence"]}
        for one in (*decision["reasons"], *decision["hits"])
        if one.get("evidence")
    ]
