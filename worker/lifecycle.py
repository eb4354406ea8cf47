"""Signals, drain and the HTTP server: how a worker starts, is asked how it is, and stops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from worker.core.errors import ConfigError
from worker.health import Report

log = structlog.get_logger(__name__)


def spare_the_collector() -> None:
    """
    Take what is loaded out of the garbage collector's rounds and make them rarer.

    Thousands of events in flight are live objects: walking them again and again cost a third of the time of a worker
    of lists alone, and found nothing, since events make no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


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
async def serving(
    app: Starlette,
    *,
    host: str,
    port: int,
    certificate: Path | None = None,
    key: Path | None = None,
    behind_proxy: bool = False,
) -> AsyncIterator[int]:
    """
    Serve `app` while the block runs; gives the port, which is a free one for `port=0`.

    certificate, key: PEM files; with them TLS is spoken. Raises ConfigError when they cannot be used.
    behind_proxy: believe a proxy on this machine which address a request comes from; else anybody here could say so.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        lifespan="off",
        access_log=False,
        server_header=False,
        proxy_headers=behind_proxy,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError among them
        raise ConfigError(f"{certificate} and {key} cannot be used for TLS: {error}") from None
    server = _Server(config)
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
    before = {number: signal.getsignal(number) for number in handled}
    for number in handled:
        loop.add_signal_handler(number, handle, number.name)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])  # asyncio leaves the default, also where it was ignored (nohup, &)
