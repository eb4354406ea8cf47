"""
The gate: what every request of the console passes. Headers that keep pages to themselves, whose session it is, CSRF.

A cookie alone changes nothing: what changes anything needs the session's own token in a header, which another site's
page can neither read nor send. `Host` is held to this machine's names where anybody here may come in, so that a name
which a stranger's DNS points at 127.0.0.1 is no way in.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from worker.console.people import LOCAL, Person, PersonRow, find_person
from worker.console.sessions import Session, Sessions, Tries
from worker.core.clock import Clock
from worker.serve.problems import Refused, problem

COOKIE, CSRF = "tidegate_console", "x-tidegate-csrf"
_LONGEST_BODY = 2 << 20
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", "testserver"})
# No script, style, picture or connection but this page's own; `blob:` is content that a reviewer asked for.
SECURITY: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

Handler = Callable[[Request, Person], Awaitable[Any]]


class Gate:
    """
    Args:
        people: who may come in now; None: whoever reaches the console is `local` and may do all that settings allow.
        secure: cookies travel by TLS alone.
    """

    def __init__(
        self, people: Callable[[], Mapping[str, PersonRow]] | None, clock: Clock, session_s: float, *, secure: bool
    ) -> None:
        self._people, self._secure = people, secure
        self._sessions, self._tries = Sessions(clock, session_s), Tries(clock)

    def page(self, handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """A page or file: the same for everybody, without data."""

        async def answered(request: Request) -> Response:
            try:
                self._check_host(request)
                response = await handle(request)
            except Refused as refused:
                response = problem(refused)
            response.headers.update(SECURITY)
            return response

        return answered

    def data(self, handle: Handler, *, changes: bool = False) -> Callable[[Request], Awaitable[Response]]:
        """An answer for who is signed in: what `handle` returns, as JSON, unless it is a response already."""

        async def answered(request: Request) -> Response:
            session = self._session(request)
            if changes and not hmac.compare_digest(request.headers.get(CSRF, ""), session.csrf):
                raise Refused(403, "csrf", "the page is stale: load it again")
            said = await handle(request, session.person)
            response = said if isinstance(said, Response) else as_json(said)
            if isinstance(response, StreamingResponse):
                response.body_iterator = self._while_signed_in(request, response.body_iterator)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return self.page(answered)

    async def _while_signed_in(self, request: Request, chunks: AsyncIterable[Any]) -> AsyncIterator[Any]:
        """A stream that nothing more comes from once its session is over."""
        async for chunk in chunks:
            if self._current(request) is None:
                return
            yield chunk

    async def who(self, request: Request) -> Response:
        """`GET session`: who is signed in, and the token for changes. Without a file of people, `local` is."""
        session = self._current(request)
        if session is None and self._people is None:
            return self._signed_in(LOCAL)
        return as_json(_said(session))

    async def sign_in(self, request: Request) -> Response:
        """`POST session`: name and password. Raises Refused: 401, or 429 after five failures within a minute."""
        said = await body_of(request)
        name, password = str(said.get("name", "")), str(said.get("password", ""))
        address = request.client.host if request.client else ""
        who = f"name:{name}", f"from:{address}"
        if (wait := self._tries.wait_s(*who)) > 0:
            later = {"Retry-After": str(round(wait) + 1)}
            raise Refused(429, "too_many_tries", f"too many failed tries: wait {round(wait) + 1} s", later)
        rows = self._people() if self._people is not None else {}
        person = await run_in_threadpool(find_person, rows, name, password)
        if person is None:
            self._tries.failed(*who)
            raise Refused(401, "wrong_password", "no such name with this password")
        return self._signed_in(person, rows[name])

    async def sign_out(self, request: Request, _: Person) -> Response:
        """`DELETE session`."""
        self._sessions.close(request.cookies.get(COOKIE))
        response = as_json(_said(None))
        response.delete_cookie(COOKIE, path="/console")
        return response

    def _signed_in(self, person: Person, row: PersonRow | None = None) -> Response:
        token, session = self._sessions.open(person, row)
        response = as_json(_said(session))
        response.headers["Cache-Control"] = "no-store"
        response.set_cookie(COOKIE, token, path="/console", httponly=True, samesite="strict", secure=self._secure)
        return response

    def _session(self, request: Request) -> Session:
        session = self._current(request)
        if session is None:
            raise Refused(401, "signed_out", "nobody is signed in")
        return session

    def _current(self, request: Request) -> Session | None:
        """The request's session. It ends when the person's row is another than at the sign-in, or gone."""
        session = self._sessions.of(request.cookies.get(COOKIE))
        if session is None or self._people is None or self._people().get(session.person.name) == session.row:
            return session
        self._sessions.close(request.cookies.get(COOKIE))
        return None

    def _check_host(self, request: Request) -> None:
        """Raises Refused: 421, for a name that is not this machine's where nobody signs in."""
        name = request.headers.get("host", "")
        if not name.endswith("]"):
            name = name.rpartition(":")[0] or name
        if self._people is None and name not in _LOCAL_NAMES:
            raise Refused(421, "wrong_host", "the console answers to localhost alone: name a file of people for more")


def as_json(said: Any) -> Response:
    """The answer's bytes."""
    return Response(orjson.dumps(said), media_type="application/json")


async def body_of(request: Request) -> dict[str, Any]:
    """A JSON object. Raises Refused: 413, 415, 422."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "media_type", "send application/json")
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _LONGEST_BODY:
            raise Refused(413, "too_large", f"the body has more than the {_LONGEST_BODY} bytes allowed")
        chunks.append(chunk)
    try:
        said = orjson.loads(b"".join(chunks))
    except orjson.JSONDecodeError:
        raise Refused(422, "not_json", "the body is not JSON") from None
    if not isinstance(said, dict):
        raise Refused(422, "not_json", "the body is no JSON object")
    return said


def _said(session: Session | None) -> dict[str, Any]:
    if session is None:
        return {"person": None, "csrf": None}
    person = session.person
    tenants = None if person.tenants is None else sorted(person.tenants)
    return {"person": {"name": person.name, "tenants": tenants, "write": person.write}, "csrf": session.csrf}
