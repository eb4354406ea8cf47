"""What every transport promises to several workers of one group: one suite over SQLite and a real Kafka."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.rigs import PARTITIONS, Rig, append_events, finish, join, written
from worker.core.ports import Transport
from worker.core.records import Partition, Record

pytestmark = pytest.mark.timeout(60)


class Drainer:
    """A worker that finishes what it has read when partitions are revoked."""

    def __init__(self, rig: Rig) -> None:
        self.transport = rig.worker()
        self.open: dict[Partition, list[Record]] = {}
        self.revoked: list[frozenset[Partition]] = []
        self.releasing = asyncio.Event()
        self.release = asyncio.Event()

    async def on_revoked(self, partitions: frozenset[Partition]) -> None:
        self.revoked.append(partitions)
        self.releasing.set()
        await self.release.wait()
        for partition in partitions:
            if records := self.open.pop(partition, []):
                await finish(self.transport, records)

    async def poll(self) -> list[Record]:
        found = await self.transport.poll(max_records=100, timeout_s=0.1)
        for record in found:
            self.open.setdefault(record.position.of, []).append(record)
        return list(found)


async def test_partitions_pass_to_another_worker_only_when_they_are_drained(
    shared: Rig, started: list[Transport]
) -> None:
    """While on_revoked runs the newcomer gets nothing of them; afterwards it goes on where the drain ended."""
    await append_events(shared, 40)
    old = Drainer(shared)
    started.append(old.transport)
    await old.transport.start(old.on_revoked)
    while sum(map(len, old.open.values())) < 40:
        await old.poll()
    newcomer = Drainer(shared)
    newcomer.release.set()
    started.append(newcomer.transport)
    joining = asyncio.create_task(newcomer.transport.start(newcomer.on_revoked))
    while not old.releasing.is_set():
        await old.poll()
    for _ in range(3):
        assert not await newcomer.poll()
    old.release.set()
    await asyncio.gather(joining, keep_polling(old, newcomer))
    assert {len(w.transport.health().partitions) for w in (old, newcomer)} == {PARTITIONS // 2}
    await append_events(shared, 8)
    found: list[Record] = []
    while len(found) < 8:
        found += await newcomer.poll() + await old.poll()
    gained = newcomer.transport.health().partitions
    assert {p for group in old.revoked for p in group} >= set(gained)
    assert min(r.position.offset for r in found if r.position.of in gained) == 10
    assert len(await written(shared, [shared.topics.allow], 10 * len(gained))) >= 10 * len(gained)


async def keep_polling(*workers: Drainer) -> None:
    """Poll until the workers hold equal shares."""
    while {len(w.transport.health().partitions) for w in workers} != {PARTITIONS // len(workers)}:
        for worker in workers:
            await worker.poll()


async def test_a_revoke_that_fails_is_raised_by_the_next_poll(shared: Rig, started: list[Transport]) -> None:
    """A worker that could not drain must not go on as if it had."""

    async def refuse(partitions: frozenset[Partition]) -> None:
        raise RuntimeError("cannot drain")

    worker = shared.worker()
    started.append(worker)
    await worker.start(refuse)
    joining = asyncio.create_task(join(shared, started))

    async def poll_on() -> None:
        while True:
            await worker.poll(max_records=1, timeout_s=0.1)

    with pytest.raises(RuntimeError, match="cannot drain"):
        await poll_on()
    await worker.stop()
    await joining
