"""What a process runs: a worker with its health pages, the HTTP endpoint and the decision store, as settings say."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import structlog
from starlette.routing import BaseRoute

from worker.app import (
    Outside,
    Worker,
    check_policies,
    load_models,
    make_sender,
    make_tail,
    make_transport,
)
from worker.core.clock import Clock, SystemClock
from worker.core.ports import Tail, Transport
from worker.core.records import Partition
from worker.health import Loading, Report
from worker.lifecycle import http_app, serving, spare_the_collector, stop_on_signals
from worker.pipeline.changelog import OpenTail
from worker.pipeline.deadman import dead_man
from worker.policy.feed import StatusFeed
from worker.reaching import routes_of
from worker.score.profile import Models
from worker.serve.api import Api, serve_app
from worker.serve.keys import read_keys
from worker.serve.pictures import Pictures
from worker.serve.reread import Reread
from worker.settings import Settings
from worker.store.following import Follower, Keeper
from worker.store.writing import StoreWriter
from worker.tracing import tracing
from worker.transport.lines import LinesTransport
from worker.webhooks.outbox import Outbox
from worker.webhooks.posting import Poster
from worker.webhooks.sink import WebhookSink
from worker.window import language

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 0.2
_STOPPING: set[asyncio.Future[None]] = set()  # held, since the loop itself holds tasks weakly


async def run_worker(settings: Settings) -> None:
    """`tidegate run`: models, policies, queue, health, and what else is switched on; returns after a drain."""
    await _run(settings, lambda clock: make_transport(settings, clock), endpoint=settings.serve.enabled, follow=True)


async def run_endpoint(settings: Settings, *, follow: bool) -> None:
    """`tidegate serve`: the HTTP endpoint without a queue. `follow`: the store is filled from the topics too."""

    def nothing(_: Clock) -> Transport:
        return LinesTransport(iter(()), lambda outgoing: None)

    await _run(settings, nothing, endpoint=True, follow=follow)


async def fill_store(settings: Settings, *, until_end: bool) -> int:
    """
    `tidegate store fill`: decisions from the topics into the store, until stopped; returns how many were new.

    until_end: only what stands there now.
    """
    async with keeping(settings, SystemClock()) as keeper:
        follower = make_follower(settings, keeper)
        task = asyncio.create_task(follower.run(until_end=until_end), name="store")
        with (
            stop_on_signals(partial(_cancel, task)),
            suppress(asyncio.CancelledError),
        ):
            await task
        return follower.kept


async def run_webhooks(settings: Settings) -> None:
    """`tidegate webhooks run`: decisions from the topics to their tenants, until stopped."""
    topics, clock, outbox = settings.topics, SystemClock(), Outbox(settings.webhooks.state)
    poster = Poster(settings.webhooks, clock)

    def tail(positions: Mapping[Partition, int]) -> Tail:
        names = tuple(dict.fromkeys((topics.allow, topics.flag, topics.block)))
        return make_tail(settings, names, from_beginning=True, resume=positions)

    task = asyncio.create_task(WebhookSink(settings.webhooks, outbox, poster, tail, clock).run(), name="webhooks")
    try:
        with stop_on_signals(partial(_cancel, task)), suppress(asyncio.CancelledError):
            await task
    finally:
        await poster.close()
        outbox.close()


async def _run(settings: Settings, make_queue: Callable[[Clock], Transport], *, endpoint: bool, follow: bool) -> None:
    clock = SystemClock()
    check_policies(settings)
    report: Report = Loading()
    asked_early = asyncio.Event()
    stop: Callable[[], None] = asked_early.set
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(stop_on_signals(lambda: stop()))
        if settings.http.enabled:
            app = http_app(lambda: report)
            await stack.enter_async_context(serving(app, host=settings.http.host, port=settings.http.port))
        keeper = None
        if settings.store.path is not None:
            keeper = await stack.enter_async_context(keeping(settings, clock))
        models = await asyncio.to_thread(load_models, settings.models.model_dump(), _told)
        if models.languages:
            await asyncio.to_thread(language.load)
        if asked_early.is_set():
            return
        traces = stack.enter_context(tracing(settings))
        outside = Outside(settings.state, make_status_feed(settings, clock), make_open_tail(settings), traces=traces)
        transport = make_queue(clock)
        worker = Worker(settings, transport, models, clock=clock, outside=outside)
        report, stop = worker.health, partial(_stop, worker)
        if endpoint:
            worker.counter.keep = keeper.keep if keeper is not None else None
            stopping = asyncio.Event()  # ends the console's live streams, which else would keep the server
            routes = routes_of(settings, worker, models.concepts, keeper, clock, stopping, queue=follow)
            await stack.enter_async_context(answering(settings, worker, routes))
            stack.callback(stopping.set)
        if keeper is not None and follow:
            await stack.enter_async_context(following(make_follower(settings, keeper), transport, worker))
        spare_the_collector()
        await stack.enter_async_context(dead_man(settings.parking.stall_s))
        await worker.run()


@contextlib.asynccontextmanager
async def answering(settings: Settings, worker: Worker, more: Sequence[BaseRoute] = ()) -> AsyncIterator[int]:
    """The HTTP endpoint of `worker`, with `more` routes beside, while the block runs; gives its port."""
    serve = settings.serve
    told, clock = worker.metrics.on_secret, worker.flow.clock
    keys = Reread(serve.keys, read_keys, clock, told) if serve.keys is not None else None
    pictures = None
    if settings.claims.hosts:
        pictures = Pictures(worker.claims, most=settings.limits.image_bytes, most_all=serve.body_bytes)
    api = Api(serve, lambda: worker.counter, keys, worker.metrics, pictures)
    app = serve_app(api, more)
    async with serving(
        app,
        host=serve.host,
        port=serve.port,
        certificate=serve.tls_certificate,
        key=serve.tls_key,
        behind_proxy=serve.behind_proxy,
    ) as port:
        yield port


@contextlib.asynccontextmanager
async def consoled(
    settings: Settings, worker: Worker, models: Models, transport: Transport, clock: Clock
) -> AsyncIterator[int]:
    """The endpoint and the console of a worker that runs, over a store filled from its topics; gives the port."""
    stopping = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        keeper = await stack.enter_async_context(keeping(settings, clock))
        await stack.enter_async_context(following(make_follower(settings, keeper), transport, worker))
        routes = routes_of(settings, worker, models.concepts, keeper, clock, stopping, queue=True)
        port = await stack.enter_async_context(answering(settings, worker, routes))
        stack.callback(stopping.set)
        yield port


@contextlib.asynccontextmanager
async def keeping(settings: Settings, clock: Clock) -> AsyncIterator[Keeper]:
    """The decision store, open for writing while the block runs."""
    path = settings.store.path
    assert path is not None, "a store without a path is opened. This is a bug."
    keeper = Keeper(lambda: StoreWriter(path, settings.store, clock), clock)
    await keeper.start()
    try:
        yield keeper
    finally:
        await keeper.stop()


def make_follower(settings: Settings, keeper: Keeper) -> Follower:
    """Fills a store from the topics that the settings name."""
    topics = settings.topics
    remarks = {name: kind for name, kind in ((topics.appeals, "appeal"), (topics.reviews, "review")) if name}
    names = tuple(dict.fromkeys((topics.allow, topics.flag, topics.block, *remarks)))

    def tail(positions: Mapping[Partition, int]) -> Tail:
        return make_tail(settings, names, from_beginning=True, resume=positions)

    return Follower(keeper, tail, remarks)


@contextlib.asynccontextmanager
async def following(follower: Follower, transport: Transport, worker: Worker) -> AsyncIterator[None]:
    """Fill the store while the block runs, once the worker has joined the queue; what breaks it stops the worker."""

    async def follow() -> None:
        while not transport.health().connected:  # noqa: ASYNC110  # nothing tells of it; topics may be made then
            await asyncio.sleep(_LOOK_AGAIN_S)
        await follower.run()

    def on_end(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("store.broke", error=repr(error))
            worker.pipeline.stop()

    task = asyncio.create_task(follow(), name="store")
    task.add_done_callback(on_end)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _told(what: str, done: int, of: int) -> None:
    log.info("loading", what=what, done=done, of=of)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _stop(worker: Worker) -> None:
    task = asyncio.ensure_future(worker.stop())
    _STOPPING.add(task)
    task.add_done_callback(_STOPPING.discard)


def make_status_feed(settings: Settings, clock: Clock) -> StatusFeed | None:
    """Sends the policies' status, when a topic is named for it."""
    topic = settings.topics.status
    if topic is None:
        return None
    worker = f"{socket.gethostname()}:{os.getpid()}"
    return StatusFeed(lambda: make_sender(settings, (topic,)), topic, worker, clock)


def make_open_tail(settings: Settings) -> OpenTail:
    """Opens readers of one topic of the queue, from given offsets on."""
    return lambda topic, starts: make_tail(settings, (topic,), from_beginning=True, starts=starts)
