"""Composition root: the only file that names concrete classes and wires them."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import structlog

from worker.core.clock import Clock, SystemClock
from worker.core.errors import ConfigError
from worker.core.metrics import Metrics
from worker.core.ports import Sender, Tail, Transport
from worker.core.records import Outgoing
from worker.decode import EventDecoder
from worker.deliver.decision import DecisionWriter
from worker.deliver.suspects import Suspects
from worker.lifecycle import Health, Loading, Report, http_app, serving, spare_the_collector, stop_on_signals
from worker.pipeline import Pipeline
from worker.pipeline.deciding import Deciding
from worker.pipeline.desk import Desk
from worker.pipeline.flow import Flow
from worker.pipeline.intake import Intake
from worker.pipeline.judging import Judging
from worker.pipeline.outlet import Outlet
from worker.pipeline.parking import Parking
from worker.pipeline.preparing import Preparing
from worker.pipeline.threads import DecodeThreads
from worker.policy.compile import decide_each
from worker.policy.store import PolicyStore
from worker.score.device import BatchReport, Device
from worker.score.profile import Models, load_models
from worker.settings import Settings
from worker.transport.lines import LinesTransport
from worker.window.views import Views

log = structlog.get_logger(__name__)

OnLoading = Callable[[str, int, int], None]  # what is loading, how many are done, of how many


def _quiet(what: str, done: int, of: int) -> None:
    log.info("loading", what=what, done=done, of=of)


class Worker:
    """One worker over one transport, wired and not yet running."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        models: Models,
        *,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self._settings = settings
        self.metrics = Metrics()
        reach = 2 * settings.flow.events + 20_000  # in flight, and read until the next commit
        suspects = Suspects(uuid.uuid4().hex[:12], reach=reach, deaths=settings.parking.deaths)
        self.flow = Flow(settings.flow, transport.order, clock, self.metrics, suspects)
        parking = Parking(self.flow, settings.parking)
        self.policies = PolicyStore(
            settings.policies,
            models.concepts,
            clock,
            on_reload=lambda result: self.metrics.reloads.labels(result).inc(),
        )
        self.health = Health(self.flow, transport, self.metrics, self._policy_status)
        self.health.models = [{"name": m.name, "version": m.version, "digest": m.digest} for m in models.refs]
        judging = Judging(self.flow, Views(models.tokenizer), models.scorers, models.readers, parking)
        self._device = Device(models.lanes(clock), clock, judging.on_done, self._on_batch)
        judging.attach(self._device)
        threads = DecodeThreads(settings.models.decode_threads)
        decoder = EventDecoder(settings.limits)
        self.desk = Desk(self.flow, judging, decoder, threads)
        key = settings.content_key.get_secret_value().encode() if settings.content_key else None
        preparing = Preparing(self.flow, decoder, judging, threads, parking, settings.parking)
        deciding = Deciding(decide_each, DecisionWriter(clock, content_key=key), parking)
        outlet = Outlet(self.flow, transport, deciding, parking)
        self.pipeline = Pipeline(
            self.flow,
            transport,
            Intake(self.flow, transport, decoder, self.policies, judging, preparing, parking, outlet),
            outlet,
            threads,
        )

    async def run(self) -> None:
        """Load the policies, run until stopped, watch for changed policies meanwhile."""
        await self.policies.load()
        if not self.health.models:
            log.warning("models.none", effect="lists alone decide; events with pictures or sound are degraded")
        self._device.start()
        watching = asyncio.create_task(self.policies.watch(self.flow.stopping), name="policies")
        watching.add_done_callback(self._watch_ended)
        try:
            await self.pipeline.run()
        finally:
            self.flow.stopping.set()
            await self._device.close(1.0)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    def _watch_ended(self, task: asyncio.Task[None]) -> None:
        """Without the watch no change of policy would be seen, so a watch that breaks stops the worker."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("policies.watch_broke", error=repr(error))
            self.pipeline.stop()

    def _on_batch(self, report: BatchReport) -> None:
        self.metrics.on_batch(
            report.lane,
            report.items,
            report.cost,
            report.padded,
            report.left_because,
            report.wait_s,
            report.run_s,
        )

    def _policy_status(self) -> list[dict[str, Any]]:
        return [
            {
                "id": status.id,
                "digest": status.active,
                "version": status.version,
                "activated": status.activated,
                "tenants": len(status.tenants),
                "error": status.error,
            }
            for status in self.policies.status()
        ]


def make_transport(settings: Settings, clock: Clock) -> Transport:
    """The queue of `settings.transport`."""
    if settings.transport == "sqlite":
        from worker.transport.sqlite import SqliteTransport

        return SqliteTransport(settings.sqlite, settings.topics, clock)
    if settings.delivery == "exactly-once":
        from worker.transport.kafka_exact import ExactKafkaTransport

        return ExactKafkaTransport(settings.kafka, settings.topics, clock)
    from worker.transport.kafka import KafkaTransport

    return KafkaTransport(settings.kafka, settings.topics, clock)


def make_sender(settings: Settings) -> Sender:
    """Appends to the queue of `settings.transport`."""
    if settings.transport == "sqlite":
        from worker.transport.sqlite_ends import SqliteSender

        topics = (settings.topics.events, *settings.topics.outputs)
        return SqliteSender(settings.sqlite, topics, SystemClock())
    from worker.transport.kafka_ends import KafkaSender

    return KafkaSender(settings.kafka, (settings.topics.events,))


def make_tail(settings: Settings, topics: Sequence[str], *, from_beginning: bool) -> Tail:
    """Reads topics of the queue of `settings.transport`."""
    if settings.transport == "sqlite":
        from worker.transport.sqlite_ends import SqliteTail

        return SqliteTail(settings.sqlite, topics, from_beginning=from_beginning)
    from worker.transport.kafka_ends import KafkaTail

    return KafkaTail(settings.kafka, topics, from_beginning=from_beginning)


def check_policies(settings: Settings) -> None:
    """Refuse before seconds of loading models what would be refused after it."""
    if not settings.policies.is_dir():
        raise ConfigError(f"there is no folder of policies at {settings.policies}: name it with --policies")


async def run_worker(settings: Settings) -> None:
    """`tidegate run`: models, policies, transport, health; returns after a drain."""
    clock = SystemClock()
    check_policies(settings)
    report: Report = Loading()
    async with contextlib.AsyncExitStack() as stack:
        if settings.http.enabled:
            app = http_app(lambda: report)
            await stack.enter_async_context(serving(app, host=settings.http.host, port=settings.http.port))
        models = await asyncio.to_thread(load_models, settings.models.model_dump(), _quiet)
        worker = Worker(settings, make_transport(settings, clock), models, clock=clock)
        report = worker.health
        stack.enter_context(stop_on_signals(worker.pipeline.stop))
        spare_the_collector()
        await worker.run()


async def judge_lines(
    settings: Settings, lines: Iterator[bytes], on_outgoing: Callable[[Outgoing], None], on_loading: OnLoading = _quiet
) -> None:
    """`tidegate moderate`: event lines through the same pipeline, answers in the lines' order."""
    check_policies(settings)
    models = await asyncio.to_thread(load_models, settings.models.model_dump(), on_loading)
    transport = LinesTransport(lines, on_outgoing)
    worker = Worker(settings, transport, models)
    spare_the_collector()
    async with running(worker):
        await transport.finished.wait()


@contextlib.asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[Worker]:
    """Run `worker` while the block runs, then drain it; what breaks the worker breaks the block."""
    task = asyncio.create_task(worker.run(), name="worker")
    block = asyncio.current_task()
    assert block is not None
    leaving = False

    def on_end(_: asyncio.Task[None]) -> None:
        if not leaving:
            block.cancel()

    task.add_done_callback(on_end)
    try:
        yield worker
    except asyncio.CancelledError:
        if task.done() and not task.cancelled():
            task.result()  # says why the worker ended
        raise
    finally:
        leaving = True
        worker.pipeline.stop()
        if not task.done():
            await task


__all__ = [
    "Models",
    "Worker",
    "judge_lines",
    "load_models",
    "make_sender",
    "make_tail",
    "make_transport",
    "run_worker",
    "running",
]
