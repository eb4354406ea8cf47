"""A queue whose every call may be slow, fail before or after its effect, or come from a worker given up for dead."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import NamedTuple

from worker.core.errors import PublishFailed, TransportUnavailable
from worker.core.ports import Revoked
from worker.core.records import Order, Outgoing, Partition, Position, Record, TransportHealth

_REBALANCE_S = 8.0  # what a member may take over a revoke before the group goes on without it
_POLL_S = 0.05


class Stored(NamedTuple):
    """One record of an output, in the order it became visible."""

    at: float
    out: Outgoing


class Chances(NamedTuple):
    """How likely a call goes wrong, and how slow calls are on average, in seconds."""

    publish: float = 0.0
    commit: float = 0.0
    slow_s: float = 0.01


class Queue:
    """Topics, group and transactions. One topic `t` is read; `stored` is what a read-committed reader would see."""

    def __init__(self, random: Random, order: Order, records: Sequence[Record], chances: Chances) -> None:
        self.random, self.order, self.chances = random, order, chances
        self.records: defaultdict[Partition, list[Record]] = defaultdict(list)
        for record in records:
            self.records[record.position.of].append(record)
        self.partitions = sorted(self.records)
        self.stored: list[Stored] = []
        self.committed: dict[Partition, tuple[int, str]] = {}
        self.commits: list[tuple[float, Partition, int]] = []
        self.members: list[SimTransport] = []
        self.epochs: dict[Partition, int] = dict.fromkeys(self.partitions, 0)  # the fence of each partition
        self._moving = asyncio.Lock()

    @property
    def done(self) -> bool:
        """Every record is committed."""
        return all(self.committed.get(p, (0, ""))[0] == len(self.records[p]) for p in self.partitions)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def pause(self) -> None:
        """A call's way there or back."""
        await asyncio.sleep(self.random.expovariate(1 / self.chances.slow_s))

    def strikes(self, chance: float) -> bool:
        return self.random.random() < chance

    def store(self, outgoing: Sequence[Outgoing]) -> None:
        self.stored += [Stored(self.now(), out) for out in outgoing]

    def commit(self, partition: Partition, offset: int, mark: str) -> None:
        self.committed[partition] = (offset, mark)
        self.commits.append((self.now(), partition, offset))

    async def rebalance(self) -> None:
        """Take everything from everyone, then deal it out anew; who does not let go in time is given up for dead."""
        async with self._moving:
            members = list(self.members)
            await asyncio.gather(*(self._revoke(member) for member in members))
            staying = [member for member in self.members if member.answers]
            for place, partition in enumerate(self.partitions):
                self.epochs[partition] += 1
                if staying:
                    staying[place % len(staying)].take(partition)
            for member in staying:
                member.gate.set()

    async def _revoke(self, member: SimTransport) -> None:
        try:
            async with asyncio.timeout(_REBALANCE_S):
                await member.let_go()
        except TimeoutError:
            with suppress(ValueError):
                self.members.remove(member)


