"""The routes: OpenAI's moderations, and decisions on whole events; keys, sizes and deadlines are checked here."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import chain
from time import perf_counter
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from worker.core.errors import NoCredits, NotAnEvent, NotAnswered, StoreFailed
from worker.core.metrics import Metrics
from worker.core.records import Headers
from worker.serve.keys import KeyRing
from worker.serve.moderations import events_of, parts_of, response_of
from worker.serve.pictures import Pictures
from worker.serve.problems import Refused, problem
from worker.serve.settings import ServeSettings

DEADLINE = "tidegate-deadline-ms"  # header: milliseconds within which the answer is wanted
RETRY_AFTER_S = 1
_LONGEST_MS = 600_000
_NOT_ANSWERED = {"not_yours": 403, "stopping": 503, "deadline": 504}


class Asked(Protocol):
    """Who answers: `pipeline/counter.py`."""

    async def ask(self, value: bytes, *, tenant: str | None, headers: Headers, deadline_ms: int | None) -> bytes: ...


Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """
    The endpoint's handlers.

    Args:
        counter: None while the models are loading.
        keys: those in force now; None: whoever reaches the endpoint may ask.
        pictures: fetches those that lie elsewhere; None: they are refused.
    """

    def __init__(
        self,
        settings: ServeSettings,
        counter: Callable[[], Asked | None],
        keys: Callable[[], KeyRing] | None,
        metrics: Metrics,
        pictures: Pictures | None = None,
    ) -> None:
        self._settings, self._counter, self._keys, self._metrics = settings, counter, keys, metrics
        self._pictures = pictures

    def routes(self) -> list[BaseRoute]:
        """`POST /v1/moderations` and `POST /v1/decide`."""
        return [
            Route("/v1/moderations", self._answering("moderations", self._moderations), methods=["POST"]),
            Route("/v1/decide", self._answering("decide", self._decide), methods=["POST"]),
        ]

    def _answering(self, route: str, handle: Handler) -> Handler:
        """`handle` with refusals as problems, and both counted."""

        async def answered(request: Request) -> Response:
            began = perf_counter()
            try:
                response = await handle(request)
            except Refused as refused:
                response = problem(refused)
            self._metrics.http_requests.labels(route, str(response.status_code)).inc()
            self._metrics.http_time.labels(route).observe(perf_counter() - began)
            return response

        return answered

    async def _moderations(self, request: Request) -> Response:
        tenant = self._tenant(request) or self._settings.tenant
        _of_type(request, "application/json")
        body = _json(await self._body(request))
        request_id = f"modr-{uuid.uuid4().hex}"
        deadline_ms, began = _deadline(request), perf_counter()
        results = parts_of(body, most=self._settings.inputs, remote=self._pictures is not None)
        if self._pictures is not None:
            within_s = None if deadline_ms is None else deadline_ms / 1000
            await self._pictures.fill(chain.from_iterable(results), tenant, within_s)
            if deadline_ms is not None:
                deadline_ms = max(1, deadline_ms - round((perf_counter() - began) * 1000))
        events = events_of(results, request_id=request_id, tenant=tenant)
        decisions = await self._ask(events, tenant, (), deadline_ms)
        said = response_of([orjson.loads(decision) for decision in decisions], request_id=request_id)
        return Response(orjson.dumps(said), media_type="application/json")

    async def _decide(self, request: Request) -> Response:
        tenant = self._tenant(request)
        headers = _record_headers(request)
        if not any(name == "ce_specversion" for name, _ in headers):
            _of_type(request, "application/json", "application/cloudevents+json")
        value = await self._body(request)
        (decision,) = await self._ask([value], tenant, headers, _deadline(request))
        return Response(decision, media_type="application/json")

    def _tenant(self, request: Request) -> str | None:
        """Whose key the request has; None where nobody needs one. Raises Refused: 401."""
        if self._keys is None:
            return None
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        tenant = self._keys().tenant_of(key.strip()) if scheme.lower() == "bearer" else None
        if tenant is None:
            challenge = {"WWW-Authenticate": 'Bearer realm="tidegate"'}
            raise Refused(401, "no_key", "the request has no known key: send `Authorization: Bearer KEY`", challenge)
        return tenant

    async def _body(self, request: Request) -> bytes:
        """The body, no more of it than is allowed. Raises Refused: 413."""
        most = self._settings.body_bytes
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            raise _too_large(most)
        chunks, size = [], 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise _too_large(most)
                chunks.append(chunk)
        except ClientDisconnect:
            raise Refused(400, "gone", "the client went before it had sent its body") from None
        return b"".join(chunks)

    async def _ask(
        self, events: Sequence[bytes], tenant: str | None, headers: Headers, deadline_ms: int | None
    ) -> list[bytes]:
        """Decisions in the events' order. Raises Refused for the first that has none."""
        counter = self._counter()
        if counter is None:
            raise Refused(503, "loading", "the models are still loading", _later())
        asked = (counter.ask(one, tenant=tenant, headers=headers, deadline_ms=deadline_ms) for one in events)
        found = await asyncio.gather(*asked, return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException):
                raise _refused(one) from one
        return [one for one in found if isinstance(one, bytes)]


