"""The console's routes: the page, its files, and the data behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from worker.console.calls import Calls
from worker.console.decisions import Decisions
from worker.console.gate import Gate, Handler
from worker.console.library import Library
from worker.console.people import Person, PersonRow
from worker.console.policies import Policies
from worker.console.reach import Reach
from worker.console.reviewing import Reviewing
from worker.console.saving import Saving
from worker.console.settings import ConsoleSettings
from worker.console.wellbeing import Wellbeing
from worker.core.clock import Clock
from worker.core.errors import ConfigError, PolicyRejected, StoreFailed
from worker.serve.problems import Refused

_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "html": "text/html"}
_API = "/console/api"


def console_routes(
    reach: Reach,
    settings: ConsoleSettings,
    people: Callable[[], Mapping[str, PersonRow]] | None,
    clock: Clock,
    stopping: asyncio.Event,
    *,
    secure: bool = False,
) -> list[BaseRoute]:
    """
    Routes to serve beside the endpoint's own.

    people: who may come in now; None for anybody on this machine. stopping: ends the live streams.
    """
    gate = Gate(people, clock, settings.session_s, secure=secure)
    library = Library(reach.folder, reach.concepts)
    decisions = Decisions(reach, library, stopping)
    policies = Policies(reach, library, write=settings.write, recent=settings.recent)
    saving = Saving(reach, library, clock, write=settings.write)
    reviewing, calls = Reviewing(reach, library, clock, settings), Calls(reach, library)
    wellbeing = Wellbeing(reach, write=settings.write)

    def get(path: str, handle: Handler) -> Route:
        return Route(f"{_API}/{path}", gate.data(_answering(handle)), methods=["GET"])

    def post(path: str, handle: Handler) -> Route:
        return Route(f"{_API}/{path}", gate.data(_answering(handle), changes=True), methods=["POST"])

    return [
        Route("/console", gate.page(_to_the_page), methods=["GET"]),
        Route("/console/", gate.page(_file), methods=["GET"]),
        Route("/console/static/{name}", gate.page(_file), methods=["GET"]),
        Route(f"{_API}/session", gate.page(gate.who), methods=["GET"]),
        Route(f"{_API}/session", gate.page(gate.sign_in), methods=["POST"]),
        Route(f"{_API}/session", gate.data(gate.sign_out, changes=True), methods=["DELETE"]),
        get("decisions", decisions.find),
        get("decisions/{id}", decisions.one),
        get("counts", decisions.counts),
        get("tenants", decisions.tenants),
        get("live", decisions.live),
        get("policies", policies.every),
        get("policies/{id}", policies.one),
        post("policies/{id}/trial", policies.trial),
        post("policies/{id}/tests", policies.tests),
        post("policies/{id}/candidate", saving.candidate),
        post("policies/{id}/publish", saving.publish),
        get("calls", calls.every),
        get("calls/{stream:path}", calls.one),
        post("transcripts/{stream:path}", calls.said),
        get("review", reviewing.queue),
        get("review/quality", reviewing.quality),
        post("review/{id}/content", reviewing.content),
        post("review/{id}/verdict", reviewing.verdict),
        post("review/{id}/test", reviewing.test),
        get("health", wellbeing.health),
        get("deadletters", wellbeing.letters),
        post("deadletters/redrive", wellbeing.redrive),
    ]


def _answering(handle: Handler) -> Handler:
    """`handle`, with what the stages refuse as a refusal of the page's."""

    async def answered(request: Request, person: Person) -> Any:
        try:
            return await handle(request, person)
        except PolicyRejected as error:
            raise Refused(422, error.code, str(error)) from None
        except ConfigError as error:
            raise Refused(409, "not_here", str(error)) from None
        except StoreFailed as error:
            raise Refused(503, "store_failed", str(error)) from None

    return answered


async def _to_the_page(_: Request) -> Response:
    return RedirectResponse("/console/")


async def _file(request: Request) -> Response:
    """A file of the package. Raises Refused: 404."""
    name = request.path_params.get("name", "index.html")
    kind = _TYPES.get(name.rpartition(".")[2])
    found = files("worker.console") / "static" / name
    if kind is None or "/" in name or name.startswith(".") or not found.is_file():
        raise Refused(404, "not_found", "there is no such file")
    return Response(found.read_bytes(), media_type=kind, headers={"Cache-Control": "no-cache"})
