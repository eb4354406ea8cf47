"""Webhooks over real TLS: signed, tried again, set aside, and never posted where no stranger may send a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.certificates import certificate
from tests.unit.store.decisions import decision
from worker.app import make_sender
from worker.core.clock import FakeClock
from worker.core.records import Draft, Position, Record
from worker.lifecycle import serving
from worker.services import run_webhooks
from worker.settings import load
from worker.webhooks.outbox import Outbox
from worker.webhooks.posting import Poster
from worker.webhooks.settings import WebhookSettings
from worker.webhooks.signing import signed_headers
from worker.webhooks.sink import WebhookSink

SECRET = "a secret that both sides know"


@dataclass
class Receiver:
    """What a tenant's server got, and what it answers next."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: Request) -> Response:
        self.got.append((dict(request.headers), await request.body()))
        self.arrived.set()
        return Response(status_code=self.answers.pop(0) if self.answers else 204, headers={"location": "/elsewhere"})


@asynccontextmanager
async def receiver(folder: Path) -> AsyncIterator[Receiver]:
    """A server that speaks TLS on loopback."""
    one, (pem, key) = Receiver(), certificate(folder)
    app = Starlette(routes=[Route("/hook", one.take, methods=["POST"])])
    async with serving(app, host="127.0.0.1", port=0, certificate=pem, key=key) as port:
        one.url = f"https://127.0.0.1:{port}/hook"
        yield one


def settings_for(url: str, folder: Path, **more: Any) -> WebhookSettings:
    document = {
        "tenants": {"acme": {"url": url, "secret": SECRET}},
        "state": folder / "webhooks.db",
        "networks": ["127.0.0.0/8"],
        "ca_file": folder / "cert.pem",
        "attempts": 3,
        "first_wait_s": 10,
    }
    return WebhookSettings.model_validate(document | more)


@asynccontextmanager
async def sink_of(
    settings: WebhookSettings, clock: FakeClock, **more: Any
) -> AsyncIterator[tuple[WebhookSink, Outbox]]:
    outbox, poster = Outbox(settings.state), Poster(settings, clock, **more)

    def no_tail(_: object) -> Any:
        raise AssertionError

    yield WebhookSink(settings, outbox, poster, no_tail, clock, jitter=lambda: 1.0), outbox
    await poster.close()
    outbox.close()


def published(numbers: Sequence[int], tenant: str = "acme") -> list[Record]:
    """Decisions as they stand in a topic: allow, flag, block in turn."""
    found = []
    for number in numbers:
        said = decision(number, tenant=tenant)
        headers = (("action", said["action"].encode()), ("tenant", tenant.encode()))
        found.append(Record(Position("moderation.flag", 0, number), None, orjson.dumps(said), headers, 0))
    return found


async def attempt(sink: WebhookSink) -> int:
    """All that is due, once; returns how many."""
    due = sink.due()
    await asyncio.gather(*(sink.deliver(one) for one in due))
    return len(due)


async def test_a_decision_arrives_signed(tmp_path: Path) -> None:
    """Only those that the tenant asked for, with the bytes that were published; nothing is left to do then."""
    clock = FakeClock()
    async with receiver(tmp_path) as there, sink_of(settings_for(there.url, tmp_path), clock) as (sink, outbox):
        sink.take([*published(range(3)), *published(range(3), tenant="beta")])
        assert await attempt(sink) == 2
        assert (outbox.waiting(), outbox.positions) == (0, {("moderation.flag", 0): 3})
    assert sorted(orjson.loads(body)["action"] for _, body in there.got) == ["block", "flag"]
    for headers, body in there.got:
        signed = signed_headers(orjson.loads(body)["id"], body, SECRET.encode(), int(clock.wall()))
        assert {name: headers[name] for name in signed} == signed


async def test_a_failed_delivery_is_tried_again_with_growing_waits(tmp_path: Path) -> None:
    """10 s, then 20 s; a redirect is a failure like any other."""
    clock = FakeClock()
    async with receiver(tmp_path) as there, sink_of(settings_for(there.url, tmp_path), clock) as (sink, outbox):
        there.answers = [503, 302]
        sink.take(published([1]))
        for wait_s in (10.0, 20.0):
            assert await attempt(sink) == 1
            assert await attempt(sink) == 0
            clock.advance(wait_s - 0.001)
            assert await attempt(sink) == 0
            clock.advance(0.002)
        assert await attempt(sink) == 1
        assert outbox.waiting() == 0
    assert len(there.got) == 3
    assert len({headers["webhook-id"] for headers, _ in there.got}) == 1


