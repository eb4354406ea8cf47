"""Composition root: the only file that names concrete classes and wires them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from worker.core.clock import Clock, SystemClock
from worker.core.errors import ConfigError, WorkerHung
from worker.core.metrics import Metrics
from worker.core.ports import Transport
from worker.core.records import Outgoing
from worker.core.traces import NoTraces, Traces
from worker.core.views import ViewKind
from worker.decode.opening import Decoding
from worker.deliver.admission import Admission, GroupShare
from worker.deliver.afterwards import Afterwards
from worker.deliver.decision import DecisionWriter
from worker.deliver.sample import ReviewSample
from worker.deliver.suspects import Suspects
from worker.health import Health
from worker.lifecycle import either, spare_the_collector
from worker.pipeline import Pipeline
from worker.pipeline.calls import Heard
from worker.pipeline.cascading import cascading
from worker.pipeline.changelog import Changelog, OpenTail
from worker.pipeline.counter import Counter
from worker.pipeline.deciding import Deciding
from worker.pipeline.desk import Desk
from worker.pipeline.flow import Flow
from worker.pipeline.hearing import listen
from worker.pipeline.intake import Intake
from worker.pipeline.judging import Judging
from worker.pipeline.outlet import Outlet
from worker.pipeline.parking import Parking
from worker.pipeline.preparing import Preparing
from worker.pipeline.rehearsal import Rehearsal
from worker.pipeline.routing import Routing
from worker.pipeline.streams import Streams
from worker.pipeline.threads import DecodeThreads
from worker.policy.compile import decide_each
from worker.policy.feed import StatusFeed
from worker.policy.owntests import OwnTests
from worker.policy.safeguards import safeguards
from worker.policy.settings import place_of
from worker.policy.source import PolicySource
from worker.policy.source.opening import open_source
from worker.policy.store import PolicyStore
from worker.score.device import BatchReport, Device
from worker.score.profile import Models, load_models
from worker.settings import Settings
from worker.stream.book import StreamBook
from worker.transport.lines import LinesTransport
from worker.transport.opening import make_sender, make_tail, make_transport
from worker.window.conversation import Conversations
from worker.window.views import Views

log = structlog.get_logger(__name__)

OnLoading = Callable[[str, int, int], None]  # what is loading, how many are done, of how many


def _quiet(what: str, done: int, of: int) -> None:
    log.info("loading", what=what, done=done, of=of)


@dataclass(frozen=True, slots=True)
class Outside:
    """What a worker leaves behind beside its decisions: nothing at all for a one-shot."""

    state: Path | None = None  # folder for the last good policies
    status_feed: StatusFeed | None = None
    open_tail: OpenTail | None = None  # reads a topic again, for what streams were before
    traces: Traces = field(default_factory=NoTraces)


class Worker:
    """One worker over one transport, wired and not yet running."""

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        models: Models,
        *,
        clock: Clock | None = None,
        outside: Outside | None = None,
    ) -> None:
        clock, outside = clock or SystemClock(), outside or Outside()
        self._settings = settings
        self.metrics = Metrics()
        reach, deaths = 2 * settings.flow.events + 20_000, settings.parking.deaths  # in flight, and read until a commit
        suspects = Suspects(uuid.uuid4().hex[:12], reach=reach, deaths=deaths)
        self.flow = Flow(settings.flow, transport.order, clock, self.metrics, suspects, outside.traces)
        parking = Parking(self.flow, settings.parking)
        views = Views(models.tokenizer, models.languages)
        cascade = cascading(models)
        routing = Routing(models.scorers, models.readers, cascade)
        judging = Judging(self.flow, views, routing, parking, cascade)
        calls = listen(self.flow, judging, views, models.readers.get(ViewKind.AUDIO))
        self._calls = calls
        hung_s, on_lost = settings.parking.model_s, self._on_lost
        lanes = models.lanes(clock)
        at_once, tell = models.at_once, self._on_batch
        self._device = Device(lanes, clock, judging.on_done, tell, threads=at_once, hung_s=hung_s, on_lost=on_lost)
        judging.attach(self._device)
        threads = DecodeThreads(settings.models.decode_threads)
        self._decoding = Decoding(settings.limits, settings.decoding, settings.claims, self.metrics.on_claim)
        decoder, claims = self._decoding.decoder, self._decoding.claims
        self.claims = claims  # the endpoint fetches pictures by it too
        self.desk = Desk(self.flow, judging, decoder, threads)
        self._feed = outside.status_feed
        own_tests = OwnTests(self.desk, has_models=bool(models.scorers))
        self.policies = PolicyStore(
            make_policy_source(settings),
            models.concepts,
            clock,
            lambda result: self.metrics.reloads.labels(result).inc(),
            safeguards(settings.policy_source, own_tests=own_tests, state=outside.state),
            self._feed.put if self._feed else lambda statuses: None,
        )
        self.health = Health(self.flow, transport, self.metrics, self._policy_status, self._source_status)
        self.health.models = [{"name": m.name, "version": m.version, "digest": m.digest} for m in models.refs]
        key = settings.content_secret
        preparing = self._preparing = Preparing(self.flow, decoder, judging, threads, parking, settings.parking, claims)
        share = GroupShare(transport, clock)
        afterwards = Afterwards(settings.breaker, clock, self.metrics, share)
        self.health.breaker = afterwards.status
        sample = ReviewSample(settings.review) if settings.topics.review else None
        writer = DecisionWriter(clock, content_key=key, afterwards=afterwards, sample=sample)
        most = settings.flow.streams
        self.streams = Streams(StreamBook(most), Conversations(most), decide_each)
        rehearsal = Rehearsal(self.flow, preparing, calls)
        changelog = Changelog(self.streams, rehearsal, decoder, self.policies, outside.open_tail, settings.topics)
        self.flow.on_forget += [self.streams.forget, changelog.forget]
        deciding = Deciding(decide_each, writer, parking, self.streams)
        admission = Admission(settings.overload, clock, self.metrics, self.flow.credits, share)
        self.counter = Counter(
            self.flow,
            judging,
            decoder,
            threads,
            self.policies,
            admission,
            decide_each,
            DecisionWriter(clock, content_key=key, afterwards=afterwards),
            claims,
            events=settings.serve.events,
            decoded_bytes=settings.serve.decoded_bytes,
        )
        outlet = Outlet(self.flow, transport, deciding, parking, changelog)
        read = (self.flow, transport, decoder, self.policies, judging, preparing, parking)
        intake = Intake(*read, outlet, admission, self.streams, changelog, calls)
        self.pipeline = Pipeline(self.flow, transport, intake, outlet, threads)

    async def run(self) -> None:
        """Load the policies, run until stopped, watch for changed policies meanwhile."""
        self._device.start()  # the policies' own tests are judged before the first event
        await self.policies.load()
        gc.freeze()  # a thousand compiled policies live as long as the models
        if not self.health.models:
            log.warning("models.none", effect="lists alone decide; events with pictures or sound are degraded")
        watching = asyncio.create_task(self.policies.watch(self.flow.stopping), name="policies")
        watching.add_done_callback(self._watch_ended)
        beside = [watching]
        if self._feed is not None:
            beside.append(asyncio.create_task(self._feed.run(), name="status topic"))
        try:
            await either(self.pipeline.run(), self.health.watch())
        finally:
            self.flow.stopping.set()
            await self._device.close(1.0)
            await self._decoding.close()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    def listen_in(self, on_heard: Callable[[Heard], None]) -> None:
        """Tell `on_heard` what is heard in calls from now on: content, for those who show a call while it goes on."""
        if self._calls is not None:
            self._calls.listeners.append(on_heard)

    async def stop(self) -> None:
        """Answer what was asked by HTTP, then stop reading; `run` returns after the drain."""
        await self.counter.close(self._settings.flow.drain_s)
        self.pipeline.stop()

    def _watch_ended(self, task: asyncio.Task[None]) -> None:
        """Without the watch no change of policy would be seen, so a watch that breaks stops the worker."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("policies.watch_broke", error=repr(error))
            self.pipeline.stop()

    def _on_batch(self, report: BatchReport) -> None:
        self.metrics.on_batch(*report[:-1])
        ended = self.flow.clock.wall()
        began, items, failed = ended - report.run_s, report.items, report.failed
        self.flow.traces.scored(report.lane, began, ended, items, failed, report.wait_s)

    def _on_lost(self, lane: str, lost: int) -> None:
        self.metrics.hung.labels(lane).inc()
        if lost >= self._settings.parking.lost_threads:
            self._preparing.fail(WorkerHung(f"{lost} threads are lost to models that hang: start the worker again"))

    def _policy_status(self) -> list[dict[str, Any]]:
        return [status.as_json() for status in self.policies.status()]

    def _source_status(self) -> dict[str, Any]:
        return self.policies.source_status.as_json()


def make_policy_source(settings: Settings) -> PolicySource:
    """Where `settings.policies` says that policies come from."""
    return open_source(
        settings.policies,
        settings.policy_source,
        lambda topic: make_tail(settings, (topic,), from_beginning=True),
    )


def check_policies(settings: Settings) -> None:
    """Refuse before seconds of loading models what would be refused after it."""
    if place_of(settings.policies).kind == "folder" and not Path(settings.policies).is_dir():
        raise ConfigError(f"there is no folder of policies at {settings.policies}: name it with --policies")


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
async def desk_alone(settings: Settings, models: Models) -> AsyncIterator[Desk]:
    """A desk to judge events at, under any policy, without a queue or policies of its own: for the policy tools."""
    worker = Worker(settings, LinesTransport(iter(()), lambda outgoing: None), models)
    worker._device.start()
    try:
        yield worker.desk
    finally:
        worker.flow.stopping.set()
        await worker._device.close(1.0)


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
    "desk_alone",
    "judge_lines",
    "load_models",
    "make_sender",
    "make_tail",
    "make_transport",
    "running",
]
