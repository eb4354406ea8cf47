"""A console over a real run: a worker on a SQLite queue under the policies that ship, its store, and its pages."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.flow.conftest import SHIPPED
from worker.app import Worker, make_sender, make_transport, running
from worker.core.clock import SystemClock
from worker.core.records import Draft
from worker.score.profile import Models
from worker.services import consoled
from worker.settings import Settings, load
from worker.store.reading import DecisionStore, Query

WORDS = {
    "id": "words",
    "version": "1",
    "categories": {
        "scam": {"flag": 0.5, "block": 0.9},
        "secret": {"flag": 0.5, "restricted": True},
        "threat": {"flag": 0.5, "block": 0.9},
    },
    "terms": [
        {"words": ["free coins"], "match": "word", "category": "scam", "action": "flag"},
        {"words": ["hush hush"], "match": "word", "category": "secret", "action": "flag"},
        {"words": ["i will hurt you"], "match": "word", "category": "threat", "action": "block"},
    ],
    "tests": [{"name": "coins", "text": "free coins here", "expect": "flag", "category": "scam"}],
}


@dataclass
class Console:
    """What a test has in its hands."""

    settings: Settings
    worker: Worker
    base: str
    store: DecisionStore

    @property
    def folder(self) -> Path:
        return Path(self.settings.policies)

    async def send(
        self, events: Sequence[dict[str, Any] | bytes], decided: int | None = None, key: bytes | None = None
    ) -> None:
        """Events into the queue; returns when so many decisions more stand in the store."""
        values = [one if isinstance(one, bytes) else orjson.dumps(one) for one in events]
        await self.append(self.settings.topics.events, values, len(events) if decided is None else decided, key)

    async def append(self, topic: str, values: Sequence[bytes], decided: int, key: bytes | None = None) -> None:
        """Records into a topic, under one key or each under its own; returns as `send`."""
        before = self.count()
        sender = make_sender(self.settings, (topic,))
        await sender.start()
        await sender.send([Draft(topic, key or b"k%d" % i, one) for i, one in enumerate(values)])
        await sender.stop()
        async with asyncio.timeout(60):
            while self.count() < before + decided:  # noqa: ASYNC110  # a file tells of nothing
                await asyncio.sleep(0.05)

    def count(self) -> int:
        return len(self.store.find(Query(limit=100_000)))


@asynccontextmanager
async def console(folder: Path, models: Models, *, shipped: bool = False, **more: Any) -> AsyncIterator[Console]:
    """
    A worker with its console.

    shipped: under the policies that ship; else tenant acme has `WORDS`. more: settings, `__` for a dot.
    """
    policies = folder / "policies"
    if shipped:
        shutil.copytree(SHIPPED, policies)
    else:
        policies.mkdir()
        (policies / "words.json").write_bytes(orjson.dumps(WORDS, option=orjson.OPT_INDENT_2))
        (policies / "tenants.json").write_bytes(orjson.dumps({"acme": "words", "other": "words"}))
    flags = {
        "transport": "sqlite",
        "sqlite.path": folder / "queue.db",
        "policies": policies,
        "state": folder / "state",
        "store.path": folder / "store",
        "topics.reviews": "moderation.reviews",
        "serve.port": 0,
    }
    settings = load(None, flags | {name.replace("__", "."): value for name, value in more.items()})
    clock = SystemClock()
    transport = make_transport(settings, clock)
    worker = Worker(settings, transport, models, clock=clock)
    worker.health.models = [{"name": m.name, "version": m.version, "digest": m.digest} for m in models.refs]
    async with running(worker), consoled(settings, worker, models, transport, clock) as port:
        yield Console(settings, worker, f"http://127.0.0.1:{port}", DecisionStore(folder / "store"))


@asynccontextmanager
async def visitor(base: str, **sign_in: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser's worth of client: its cookie, and the token for changes in every request."""
    async with httpx.AsyncClient(base_url=f"{base}/console/api/", timeout=30) as client:
        said = (await (client.post("session", json=sign_in) if sign_in else client.get("session"))).json()
        client.headers["x-tidegate-csrf"] = said.get("csrf") or ""
        yield client


def text_event(id: str, text: str, tenant: str = "acme", **more: Any) -> dict[str, Any]:
    return {"id": id, "tenant": tenant, "parts": [{"type": "text", "text": text}], **more}
