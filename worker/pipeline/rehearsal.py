"""Rehearsal: chunks of calls that were answered are heard once more, so that their windows are what they were."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from worker.core.ports import Envelope, Policy
from worker.core.records import Partition, Record
from worker.pipeline.calls import CallPath
from worker.pipeline.flow import Flow, Slot
from worker.pipeline.preparing import Preparing


class Rehearsed(NamedTuple):
    """A chunk that is heard again."""

    record: Record
    envelope: Envelope
    policy: Policy


class Rehearsal:
    """
    The same way through the lanes as the first time, in slots that nobody publishes and no offset waits for.

    Args:
        calls: None where no model hears: then there is nothing to rehearse.
    """

    def __init__(self, flow: Flow, preparing: Preparing, calls: CallPath | None) -> None:
        self._flow = flow
        self._preparing = preparing
        self._calls = calls

    def forget(self, partition: Partition) -> None:
        """What was heard of a partition before, by a rehearsal that was cut short, is heard anew."""
        if self._calls is not None:
            self._calls.forget([partition])

    async def hear(self, chunks: Sequence[Rehearsed]) -> None:
        """Returns when all of them are on their tracks and what they closed is read; one that breaks is left out."""
        if self._calls is None or not chunks:
            return
        slots = [self._slot(one.record, one.envelope) for one in chunks]
        for slot, one in zip(slots, chunks, strict=True):
            self._calls.enter(slot, one.envelope.order_key)
        self._preparing.start([(slot, one.envelope, one.policy) for slot, one in zip(slots, chunks, strict=True)])
        await asyncio.gather(*(slot.waiter for slot in slots if slot.waiter is not None), return_exceptions=True)

    def _slot(self, record: Record, envelope: Envelope) -> Slot:
        slot = self._flow.slot(record.position, self._flow.clock.now(), 0)
        slot.record, slot.tenant = record, envelope.tenant
        slot.waiter = asyncio.get_running_loop().create_future()
        return slot
