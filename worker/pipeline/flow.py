"""What flows between the three tasks: one slot for each input position, and the state they share."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from worker.core.clock import Clock
from worker.core.metrics import Metrics
from worker.core.ports import Policy
from worker.core.records import Order, Outgoing, Partition, Position, Record
from worker.core.streams import Together
from worker.core.traces import NoTraces, Traces
from worker.deliver.admission import ANY_TIME
from worker.deliver.credits import Credits
from worker.deliver.ledger import OffsetLedger
from worker.deliver.order import OrderGate
from worker.deliver.suspects import Suspects
from worker.score.assessment import Assessment

if TYPE_CHECKING:
    from worker.pipeline.calls import Turn


class FlowSettings(BaseModel):
    """How much is in flight at once, and how long things may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    events: int = Field(10_000, ge=1, description="most events in flight")
    decoded_bytes: int = Field(512 << 20, ge=1 << 20, description="most decoded bytes in flight, all views included")
    poll_records: int = Field(500, ge=1, description="most records of one poll")
    poll_timeout_s: float = Field(0.2, gt=0, le=10, description="how long a poll waits for the first record")
    publish_records: int = Field(4_000, ge=1, description="most decisions published at once")
    commit_interval_s: float = Field(1.0, gt=0, description="how often offsets are committed")
    transaction_interval_s: float = Field(
        0.1, ge=0, description="exactly once: how often a busy partition's decisions are published and committed"
    )
    stuck_s: float = Field(
        60.0, gt=0, description="end the process when its client does not recover for so long while the queue answers"
    )
    drain_s: float = Field(20.0, gt=0, description="longest drain at a stop or a revoke")
    prepare_events: int = Field(32, ge=1, description="events decoded together in one thread call")
    streams: int = Field(
        200_000, ge=1, description="most calls and conversations remembered; past it the silent ones go first"
    )
    dead_letter_bytes: int = Field(900_000, ge=1, description="a larger dead letter becomes a pointer")


class Slot:
    """
    One input position on its way to exactly one terminal record.

    An event has `assessment`, a dead letter `outgoing`, a tombstone neither. An event from the desk has a `waiter`
    and no record, and so has a `trial`: the same event under its candidate, when that looks for something else.
    """

    __slots__ = (
        "assessment",
        "call",
        "candidate",
        "code",
        "decoded_bytes",
        "epoch",
        "failures",
        "key",
        "ours",
        "outgoing",
        "position",
        "received",
        "record",
        "tenant",
        "terms",
        "together",
        "trial",
        "waiter",
    )

    def __init__(self, position: Position, received: float, decoded_bytes: int, epoch: int) -> None:
        self.position = position
        self.received = received
        self.decoded_bytes = decoded_bytes  # credits held
        self.epoch = epoch  # of its partition's assignment: stale after a revoke
        self.key: Hashable = None
        self.assessment: Assessment | None = None
        self.outgoing: Outgoing | None = None
        self.code: str | None = None  # the dead letter's reason
        self.ours = False  # a dead letter for our failing, not for what the record is
        self.record: Record | None = None  # kept for a dead letter, until the slot has ended
        self.tenant: str | None = None  # whose credits it holds, where that is known
        self.terms = ANY_TIME
        self.failures: tuple[str, ...] = ()  # kinds of error that it caused so far
        self.candidate: Policy | None = None  # tried beside the live policy
        self.together: Together | None = None  # what is read with it, in a conversation
        self.call: Turn | None = None  # its place in its call, when it is a chunk of one
        self.trial: Slot | None = None
        self.waiter: asyncio.Future[None] | None = None  # who asked, when it was not the queue


class Flow:
    """The state that intake, judging and outlet share; touched on the loop's thread only."""

    def __init__(
        self,
        settings: FlowSettings,
        order: Order,
        clock: Clock,
        metrics: Metrics,
        suspects: Suspects | None = None,
        traces: Traces | None = None,
    ) -> None:
        self.settings = settings
        self.order = order
        self.clock = clock
        self.metrics = metrics
        self.traces: Traces = traces or NoTraces()
        self.ledger = OffsetLedger()
        self.suspects = suspects or Suspects(uuid.uuid4().hex[:12])
        self.gate: OrderGate[Slot] = OrderGate()
        self.credits = Credits(events=settings.events, decoded_bytes=settings.decoded_bytes)
        self.ready: list[Slot] = []
        self.wake = asyncio.Event()
        self.settled = asyncio.Event()  # set after each delivery
        self.stopping = asyncio.Event()
        self.last_poll = clock.now()
        self.read_ms: dict[Partition, int] = {}  # the queue's stamp on the last record read of each partition
        self.failing: set[Hashable] = set()  # partitions, or None for all, whose last publish failed
        self.commits_fail_since: float | None = None
        self._epochs: Counter[Partition] = Counter()
        self.on_forget: list[Callable[[list[Partition]], None]] = []  # who else keeps something of a partition

    def slot(self, position: Position, received: float, decoded_bytes: int) -> Slot:
        """A new slot; its credits are taken already."""
        return Slot(position, received, decoded_bytes, self.epoch(position.of) if self._epochs else 0)

    def enter(self, slot: Slot, key: Hashable) -> None:
        """Give the slot its place in the order of its key, or of its partition."""
        slot.key = slot.position[:2] if self.order is Order.BY_PARTITION else key
        self.gate.enter(slot.key, slot)

    def pass_through(self, slot: Slot, key: Hashable) -> None:
        """`enter` and `complete` in one, for a slot that is judged already."""
        slot.key = slot.position[:2] if self.order is Order.BY_PARTITION else key
        if self.gate.is_free(slot.key):
            self.ready.append(slot)
            self.wake.set()
        else:
            self.gate.enter(slot.key, slot)
            self.complete(slot)

    def complete(self, slot: Slot) -> None:
        """The slot is judged: it leaves when everything before it in its order has; the desk's is answered at once."""
        if slot.waiter is not None:
            if not slot.waiter.done():
                slot.waiter.set_result(None)
            return
        trial = slot.trial.waiter if slot.trial is not None else None
        if trial is not None and not trial.done() and slot.assessment is not None:
            trial.add_done_callback(lambda _: self.complete(slot))
            return
        released = self.gate.done(slot.key, slot)
        if released:
            self.ready.extend(released)
            self.wake.set()

    @property
    def publish_failing(self) -> bool:
        """True while something that is published is not acknowledged."""
        return bool(self.failing)

    def is_stale(self, slot: Slot) -> bool:
        """True when the slot's partition went to another worker meanwhile, who will read it again."""
        return bool(self._epochs) and slot.epoch != self.epoch(slot.position.of)

    def epoch(self, partition: Partition) -> int:
        """How often the partition went to another worker."""
        return self._epochs.get(partition, 0) if self._epochs else 0

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Let partitions go: what of them is still under way will not be published."""
        gone = list(partitions)
        self.ledger.forget(gone)
        self.suspects.forget(gone)
        for partition in gone:
            self._epochs[partition] += 1
        for forget in self.on_forget:
            forget(gone)
