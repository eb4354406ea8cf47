"""What the console reaches: its ports over the store, the policies and the queue that the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from worker.app import Worker, make_sender
from worker.console.people import read_people
from worker.console.reach import Reach
from worker.console.routes import console_routes
from worker.console.transcripts import Transcripts
from worker.core.clock import Clock
from worker.core.ports import ConceptCompiler
from worker.core.records import Draft, Position
from worker.decode.envelope import EventEnvelope
from worker.deliver.letters import Letter
from worker.policy.settings import place_of
from worker.redrive import fetch_event, read_box, send_letters
from worker.serve.reread import Reread
from worker.settings import Settings
from worker.store.following import Keeper
from worker.store.reading import DecisionStore

_REDRIVES_S = 50.0
_QUEUE_S = 30.0  # for a question to the queue that a page waits for


def routes_of(
    settings: Settings,
    worker: Worker,
    concepts: ConceptCompiler,
    keeper: Keeper | None,
    clock: Clock,
    stopping: asyncio.Event,
    *,
    queue: bool,
) -> list[BaseRoute]:
    """
    The console's routes; none when it is switched off.

    queue: this process may ask the queue that the settings name.
    """
    console = settings.console
    if not console.enabled:
        return []
    transcripts = None
    if queue and console.transcripts:
        transcripts = Transcripts(clock)
        worker.listen_in(transcripts.heard)
    folder = Path(settings.policies) if place_of(settings.policies).kind == "folder" else None
    reach = Reach(
        status=worker.health.status,
        ready=lambda: all(check.ok for check in worker.health.ready()),
        store=DecisionStore(settings.store.path) if settings.store.path is not None else None,
        keeper=keeper,
        folder=folder,
        concepts=concepts,
        desk=worker.desk,
        transcripts=transcripts,
        **(_over_queue(settings, clock) if queue else {}),
    )
    told = worker.metrics.on_secret
    people = Reread(console.people, read_people, clock, told) if console.people is not None else None
    secure = settings.serve.tls_certificate is not None or settings.serve.behind_proxy
    return console_routes(reach, console, people, clock, stopping, secure=secure)


def _over_queue(settings: Settings, clock: Clock) -> Mapping[str, Any]:
    """The ports that ask the queue, each over a connection of its own, closed when the answer is there."""

    async def fetch(decision: Mapping[str, Any]) -> EventEnvelope:
        async with asyncio.timeout(_QUEUE_S):
            return await fetch_event(settings, decision)

    async def send(drafts: Sequence[Draft]) -> Sequence[Position]:
        sender = make_sender(settings, tuple({draft.topic for draft in drafts}))
        await sender.start()
        try:
            return await sender.send(drafts)
        finally:
            await sender.stop()

    async def letters() -> Sequence[Letter]:
        return (await read_box(settings, content=True)).letters

    async def redrive(chosen: Sequence[Letter]) -> int:
        return (await send_letters(settings, chosen, _REDRIVES_S, clock, lambda sent: None)).sent

    return {"reviews": settings.topics.reviews, "fetch": fetch, "send": send, "letters": letters, "redrive": redrive}
