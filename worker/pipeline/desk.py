"""
The desk: judges events that come from inside, under a policy of the caller's choice, through the lanes of the traffic.

A policy's own tests, `tidegate policy test` and a direct question all go this way, so there is no second pipeline:

    Desk(flow, judging, decoder, threads).judge(events: Sequence[bytes], policy: Policy) -> list[Judgement]

Events are event.v1 bytes; nothing is published, nothing is committed, no offset is opened. What the desk holds is
bounded by itself, so that questions never take the credits of the traffic, nor the other way round.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor

from worker.core.decisions import Judgement
from worker.core.ports import Decoder, Envelope, Policy
from worker.core.records import Position, Record
from worker.deliver.credits import Credits
from worker.pipeline.asking import Prepared
from worker.pipeline.flow import Flow, Slot
from worker.pipeline.judging import Judging
from worker.score.assessment import Assessment

NOWHERE = Position("", 0, 0)  # of an event that no queue holds
_CHUNK = 32  # events decoded in one thread call
_LOOK_AGAIN_S = 0.2

Asked = tuple[Envelope, Slot]


class Desk:
    """
    Port `EventJudge`. Used on the loop's thread, while the device runs.

    Args:
        events, decoded_bytes: the most that are under way at once; what is over waits its turn.
    """

    def __init__(
        self,
        flow: Flow,
        judging: Judging,
        decoder: Decoder,
        threads: Executor,
        *,
        events: int = 64,
        decoded_bytes: int = 64 << 20,
    ) -> None:
        self._flow, self._judging, self._decoder, self._threads = flow, judging, decoder, threads
        self._credits = Credits(events=events, decoded_bytes=decoded_bytes)

    async def judge(self, events: Sequence[bytes], policy: Policy) -> list[Judgement]:
        """
        What `policy` says of each event, in order; whichever tenant it names.

        Raises:
            NotAnEvent: one of them is no event.v1; then none of them is judged.
        """
        stamp = int(self._flow.clock.wall() * 1000)
        envelopes = [self._decoder.envelope(Record(NOWHERE, None, event, (), stamp)) for event in events]
        waiting, judged = deque(envelopes), list[Judgement]()
        while waiting:
            chunk = [await self._admit(waiting.popleft())]
            while waiting and len(chunk) < _CHUNK and self._credits.take(waiting[0].decoded_bytes):
                chunk.append((waiting[0], self._slot(waiting.popleft())))
            judged += await self._judge(chunk, policy)
        return judged

    async def _admit(self, envelope: Envelope) -> Asked:
        while not self._credits.take(envelope.decoded_bytes):
            await self._credits.wait_returned(_LOOK_AGAIN_S)
        return envelope, self._slot(envelope)

    def _slot(self, envelope: Envelope) -> Slot:
        """A slot whose credits come back when it is judged, even when nobody waits for it any more."""
        slot = self._flow.slot(NOWHERE, self._flow.clock.now(), envelope.decoded_bytes)
        slot.waiter = asyncio.get_running_loop().create_future()
        slot.waiter.add_done_callback(lambda _: self._credits.give_back(1, slot.decoded_bytes))
        return slot

    async def _judge(self, chunk: Sequence[Asked], policy: Policy) -> list[Judgement]:
        waiters = [slot.waiter for _, slot in chunk if slot.waiter is not None]
        try:
            prepared = await asyncio.get_running_loop().run_in_executor(self._threads, self._prepare, chunk, policy)
        except BaseException:
            for waiter in waiters:
                waiter.cancel()
            raise
        self._judging.begin(prepared)
        await asyncio.wait(waiters)
        found = [slot.assessment for _, slot in chunk if slot.assessment is not None]
        verdicts = policy.decide([one.findings for one in found])
        return [Judgement(one.event, one.findings, verdict) for one, verdict in zip(found, verdicts, strict=True)]

    def _prepare(self, chunk: Sequence[Asked], policy: Policy) -> list[Prepared]:
        """Decode and cut into views, in a thread."""
        prepared = []
        for envelope, slot in chunk:
            event = self._decoder.event(envelope, policy.limits, received=slot.received)
            slot.assessment = Assessment(event, policy)
            prepared.append(self._judging.prepare(slot))
        return prepared