class SimTransport:
    """One worker's side. `lost` is a worker that the group has given up and that does not know it."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.order = queue.order
        self.gate = asyncio.Event()
        self.answers = True  # to the group's coordinator
        self.dead = False  # the process is gone: nothing it does has any effect
        self._epochs: dict[Partition, int] = {}
        self._nexts: dict[Partition, int] = {}
        self._stands: dict[Partition, int] = {}
        self._marks: dict[Partition, str] = {}
        self._on_revoked: Revoked | None = None

    async def start(self, on_revoked: Revoked) -> None:
        self._on_revoked = on_revoked
        self._queue.members.append(self)
        await self._queue.rebalance()

    def take(self, partition: Partition) -> None:
        """A partition comes, fenced, with the offset read after that."""
        offset, mark = self._queue.committed.get(partition, (0, ""))
        self._epochs[partition] = self._queue.epochs[partition]
        self._nexts[partition] = self._stands[partition] = offset
        self._marks[partition] = mark

    async def let_go(self) -> None:
        """A revoke; a lost worker hears of it when it is found again."""
        if not self.answers:
            await asyncio.sleep(_REBALANCE_S * 2)
        self.gate.clear()
        gone = frozenset(self._nexts)
        if gone and self._on_revoked is not None and not self.dead:
            await self._on_revoked(gone)
        self._epochs, self._nexts, self._stands, self._marks = {}, {}, {}, {}

    async def wake(self) -> None:
        """A lost worker finds out, lets go of what it had, and joins again."""
        self.answers = True
        self.gate.clear()
        await self.let_go()
        if not self.dead:
            if self not in self._queue.members:
                self._queue.members.append(self)
            await self._queue.rebalance()

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        await self._alive()
        if not self.gate.is_set() or not max_records:
            await asyncio.sleep(min(timeout_s, _POLL_S))
            return []
        found: list[Record] = []
        for partition in self._queue.random.sample(sorted(self._nexts), len(self._nexts)):
            most = self._queue.random.randint(0, max_records - len(found))
            records = self._queue.records[partition][self._nexts[partition] :][:most]
            self._nexts[partition] += len(records)
            found += records
        if not found:
            await asyncio.sleep(timeout_s)
        return found

    def marks(self) -> Mapping[Partition, str]:
        return dict(self._marks)

    async def publish(
        self,
        outgoing: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        marks: Mapping[Partition, str] | None = None,
    ) -> None:
        queue, held = self._queue, dict(self._epochs)  # a call speaks for what was held when it was made
        await queue.pause()
        await self._alive()
        if queue.strikes(queue.chances.publish):
            raise PublishFailed("simulated: nothing arrived")
        if self.order is Order.BY_KEY:
            await self._append(outgoing)
        else:
            for partition, offset in offsets.items():  # who was fenced or has let go adds nothing
                if partition in self._stands and held.get(partition) == queue.epochs[partition]:
                    self._transact(partition, [o for o in outgoing if o.source.of == partition], offset, marks or {})
        await queue.pause()
        await self._alive()
        if queue.strikes(queue.chances.publish):
            raise PublishFailed("simulated: all arrived and no answer came")

    async def _append(self, outgoing: Sequence[Outgoing]) -> None:
        """Topic by topic, as batches travel; each may arrive in part, in its order."""
        topics: defaultdict[tuple[object, int], list[Outgoing]] = defaultdict(list)
        for out in outgoing:
            topics[out.route, out.source.partition].append(out)
        failed = False
        for some in self._queue.random.sample(list(topics.values()), len(topics)):
            await asyncio.sleep(0)
            await self._alive()
            torn = self._queue.strikes(self._queue.chances.publish / 4)
            failed |= torn
            self._queue.store(some[: self._queue.random.randint(0, len(some))] if torn else some)
        if failed:
            raise PublishFailed("simulated: part of it arrived")

    def _transact(
        self, partition: Partition, some: Sequence[Outgoing], offset: int, marks: Mapping[Partition, str]
    ) -> None:
        """All or nothing; what stands already is left out."""
        self._queue.store([out for out in some if out.source.offset >= self._stands[partition]])
        if offset >= self._stands[partition]:
            self._stands[partition] = offset
            self._queue.commit(partition, offset, marks.get(partition, ""))

    async def commit(self, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] | None = None) -> None:
        queue, held = self._queue, dict(self._epochs)
        await queue.pause()
        await self._alive()
        if self.order is Order.BY_PARTITION:
            return
        if queue.strikes(queue.chances.commit):
            raise TransportUnavailable("simulated: the commit did not arrive")
        if not self.answers and self not in queue.members:
            raise TransportUnavailable("simulated: a generation that is over")
        for partition, offset in offsets.items():
            if held.get(partition) == queue.epochs[partition]:
                queue.commit(partition, offset, (marks or {}).get(partition, ""))
        if queue.strikes(queue.chances.commit):
            raise TransportUnavailable("simulated: committed and no answer came")

    def health(self) -> TransportHealth:
        return TransportHealth(True, tuple(self._nexts), "simulated", {})

    async def stop(self) -> None:
        if self.dead:
            return
        self.gate.clear()
        self._epochs, self._nexts = {}, {}
        with suppress(ValueError):
            self._queue.members.remove(self)

    async def _alive(self) -> None:
        """Nothing a dead process does comes back."""
        if self.dead:
            await asyncio.Event().wait()


def position(partition: int, offset: int) -> Position:
    """In the topic that is read."""
    return Position("moderation.events", partition, offset)
