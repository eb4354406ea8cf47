"""A whole worker in memory under a policy of lists alone: no neural model, so a flow test takes milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from worker.app import Worker, load_models, running
from worker.core.ports import Transport
from worker.core.records import Draft, Record
from worker.score.profile import Models
from worker.settings import Settings, load
from worker.transport.memory import MemoryLog, MemoryTransport

SHIPPED = Path(__file__).parents[2] / "policies"
POLICY = {
    "id": "words",
    "version": "1",
    "categories": {"scam": {"flag": 0.5, "block": 0.9}, "threat": {"flag": 0.5, "block": 0.9}},
    "terms": [
        {"words": ["free coins"], "match": "word", "category": "scam", "action": "flag"},
        {"words": ["i will hurt you"], "match": "word", "category": "threat", "action": "block"},
    ],
}


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A folder with one policy of lists for tenant acme, and none for anyone else."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "words.json").write_bytes(orjson.dumps(POLICY))
    (folder / "tenants.json").write_bytes(orjson.dumps({"acme": "words"}))
    return folder


@pytest.fixture
def settings(policies: Path) -> Settings:
    return load(None, {"policies": policies, "models.profile": "words"})


@pytest.fixture(scope="session")
def embedded() -> Models:
    """The embedded profile's real models, loaded once: seconds."""
    return load_models(load().models.model_dump())


@pytest.fixture
def with_models() -> Settings:
    """The policies that ship, under which every tenant has one."""
    return load(None, {"policies": SHIPPED})


def event(id: str, text: str, *, tenant: str = "acme", **more: Any) -> bytes:
    return orjson.dumps({"id": id, "tenant": tenant, "parts": [{"type": "text", "text": text}], **more})


class Bench:
    """A worker over a queue in memory, and the queue's two ends."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport | None = None,
        partitions: int = 2,
        models: Models | None = None,
    ) -> None:
        self.settings = settings
        self.log = MemoryLog(partitions)
        self.transport = transport or MemoryTransport(self.log, settings.topics)
        self.worker = Worker(settings, self.transport, models or load_models(settings.models.model_dump()))

    @property
    def held(self) -> tuple[int, int]:
        """Events and bytes in flight."""
        return self.worker.flow.credits.held

    def send(self, values: Sequence[bytes | None], key: bytes | None = b"k", headers: Any = ()) -> None:
        self.log.append([Draft(self.settings.topics.events, key, value, headers) for value in values])

    def out(self, *routes: str) -> list[Record]:
        """What stands in the output topics, partition by partition."""
        topics = [getattr(self.settings.topics, route) for route in routes or ("allow", "flag", "block")]
        return self.log.read(dict.fromkeys(self.log.of(topics), 0), 100_000)

    def decisions(self) -> list[dict[str, Any]]:
        return [orjson.loads(record.value or b"") for record in self.out()]

    async def until(self, count: int, *routes: str) -> None:
        """Wait until so many records stand in the outputs."""
        wake = asyncio.Event()
        async with asyncio.timeout(20):
            while len(self.out(*(routes or ("allow", "flag", "block", "dead_letter")))) < count:
                wake.clear()
                await self.log.wait(wake, 0.05)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Bench]:
        async with running(self.worker):
            yield self
