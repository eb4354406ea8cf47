"""Preparing: events decoded and cut into views off the loop. One that breaks or hangs there is parked by itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence

import structlog

from worker.core.errors import Parked, PartUnreadable, WorkerHung
from worker.core.events import Claim
from worker.core.ports import Claims, Decoder, Envelope, Policy
from worker.deliver.parking import ParkingSettings
from worker.pipeline import trials
from worker.pipeline.asking import Prepared
from worker.pipeline.flow import Flow, Slot
from worker.pipeline.judging import Judging
from worker.pipeline.parking import Parking
from worker.pipeline.threads import DecodeThreads
from worker.score.assessment import Assessment

log = structlog.get_logger(__name__)

Admitted = tuple[Slot, Envelope, Policy]


class _Chunk:
    """Events that one thread prepares one after the other, and how far it is. The lock guards every field."""

    def __init__(self, members: Sequence[Admitted]) -> None:
        self.members = members
        self.lock = threading.Lock()
        self.ready: list[Prepared] = []
        self.trials: list[Prepared] = []  # of the same events under their candidates
        self.since: float | None = None  # when the thread began the member behind the ready ones
        self.thread: threading.Thread | None = None
        self.given_up = False


class Preparing:
    """Admitted events in, views in their lanes out. Used on the loop's thread; `_work` runs in the others."""

    def __init__(
        self,
        flow: Flow,
        decoder: Decoder,
        judging: Judging,
        threads: DecodeThreads,
        parking: Parking,
        settings: ParkingSettings,
        claims: Claims,
    ) -> None:
        self._flow = flow
        self._decoder = decoder
        self._judging = judging
        self._threads = threads
        self._parking = parking
        self._settings = settings
        self._claims = claims
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        judging.on_broken(self.start_over)

    def start(self, members: Sequence[Admitted]) -> None:
        """Begin a chunk; its events go to their lanes when all of it is ready. Fetching holds up nobody else."""
        at_hand = [member for member in members if not member[1].refers]
        if at_hand:
            self._begin(self._prepare(_Chunk(at_hand)))
        for member in members:
            if member[1].refers:
                self._begin(self._fetch(member))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def start_over(self, slot: Slot) -> None:
        """Take an event from its beginning, under the policy it was admitted with."""
        assert slot.record is not None, "a slot without a record is started over. This is a bug."
        assert slot.assessment is not None, "a parked slot is started over. This is a bug."
        self.start([(slot, self._decoder.envelope(slot.record), slot.assessment.policy)])

    def light(self, slot: Slot, envelope: Envelope, policy: Policy) -> None:
        """A short text under a policy of lists alone: judged here, since a thread would cost more than it saves."""
        while True:
            try:
                event = self._decoder.event(envelope, policy.limits, received=slot.received)
                slot.assessment = Assessment(event, policy)
                self._judging.match_lists(slot)
            except Exception as error:  # noqa: BLE001  # whatever it is, the record is at fault or parked for it
                if self._parking.broke(slot, "event", error):
                    break
            else:
                break
        self._flow.pass_through(slot, envelope.order_key)

    def check(self) -> None:
        """Raises what ended a chunk, or WorkerHung: the worker cannot go on."""
        if self._failure is not None:
            raise self._failure

    def fail(self, error: BaseException) -> None:
        """End the worker with `error`, from outside; the first one counts."""
        self._failure = self._failure or error

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self._failure is None:
            self._failure = error

    async def _fetch(self, member: Admitted) -> None:
        """Fetch what of an event lies elsewhere, then prepare it; what cannot be fetched is said in its decision."""
        slot, envelope, policy = member
        while True:
            try:
                claims = self._decoder.claims(envelope, policy.limits)
                found = await asyncio.gather(*(self._one_claim(claim, envelope.tenant) for claim in claims))
            except Exception as error:  # noqa: BLE001  # as for what breaks in decoding
                if self._parking.broke(slot, "event", error):
                    self._judging.begin([Prepared(slot, [])])
                    return
            else:
                envelope.fetched.update(zip((claim.part for claim in claims), found, strict=True))
                await self._prepare(_Chunk([member]))
                return

    async def _one_claim(self, claim: Claim, tenant: str) -> bytes | PartUnreadable:
        try:
            return await self._claims.fetch(claim, tenant)
        except PartUnreadable as error:
            return error.with_traceback(None)

    async def _prepare(self, chunk: _Chunk) -> None:
        limit = self._settings.decode_s
        work = asyncio.wrap_future(self._threads.submit(self._work, chunk))
        while not (await asyncio.wait({work}, timeout=limit))[0]:
            with chunk.lock:
                chunk.given_up = chunk.since is not None and self._flow.clock.now() - chunk.since >= limit
            if chunk.given_up:
                self._give_up(chunk)
                return
        work.result()
        self._judging.begin([*chunk.ready, *chunk.trials])

    def _give_up(self, chunk: _Chunk) -> None:
        """The event that hangs is parked, its thread replaced, and those behind it are taken by another."""
        done = len(chunk.ready)
        slot = chunk.members[done][0]
        limit = self._settings.decode_s
        where = f"{slot.position.topic}:{slot.position.partition}:{slot.position.offset}"
        log.error("record.hung", position=where, stage="event", after_s=limit, threads_lost=self._threads.lost + 1)
        self._flow.metrics.hung.labels("decode").inc()
        reason = f"decoding the record did not end within parking.decode_s {limit:g}"
        self._parking.park(slot, Parked("hangs", reason, stage="event", failures=("TimeoutError",)))
        assert chunk.thread is not None, "a chunk hangs that no thread began. This is a bug."
        self._threads.replace(chunk.thread)
        self._judging.begin([*chunk.ready, Prepared(slot, []), *chunk.trials])
        self.start(chunk.members[done + 1 :])
        if self._threads.lost >= self._settings.lost_threads and self._failure is None:
            self._failure = WorkerHung(
                f"{self._threads.lost} threads are lost to records that hang: start the worker again, which frees them"
            )

    def _work(self, chunk: _Chunk) -> None:
        """In a thread: prepare the events in turn, until done or given up."""
        with chunk.lock:
            chunk.thread = threading.current_thread()
        for member in chunk.members:
            with chunk.lock:
                chunk.since = self._flow.clock.now()
            prepared = self._one(*member)
            trial = trials.prepare(self._judging, member[0])
            with chunk.lock:
                if chunk.given_up:
                    return  # it came back after all, too late
                chunk.ready.append(prepared)
                if trial is not None:
                    chunk.trials.append(trial)

    def _one(self, slot: Slot, envelope: Envelope, policy: Policy) -> Prepared:
        while True:
            try:
                event = self._decoder.event(envelope, policy.limits, received=slot.received)
                slot.assessment = Assessment(event, policy)
                trials.begin(slot, event)
                return self._judging.prepare(slot)
            except Exception as error:  # noqa: BLE001  # whatever it is, its neighbours in the chunk go on
                if self._parking.broke(slot, "event", error):
                    return Prepared(slot, [])
