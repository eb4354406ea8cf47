"""Intake: polls, admits against credits, captures the policy, decodes; never waits for a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum
from itertools import groupby

import structlog

from worker.core.errors import NotAnEvent, Parked
from worker.core.ports import Decoder, Envelope, Policy, PolicyBook, Transport
from worker.core.records import Partition, Record
from worker.deliver.admission import Admission
from worker.pipeline import trials
from worker.pipeline.calls import CallPath
from worker.pipeline.careful import Careful
from worker.pipeline.changelog import Changelog
from worker.pipeline.flow import Flow
from worker.pipeline.judging import Judging
from worker.pipeline.outlet import Outlet
from worker.pipeline.parking import Parking
from worker.pipeline.preparing import Admitted, Preparing
from worker.pipeline.streams import Streams

log = structlog.get_logger(__name__)

# Records that come one by one are taken up every few milliseconds: by itself one costs twice what it does among others.
_FEW, _GATHER_S = 8, 0.005


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
        preparing: Preparing,
        parking: Parking,
        outlet: Outlet,
        admission: Admission,
        streams: Streams,
        changelog: Changelog,
        calls: CallPath | None = None,
    ) -> None:
        self._streams = streams
        self._calls = calls
        self._admission = admission
        self._flow = flow
        self._transport = transport
        self._decoder = decoder
        self._policies = policies
        self._judging = judging
        self._preparing = preparing
        self._parking = parking
        careful = (self._admit_run, self._convict, self._keep_alive, self._flush)
        self._careful = Careful(flow, transport, outlet, *careful, changelog.restore)
        self._chunk: list[Admitted] = []

    async def run(self) -> None:
        """Poll until the flow stops. A poll is never cancelled: that would switch off its liveness check."""
        flow, settings = self._flow, self._flow.settings
        while not flow.stopping.is_set():
            self._preparing.check()
            wanted = min(settings.poll_records, flow.credits.free_events)
            if wanted == 0:
                await self._starve()
                continue
            records = await self._transport.poll(max_records=wanted, timeout_s=settings.poll_timeout_s)
            flow.last_poll = flow.clock.now()
            if records:
                await self._admit(records)
                if len(records) < _FEW:
                    await asyncio.sleep(_GATHER_S)
            else:
                await asyncio.sleep(0)
        self._preparing.check()  # what it still has under way holds credits, for which the drain waits

    async def _starve(self) -> None:
        """Without credits: nothing more to do, wait for work to finish."""
        self._flow.metrics.starved.inc()
        await self._keep_alive()

    async def _keep_alive(self) -> None:
        """Keep the membership alive without reading, until something was finished or a moment has passed."""
        self._preparing.check()
        await self._transport.poll(max_records=0, timeout_s=0)
        self._flow.last_poll = self._flow.clock.now()
        await self._flow.credits.wait_returned(self._flow.settings.poll_timeout_s)

    async def _admit(self, records: Sequence[Record]) -> None:
        flow = self._flow
        runs = [(Partition(*place), list(some)) for place, some in groupby(records, key=lambda record: record[0][:2])]
        epochs = [flow.epoch(partition) for partition, _ in runs]  # of the poll: one run may wait while the next goes
        for (partition, run), epoch in zip(runs, epochs, strict=True):
            if flow.epoch(partition) != epoch:
                continue
            flow.read_ms[partition] = run[-1].timestamp_ms
            if flow.suspects.covers(partition, run[-1].position.offset):
                await self._admit_run(run)
            else:
                await self._careful.admit(run)
        self._flush()

    async def _admit_run(self, records: Sequence[Record]) -> None:
        """Records of one partition, as far as they may go: not after a stop, nor when the partition has gone."""
        flow = self._flow
        partition, received = records[0].position.of, flow.clock.now()
        epoch = flow.epoch(partition)
        flow.ledger.opened([record.position for record in records])
        flow.metrics.records.inc(len(records))
        for index, record in enumerate(records):
            admitted = self._read(record, received)
            while admitted is None:  # no byte credits: what is in flight must finish first
                self._flush()
                await self._starve()
                if flow.stopping.is_set() or flow.epoch(partition) != epoch:
                    # not admitted, so not finished: they are read again by whoever has the partition next
                    flow.ledger.withdrawn([record.position for record in records[index:]])
                    return
                admitted = self._read(record, received)
            if admitted is Ended.ENDED:
                continue
            slot, envelope, policy = admitted
            slot.together = self._streams.note(record.position, record.timestamp_ms, envelope, policy)
            if (
                not envelope.heavy
                and slot.trial is None
                and (slot.terms.shed is not None or not self._judging.routing.needs_models(policy))
            ):
                self._preparing.light(slot, envelope, policy)
                continue
            flow.enter(slot, envelope.order_key)
            if envelope.of_call and self._calls is not None:
                self._calls.enter(slot, envelope.order_key)
            self._chunk.append(admitted)
            if len(self._chunk) >= flow.settings.prepare_events:
                self._flush()

    def _flush(self) -> None:
        """What is admitted goes to be prepared."""
        self._preparing.start(self._chunk)
        self._chunk = []

    def _read(self, record: Record, received: float) -> Admitted | Ended | None:
        """The admitted event; ENDED for a record that ended here (dead letter, tombstone); None without credits."""
        flow = self._flow
        if record.value is None:
            return self._pass_over(record, received)
        found = self._look(record)
        if isinstance(found, Exception):
            return self._bury(record, found, received)
        envelope, policy, candidate = found
        tenant = envelope.tenant
        size = envelope.decoded_bytes * (2 if trials.needs_trial(policy, candidate) else 1)
        if not flow.credits.take(size, tenant):
            return None
        slot = flow.slot(record.position, received, size)
        slot.record, slot.tenant = record, tenant
        stamp_ms, deadline_ms = record.timestamp_ms, envelope.deadline_ms
        slot.terms = self._admission.terms(tenant, policy, stamp_ms=stamp_ms, deadline_ms=deadline_ms, now=received)
        if candidate is not None:
            trials.admit(flow, slot, policy, candidate)
        return slot, envelope, policy

    def _look(self, record: Record) -> tuple[Envelope, Policy, Policy | None] | NotAnEvent | Parked:
        """The envelope, its tenant's policy and the candidate it is tried under; or what the record is parked as."""
        failures: tuple[str, ...] = ()
        while True:
            try:
                envelope = self._decoder.envelope(record)
                policy = self._policies.of(envelope.tenant)
                candidate = self._policies.candidate_of(envelope.tenant, envelope.id)
            except NotAnEvent as error:
                return error
            except Exception as error:  # noqa: BLE001  # whatever it is, its neighbours go on
                failures = self._parking.failed(record.position, "envelope", error, failures)
                if (parked := self._parking.exhausted("envelope", failures)) is not None:
                    return parked
                continue
            if policy is not None:
                if envelope.of_call and trials.needs_trial(policy, candidate):
                    candidate = None  # a second set of windows for each call would be a second transcript too
                return envelope, policy, candidate
            reason = "no policy for the event's tenant and none for `*`: add one to tenants.json"
            return NotAnEvent("unknown_tenant", reason, envelope.tenant)

    def _pass_over(self, record: Record, received: float) -> Ended | None:
        """A tombstone: counted and committed in its turn, nothing published."""
        if not self._flow.credits.take(0):
            return None
        slot = self._flow.slot(record.position, received, 0)
        self._flow.metrics.tombstones.inc()
        self._flow.pass_through(slot, record.position)
        return Ended.ENDED

    def _bury(self, record: Record, error: NotAnEvent | Parked, received: float) -> Ended | None:
        size = len(record.value or b"")
        if not self._flow.credits.take(size):
            return None
        slot = self._flow.slot(record.position, received, size)
        slot.record = record
        self._parking.park(slot, error)
        self._flow.pass_through(slot, record.position)
        return Ended.ENDED

    async def _convict(self, record: Record, error: Parked) -> bool:
        """Park a record unread; False after a stop, or when its partition has gone."""
        flow, partition = self._flow, record.position.of
        epoch = flow.epoch(partition)
        flow.ledger.opened([record.position])
        flow.metrics.records.inc()
        while self._bury(record, error, flow.clock.now()) is None:
            await self._starve()
            if flow.stopping.is_set() or flow.epoch(partition) != epoch:
                flow.ledger.withdrawn([record.position])
                return False
        return True
