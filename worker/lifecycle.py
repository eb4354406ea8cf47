"""Signals, drain and health: how a worker starts, says how it is, and stops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from worker import __version__
from worker.core.errors import ClientStuck
from worker.core.metrics import Metrics
from worker.core.ports import Transport
from worker.pipeline.flow import Flow
from worker.watchdog import Signs, Watchdog

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
_MOST_NAMED = 5
ALIVE_S = 30.0  # a poll is never this long in coming unless the loop hangs


def _refused(policies: Sequence[dict[str, Any]]) -> str:
    """Which policies are on an older version, because their newest file is not good."""
    names = [policy["name"] for policy in policies if policy["code"]]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"; refused is the newest file of {', '.join(names[:_MOST_NAMED])}{more}" if names else ""


def spare_the_collector() -> None:
    """
    Take what is loaded out of the garbage collector's rounds and make them rarer.

    Thousands of events in flight are live objects: walking them again and again cost a third of the time of a worker
    of lists alone, and found nothing, since events make no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of health."""

    name: str
    ok: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "ok": self.ok, "detail": self.detail}


class Health:
    """What the worker says of itself. Reads state, changes none."""

    def __init__(
        self,
        flow: Flow,
        transport: Transport,
        metrics: Metrics,
        policies: Callable[[], list[dict[str, Any]]],
        policy_source: Callable[[], dict[str, Any]],
    ) -> None:
        self._flow = flow
        self._transport = transport
        self._metrics = metrics
        self._policies = policies
        self._policy_source = policy_source
        self._dog = Watchdog(flow.clock, flow.settings.stuck_s)
        self.models: list[dict[str, str]] | None = None  # None until they are loaded
        self.breaker: Callable[[], list[dict[str, Any]]] = list  # categories that are not trusted to block now

    def signs(self) -> Signs:
        """What the watchdog looks at."""
        flow, queue, now = self._flow, self._transport.health(), self._flow.clock.now()
        return Signs(
            poll_s=now - flow.last_poll,
            silent_s=queue.silent_s,
            commit_s=now - flow.commits_fail_since if flow.commits_fail_since is not None else 0.0,
            answering=queue.connected,
            partitions=len(queue.partitions),
            draining=flow.stopping.is_set(),
        )

    async def watch(self) -> None:
        """
        Look every second, until cancelled.

        Raises:
            ClientStuck: the queue answers others and not this worker's client.
        """
        while (found := self._dog.look(self.signs())).alive:  # noqa: ASYNC110  # nothing tells of an age
            await asyncio.sleep(LOOK_EVERY_S)
        raise ClientStuck(f"{found.detail}: start the worker again")

    def alive(self) -> Check:
        """The loop turns. A queue that is away, or has nothing for this worker, does not make a worker dead."""
        signs = self.signs()
        found = self._dog.look(signs)
        turning = signs.poll_s < ALIVE_S or not signs.answering or signs.draining
        return Check("loop", found.alive and turning, found.detail)

    def ready(self) -> list[Check]:
        """All that must hold before the worker counts as ready."""
        queue = self._transport.health()
        policies = self._policies()
        applied = [p for p in policies if p["active_revision"]]
        return [
            Check("queue", queue.connected, queue.detail),
            Check("models", self.models is not None, "loaded" if self.models is not None else "loading"),
            Check("policies", bool(applied), f"{len(applied)} of {len(policies)} policies active{_refused(policies)}"),
            Check(
                "publish",
                not self._flow.publish_failing,
                "the queue does not acknowledge" if self._flow.publish_failing else "acknowledged",
            ),
        ]

    def status(self) -> dict[str, Any]:
        """The whole of it, for people."""
        queue = self._transport.health()
        events, decoded_bytes = self._flow.credits.held
        return {
            "version": __version__,
            "ready": [check.as_json() for check in self.ready()],
            "queue": {
                "connected": queue.connected,
                "detail": queue.detail,
                "partitions": [f"{p.topic}[{p.number}]" for p in queue.partitions],
                "lag": {f"{p.topic}[{p.number}]": lag for p, lag in queue.lag.items()},
            },
            "in_flight": {"events": events, "decoded_bytes": decoded_bytes},
            "policy_source": self._policy_source(),
            "policies": self._policies(),
            "models": self.models,
            "breaker": self.breaker(),
        }

    def exposition(self) -> bytes:
        """Prometheus text; gauges are read at the scrape."""
        metrics, queue = self._metrics, self._transport.health()
        metrics.lag.clear()
        for partition, lag in queue.lag.items():
            metrics.lag.labels(partition.topic, str(partition.number)).set(lag)
        metrics.partitions.set(len(queue.partitions))
        metrics.poll_age.set(self._flow.clock.now() - self._flow.last_poll)
        events, decoded_bytes = self._flow.credits.held
        metrics.in_flight.set(events)
        metrics.in_flight_bytes.set(decoded_bytes)
        return generate_latest(metrics.registry)


async def either(*lives: Coroutine[Any, Any, None]) -> None:
    """Run several at once until the first ends or raises; the others are cancelled and waited for."""
    tasks = [asyncio.create_task(life) for life in lives]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Report(Protocol):
    """What the HTTP endpoints ask for."""

    def alive(self) -> Check: ...

    def ready(self) -> list[Check]: ...

    def status(self) -> dict[str, Any]: ...

    def exposition(self) -> bytes: ...


class Loading:
    """The report of a worker whose models are still being loaded."""

    def __init__(self) -> None:
        self.detail = "loading models"

    def alive(self) -> Check:
        return Check("loop", True, self.detail)

    def ready(self) -> list[Check]:
        return [Check("models", False, self.detail)]

    def status(self) -> dict[str, Any]:
        return {"version": __version__, "ready": [check.as_json() for check in self.ready()]}

    def exposition(self) -> bytes:
        return b""


def http_app(report: Callable[[], Report]) -> Starlette:
    """`/healthz`, `/readyz`, `/status`, `/metrics`, of whatever `report` gives at the moment."""

    async def healthz(_: Request) -> Response:
        check = report().alive()
        return JSONResponse(check.as_json(), 200 if check.ok else 503)

    async def readyz(_: Request) -> Response:
        checks = report().ready()
        ready = all(check.ok for check in checks)
        return JSONResponse({"ready": ready, "checks": [c.as_json() for c in checks]}, 200 if ready else 503)

    async def status(_: Request) -> Response:
        return JSONResponse(report().status())

    async def metrics(_: Request) -> Response:
        return Response(report().exposition(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/status", status),
            Route("/metrics", metrics),
        ]
    )


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the worker has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(app: Starlette, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve `app` while the block runs; gives the port, which is a free one for `port=0`."""
    server = _Server(uvicorn.Config(app, host=host, port=port, log_level="warning", lifespan="off", access_log=False))
    task = asyncio.create_task(server.serve(), name="http")
    while not server.started and not task.done():  # noqa: ASYNC110  # uvicorn offers no event for it
        await asyncio.sleep(0.01)
    if task.done():
        task.result()
    bound: int = server.servers[0].sockets[0].getsockname()[1]
    log.info("http.serving", host=host, port=bound)
    try:
        yield bound
    finally:
        server.should_exit = True
        await task


@contextlib.contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT drain; a second one stops at once."""
    loop = asyncio.get_running_loop()
    seen = 0

    def handle(name: str) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            log.warning("signal.second", signal=name, effect="stopping at once; what is unfinished is read again")
            for task in asyncio.all_tasks(loop):
                task.cancel()
            return
        log.info("signal", signal=name, effect="draining")
        stop()

    handled = (signal.SIGTERM, signal.SIGINT)
    for number in handled:
        loop.add_signal_handler(number, handle, number.name)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
