"""Who is taken out of the file is out: their next request, and the stream that is open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from worker.console.gate import Gate
from worker.console.people import Person, PersonRow, new_row
from worker.core.clock import FakeClock

PASSWORD = "correct horse battery"
ROW = new_row(PASSWORD, ["acme"], write=True)
CHANGES = [
    {},
    {"mira": ROW.model_copy(update={"write": False})},
    {"mira": new_row("another password", ["acme"], write=True)},
]


@pytest.mark.parametrize("later", CHANGES, ids=["gone", "fewer rights", "another password"])
async def test_a_session_ends_with_the_row_it_was_opened_on(later: dict[str, PersonRow]) -> None:
    """A stream in the middle, too: what comes after the change is not sent. Other people's stay."""
    other = new_row(PASSWORD, ["*"], write=False)
    people = {"mira": ROW, "root": other}
    gate = Gate(lambda: people, FakeClock(), 60.0, secure=False)

    async def stream(_: Request, __: Person) -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"before "
            people.clear()
            people.update(later, root=other)
            yield b"after"

        return StreamingResponse(chunks())

    async def name(_: Request, person: Person) -> Any:
        return {"name": person.name}

    routes = [
        Route("/console/session", gate.page(gate.sign_in), methods=["POST"]),
        Route("/console/live", gate.data(stream)),
        Route("/console/name", gate.data(name)),
    ]
    transport = httpx.ASGITransport(Starlette(routes=routes))
    clients = [httpx.AsyncClient(transport=transport, base_url="http://localhost/console") for _ in range(2)]
    for client, who in zip(clients, ("mira", "root"), strict=True):
        assert (await client.post("/session", json={"name": who, "password": PASSWORD})).status_code == 200
        assert (await client.get("/name")).json() == {"name": who}
    assert (await clients[0].get("/live")).content == b"before "
    assert [(await client.get("/name")).status_code for client in clients] == [401, 200]