async def test_after_the_last_attempt_it_is_set_aside_and_can_be_sent_again(tmp_path: Path) -> None:
    """With why; the next decisions of the tenant go on."""
    clock = FakeClock()
    async with receiver(tmp_path) as there, sink_of(settings_for(there.url, tmp_path), clock) as (sink, outbox):
        there.answers = [500] * 3
        sink.take(published([1]))
        for _ in range(3):
            await attempt(sink)
            clock.advance(1_000)
        assert [(one.attempts, one.last) for one in outbox.dead()] == [(3, "http_500")]
        assert await attempt(sink) == 0
        assert outbox.redrive(int(clock.wall() * 1000)) == 1
        assert await attempt(sink) == 1
        assert (outbox.waiting(), outbox.dead()) == (0, [])


async def test_a_receiver_that_is_gone_is_asked_once(tmp_path: Path) -> None:
    """410."""
    async with receiver(tmp_path) as there, sink_of(settings_for(there.url, tmp_path), FakeClock()) as (sink, outbox):
        there.answers = [410]
        sink.take(published([1]))
        await attempt(sink)
        assert [one.last for one in outbox.dead()] == ["gone"]


async def test_one_tenant_holds_up_no_other(tmp_path: Path) -> None:
    """Its place is bounded, whatever waits for it."""
    url = "https://192.0.2.1/"
    tenants = {name: {"url": url, "secret": SECRET} for name in ("acme", "beta")}
    settings = settings_for(url, tmp_path, tenants=tenants, at_once=4, at_once_tenant=2, ca_file=None)
    async with sink_of(settings, FakeClock()) as (sink, _):
        sink.take([*published([1, 4, 7, 10, 13]), *published([1], tenant="beta")])
        assert sorted(one.tenant for one in sink.due()) == ["acme", "acme", "beta"]


ANSWERS: list[tuple[str, list[str]]] = [
    ("https://127.0.0.1:1/", ["127.0.0.1"]),
    ("https://inside.example/", ["10.0.0.7"]),
    ("https://meta.example/", ["169.254.169.254"]),
    ("https://lottery.example/", ["93.184.215.14", "127.0.0.1"]),
    ("https://six.example/", ["::ffff:127.0.0.1"]),
]


@pytest.mark.parametrize(("url", "addresses"), ANSWERS, ids=[url for url, _ in ANSWERS])
async def test_what_is_not_public_is_never_posted_to(tmp_path: Path, url: str, addresses: list[str]) -> None:
    """By any name; set aside at once."""

    async def look_up(host: str, port: int) -> list[str]:
        return addresses

    settings = settings_for(url, tmp_path, networks=[], ca_file=None)
    async with sink_of(settings, FakeClock(), look_up=look_up) as (sink, outbox):
        sink.take(published([1]))
        await attempt(sink)
        assert [one.last for one in outbox.dead()] == ["address_refused"]


async def test_a_server_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    """Its certificate is checked."""
    async with receiver(tmp_path) as there:
        settings = settings_for(there.url, tmp_path, ca_file=None)
        async with sink_of(settings, FakeClock()) as (sink, outbox):
            sink.take(published([1]))
            await attempt(sink)
            assert outbox.waiting() == 1
    assert there.got == []


async def test_decisions_go_from_the_topics_to_their_tenant(tmp_path: Path) -> None:
    """As `tidegate webhooks run` does it; a second run goes on, and repeats at most what was under way."""
    async with receiver(tmp_path) as there:
        hooks = settings_for(there.url, tmp_path).model_dump(mode="json")
        hooks["tenants"]["acme"]["secret"] = SECRET
        settings = load(None, {"transport": "sqlite", "sqlite.path": tmp_path / "queue.db", "webhooks": hooks})
        sender = make_sender(settings)
        await sender.start()

        async def publish(numbers: Sequence[int]) -> None:
            await sender.send([Draft(settings.topics.flag, None, one.value, one.headers) for one in published(numbers)])

        async def running_until(done: Callable[[], bool]) -> None:
            task = asyncio.create_task(run_webhooks(settings))
            async with asyncio.timeout(20):
                while not done():
                    there.arrived.clear()
                    await there.arrived.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        def ids() -> set[str]:
            return {headers["webhook-id"] for headers, _ in there.got}

        await publish([1, 2])
        await running_until(lambda: len(ids()) == 2)
        await publish([4])
        await running_until(lambda: len(ids()) == 3)
        await sender.stop()
    assert ids() == {"d-acme-1", "d-acme-2", "d-acme-4"}
    assert len(there.got) <= 5
