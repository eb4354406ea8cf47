"""Intake: polls, admits against credits, captures the policy, decodes; never waits for a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from enum import Enum

import structlog

from worker.core.errors import NotAnEvent
from worker.core.ports import Decoder, Envelope, Policy, PolicyBook, Transport
from worker.core.records import Record
from worker.deliver.deadletter import dead_letter
from worker.pipeline.flow import Flow, Slot
from worker.pipeline.judging import Judging, Prepared
from worker.score.assessment import Assessment

log = structlog.get_logger(__name__)

Admitted = tuple[Slot, Envelope, Policy]


class Ended(Enum):
    """What `_read` gives for a record that came to its end there."""

    ENDED = "dead letter or tombstone"


class Intake:
    """Turns records into slots. The only reader of the transport."""

    def __init__(
        self,
        flow: Flow,
        transport: Transport,
        decoder: Decoder,
        policies: PolicyBook,
        judging: Judging,
        threads: Executor,
    ) -> None:
        self._flow = flow
        self._transport = transport
        self._decoder = decoder
        self._policies = policies
        self._judging = judging
        self._threads = threads
        self._preparing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Poll until the flow stops. A poll is never cancelled: that would switch off its liveness check."""
        flow, settings = self._flow, self._flow.settings
        while not flow.stopping.is_set():
            wanted = min(settings.poll_records, flow.credits.free_events)
            if wanted == 0:
                await self._starve()
                continue
            records = await self._transport.poll(max_records=wanted, timeout_s=settings.poll_timeout_s)
            flow.last_poll = flow.clock.now()
            if records:
                await self._admit(records)
            else:
                await asyncio.sleep(0)
        if self._preparing:
            await asyncio.gather(*self._preparing)

    async def _starve(self) -> None:
        """Without credits: keep the membership alive, give nothing more to do, wait for work to finish."""
        self._flow.metrics.starved.inc()
        await self._transport.poll(max_records=0, timeout_s=0)
        self._flow.last_poll = self._flow.clock.now()
        await self._flow.credits.wait_returned(self._flow.settings.poll_timeout_s)

    async def _admit(self, records: Sequence[Record]) -> None:
        flow = self._flow
        flow.ledger.opened([record.position for record in records])
        flow.metrics.records.inc(len(records))
        received = flow.clock.now()
        chunk: list[Admitted] = []
        for record in records:
            admitted = self._read(record, received)
            while admitted is None:  # no byte credits: what is in flight must finish first
                self._prepare(chunk)
                chunk = []
                await self._starve()
                if flow.stopping.is_set():
                    return  # not admitted, so not finished: it is read again after the restart
                admitted = self._read(record, received)
            if admitted is Ended.ENDED:
                continue
            slot, envelope, policy = admitted
            if not envelope.heavy and not self._judging.needs_models(policy):
                self._take_light(slot, envelope, policy)
                continue
            flow.enter(slot, envelope.order_key)
            chunk.append(admitted)
            if len(chunk) >= flow.settings.prepare_events:
                self._prepare(chunk)
                chunk = []
        self._prepare(chunk)

    def _read(self, record: Record, received: float) -> Admitted | Ended | None:
        """The admitted event; ENDED for a record that ended here (dead letter, tombstone); None without credits."""
        flow = self._flow
        try:
            if record.value is None:
                return self._pass_over(record, received)
            envelope = self._decoder.envelope(record)
            policy = self._policies.of(envelope.tenant)
            if policy is None:
                raise NotAnEvent(
                    "unknown_tenant", "no policy for the event's tenant and none for `*`: add one to tenants.json"
                )
        except NotAnEvent as error:
            return self._bury(record, error, received)
        if not flow.credits.take(envelope.decoded_bytes):
            return None
        return flow.slot(record.position, received, envelope.decoded_bytes), envelope, policy

    def _pass_over(self, record: Record, received: float) -> Ended | None:
        """A tombstone: counted and committed in its turn, nothing published."""
        if not self._flow.credits.take(0):
            return None
        slot = self._flow.slot(record.position, received, 0)
        self._flow.metrics.tombstones.inc()
        self._flow.pass_through(slot, record.position)
        return Ended.ENDED

    def _bury(self, record: Record, error: NotAnEvent, received: float) -> Ended | None:
        size = len(record.value or b"")
        if not self._flow.credits.take(size):
            return None
        slot = self._flow.slot(record.position, received, size)
        slot.outgoing = dead_letter(record, error, max_bytes=self._flow.settings.dead_letter_bytes)
        slot.code = error.code
        self._flow.pass_through(slot, record.position)
        return Ended.ENDED

    def _take_light(self, slot: Slot, envelope: Envelope, policy: Policy) -> None:
        """A short text under a policy of lists alone: judged here, since a thread would cost more than it saves."""
        event = self._decoder.event(envelope, policy.limits, received=slot.received)
        slot.assessment = Assessment(event, policy)
        self._judging.match_lists(slot)
        self._flow.pass_through(slot, envelope.order_key)

    def _prepare(self, chunk: list[Admitted]) -> None:
        """Decode and cut into views off the loop; views go to their lanes as soon as their chunk is ready."""
        if not chunk:
            return
        task = asyncio.create_task(self._prepare_in_thread(chunk))
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)

    async def _prepare_in_thread(self, chunk: list[Admitted]) -> None:
        loop = asyncio.get_running_loop()
        self._judging.begin(await loop.run_in_executor(self._threads, self._decode, chunk))

    def _decode(self, chunk: list[Admitted]) -> list[Prepared]:
        prepared = []
        for slot, envelope, policy in chunk:
            event = self._decoder.event(envelope, policy.limits, received=slot.received)
            slot.assessment = Assessment(event, policy)
            prepared.append(self._judging.prepare(slot))
        return prepared