def serve_app(api: Api, more: Sequence[BaseRoute] = ()) -> Starlette:
    """The endpoint's ASGI app, with `more` routes beside its own."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(Refused(error.status_code, "http", error.detail, error.headers))

    return Starlette(routes=[*api.routes(), *more], exception_handlers={HTTPException: refused})


def _refused(error: BaseException) -> Refused:
    """What the counter says, as a refusal; anything else is a bug and goes on as it is."""
    if isinstance(error, NotAnEvent):
        return Refused(413 if error.code == "too_large" else 422, error.code, error.reason)
    if isinstance(error, NoCredits):
        return Refused(429, "no_credits", str(error), _later())
    if isinstance(error, NotAnswered):
        status = _NOT_ANSWERED.get(error.code, 500)
        return Refused(status, error.code, error.reason, _later() if status == 503 else None)
    if isinstance(error, StoreFailed):
        return Refused(503, "store_failed", "the decision could not be kept, so it is not given", _later())
    raise error


def _later() -> Mapping[str, str]:
    return {"Retry-After": str(RETRY_AFTER_S)}


def _too_large(most: int) -> Refused:
    return Refused(413, "too_large", f"the body has more than the {most} bytes allowed")


def _of_type(request: Request, *allowed: str) -> None:
    """Raises Refused: 415."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in allowed:
        raise Refused(415, "media_type", f"send {' or '.join(allowed)}", {"Accept": ", ".join(allowed)})


def _deadline(request: Request) -> int | None:
    """Raises Refused: 422."""
    sent = request.headers.get(DEADLINE)
    if sent is None:
        return None
    if not sent.isdecimal() or not 0 < int(sent) <= _LONGEST_MS:
        raise Refused(422, "bad_deadline", f"{DEADLINE} must be whole milliseconds from 1 to {_LONGEST_MS}")
    return int(sent)


def _record_headers(request: Request) -> Headers:
    """Headers that mean the same on a record: CloudEvents in binary mode, and the trace."""
    binary = "ce-specversion" in request.headers
    kept: list[tuple[str, bytes]] = []
    for name, value in request.headers.items():
        if name.startswith("ce-"):
            kept.append((f"ce_{name[3:]}", unquote_to_bytes(value)))  # CloudEvents' HTTP binding, 3.1.3.2
        elif name == "traceparent" or (name == "content-type" and binary):
            kept.append((name, value.encode("latin-1")))
    return tuple(kept)


def _json(body: bytes) -> Any:
    """Raises Refused: 422."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(422, "not_json", "the body is not JSON") from None
