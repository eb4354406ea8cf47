"""
The counter: events that come by HTTP, judged under their tenant's policy and decided as the queue's are.

    Counter(…).ask(value: bytes, tenant="acme", deadline_ms=250) -> bytes     event.v1 in, decision.v1 out

It shares lanes, admission, breaker and caps with the queue's traffic, so its views batch with the queue's; its credits
are its own, so that neither can starve the other. What arrives together is decoded, decided and kept together. Nothing
is published and no offset is opened: who asked has the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor

import structlog

from worker.core.errors import NoCredits, NotAnEvent, NotAnswered, PartUnreadable
from worker.core.ports import Claims, DecideEach, Decoder, Envelope, Policy, PolicyBook
from worker.core.records import Headers, Position, Record
from worker.deliver.admission import Admission
from worker.deliver.credits import Credits
from worker.deliver.decision import DecisionWriter
from worker.pipeline.asking import Prepared
from worker.pipeline.flow import Flow, Slot
from worker.pipeline.judging import Judging
from worker.score.assessment import Assessment

log = structlog.get_logger(__name__)

AT_THE_COUNTER = Position("http", 0, 0)  # so an event asked about twice has one decision id
_CHUNK = 32  # events decoded in one thread call

Keep = Callable[[Sequence[bytes]], Awaitable[object]]
Question = tuple[Slot, Envelope, Policy]


class Counter:
    """
    Used on the loop's thread, while the device runs.

    Args:
        events, decoded_bytes: the most that are under way at once; what is over is refused.
    """

    def __init__(
        self,
        flow: Flow,
        judging: Judging,
        decoder: Decoder,
        threads: Executor,
        policies: PolicyBook,
        admission: Admission,
        decide_each: DecideEach,
        writer: DecisionWriter,
        claims: Claims,
        *,
        events: int,
        decoded_bytes: int,
    ) -> None:
        self._flow, self._judging, self._decoder, self._threads = flow, judging, decoder, threads
        self._policies, self._admission, self._claims = policies, admission, claims
        self._decide_each, self._writer = decide_each, writer
        self._credits = Credits(events=events, decoded_bytes=decoded_bytes)
        self._arrived: list[Question] = []
        self._judged: list[Slot] = []
        self._answers: dict[Slot, asyncio.Future[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.keep: Keep | None = None  # stores decisions before they are answered

    @property
    def held(self) -> tuple[int, int]:
        """Events and bytes under way."""
        return self._credits.held

    async def ask(
        self, value: bytes, *, tenant: str | None = None, headers: Headers = (), deadline_ms: int | None = None
    ) -> bytes:
        """
        The decision.v1 on an event.v1.

        Args:
            tenant: who asks; None: whoever the event names.
            headers: as of a record, for CloudEvents in binary mode.
            deadline_ms: milliseconds from now; the event's own counts where that is sooner. Past it, a tenant whose
                policy sheds what is late gets a decision from what was found by then.

        Raises:
            NotAnEvent: with its code.
            NoCredits: too much is under way.
            NotAnswered: the event is another tenant's, the deadline passed, the worker stops, or the event broke it.
            StoreFailed: the decision could not be kept, so it is not given.
        """
        question, answer = self._admit(value, tenant, headers, deadline_ms)
        self._arrived.append(question)
        if len(self._arrived) == 1:
            asyncio.get_running_loop().call_soon(self._begin)
        slot = question[0]
        left_s = slot.terms.deadline - self._flow.clock.now()
        try:
            async with asyncio.timeout(None if slot.terms.expendable or left_s == float("inf") else max(left_s, 0.0)):
                return await asyncio.shield(answer)
        except TimeoutError:
            answer.add_done_callback(_seen)
            raise NotAnswered("deadline", "the deadline passed before the models had answered") from None

    def _admit(
        self, value: bytes, tenant: str | None, headers: Headers, deadline_ms: int | None
    ) -> tuple[Question, asyncio.Future[bytes]]:
        flow = self._flow
        if self._closed or flow.stopping.is_set():
            raise NotAnswered("stopping", "this worker is stopping: ask another")
        stamp = int(flow.clock.wall() * 1000)
        envelope = self._decoder.envelope(Record(AT_THE_COUNTER, None, value, headers, stamp))
        if tenant is not None and envelope.tenant != tenant:
            raise NotAnswered("not_yours", "the event names another tenant than the key's")
        policy = self._policies.of(envelope.tenant)
        if policy is None:
            raise NotAnEvent("unknown_tenant", "no policy for the event's tenant and none for `*`", envelope.tenant)
        if not self._credits.take(envelope.decoded_bytes, envelope.tenant):
            raise NoCredits("as much is under way as this worker takes at once: ask again in a moment")
        slot = flow.slot(AT_THE_COUNTER, flow.clock.now(), envelope.decoded_bytes)
        slot.tenant = envelope.tenant
        sooner = min((one for one in (deadline_ms, envelope.deadline_ms) if one is not None), default=None)
        slot.terms = self._admission.terms(
            envelope.tenant, policy, stamp_ms=stamp, deadline_ms=sooner, now=slot.received
        )
        loop = asyncio.get_running_loop()
        slot.waiter, answer = loop.create_future(), loop.create_future()
        slot.waiter.add_done_callback(lambda _: self._on_judged(slot))
        self._answers[slot] = answer
        answer.add_done_callback(lambda _: self._ended(slot))
        return (slot, envelope, policy), answer

    def _ended(self, slot: Slot) -> None:
        del self._answers[slot]
        self._credits.give_back(1, slot.decoded_bytes, [(slot.tenant, slot.decoded_bytes)])

    def _begin(self) -> None:
        """What arrived in this turn of the loop goes to be decoded."""
        arrived, self._arrived = self._arrived, []
        at_hand = [one for one in arrived if not one[1].refers]
        for start in range(0, len(at_hand), _CHUNK):
            self._start(self._prepare(at_hand[start : start + _CHUNK]))
        for one in arrived:
            if one[1].refers:
                self._start(self._fetch(one))

    async def _fetch(self, question: Question) -> None:
        """Fetch what of an event lies elsewhere, then prepare it; what cannot be fetched is said in its decision."""
        slot, envelope, policy = question
        try:
            for claim in self._decoder.claims(envelope, policy.limits):
                try:
                    envelope.fetched[claim.part] = await self._claims.fetch(claim, envelope.tenant)
                except PartUnreadable as error:
                    envelope.fetched[claim.part] = error.with_traceback(None)
        except Exception as error:  # noqa: BLE001  # whatever it is, who asked is told
            self._fail(slot, error)
            return
        await self._prepare([question])

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepare(self, chunk: Sequence[Question]) -> None:
        try:
            loop = asyncio.get_running_loop()
            prepared = await loop.run_in_executor(self._threads, lambda: [self._one(*one) for one in chunk])
        except Exception as error:  # noqa: BLE001  # the threads end with the worker
            for slot, _, _ in chunk:
                self._fail(slot, error)
            return
        good = [one for one in prepared if isinstance(one, Prepared)]
        for (slot, _, _), one in zip(chunk, prepared, strict=True):
            if isinstance(one, Exception):
                self._fail(slot, one)
        self._judging.begin(good)

    def _one(self, slot: Slot, envelope: Envelope, policy: Policy) -> Prepared | Exception:
        """In a thread: decode and cut into views. What breaks it is this event's alone."""
        try:
            event = self._decoder.event(envelope, policy.limits, received=slot.received)
            slot.assessment = Assessment(event, policy)
            return self._judging.prepare(slot)
        except Exception as error:  # noqa: BLE001  # whatever it is, its neighbours in the chunk go on
            return error

    def _fail(self, slot: Slot, error: Exception) -> None:
        if slot.waiter is not None and not slot.waiter.done():
            slot.waiter.set_exception(error)

    def _on_judged(self, slot: Slot) -> None:
        waiter, answer = slot.waiter, self._answers[slot]
        error = waiter.exception() if waiter is not None else None
        if error is not None:
            log.warning("counter.broke", error=type(error).__name__)
            _refuse(answer, NotAnswered("broke", "the event broke the worker, which goes on without it"))
            return
        self._judged.append(slot)
        if len(self._judged) == 1:
            asyncio.get_running_loop().call_soon(lambda: self._start(self._conclude()))

    async def _conclude(self) -> None:
        """Decide what was judged in this turn of the loop, keep it, answer it."""
        slots, self._judged = self._judged, []
        try:
            decided = self._decide(slots)
        except Exception as error:  # noqa: BLE001  # whatever it is, who asked is told
            log.warning("counter.broke", error=type(error).__name__, events=len(slots))
            for slot in slots:
                _refuse(self._answers[slot], NotAnswered("broke", "the event broke the worker, which goes on"))
            return
        if self.keep is not None:
            try:
                await self.keep(list(decided.values()))
            except Exception as error:  # noqa: BLE001  # each of those who asked is told
                for slot in slots:
                    _refuse(self._answers[slot], error)
                return
        for slot, value in decided.items():
            if not self._answers[slot].done():
                self._answers[slot].set_result(value)

    def _decide(self, slots: Sequence[Slot]) -> Mapping[Slot, bytes]:
        judged = [(slot, slot.assessment) for slot in slots if slot.assessment is not None]
        verdicts = self._decide_each([one.policy for _, one in judged], [one.findings for _, one in judged])
        written: dict[Slot, bytes] = {}
        for (slot, one), verdict in zip(judged, verdicts, strict=True):
            (decided,) = self._writer.write(one.policy, [(one.event, one.findings, slot.received)], [verdict])
            self._flow.metrics.decisions.labels(decided.action.label).inc()
            self._flow.metrics.conditions_failed.inc(decided.conditions_failed)
            for code in decided.degraded:
                self._flow.metrics.degraded.labels(code).inc()
            written[slot] = decided.outgoing.value or b""
        return written

    async def close(self, within_s: float) -> None:
        """Take no more questions; returns when all that was asked is answered, at the latest after `within_s`."""
        self._closed = True
        await self.idle(within_s)

    async def idle(self, within_s: float) -> None:
        """Wait until nothing is under way, at most so long."""
        if self._answers:
            await asyncio.wait(list(self._answers.values()), timeout=within_s)


def _refuse(answer: asyncio.Future[bytes], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _seen(answer: asyncio.Future[bytes]) -> None:
    """Nobody waits any more: its error, if it has one, is not an error that nobody looked at."""
    if not answer.cancelled():
        answer.exception()
