"""The queue in one SQLite file: decisions and offsets in one transaction, partitions shared by leases."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

import structlog

from worker.core.clock import Clock
from worker.core.errors import PublishFailed, TransportUnavailable
from worker.core.ports import NO_MARKS, Revoked
from worker.core.records import Draft, Order, Outgoing, Partition, Record, TransportHealth
from worker.transport import sqlite_leases as leases
from worker.transport.settings import SqliteSettings, TopicSettings, check_beside, topic_of
from worker.transport.sqlite_file import SqliteFile, append, end, read

_log = structlog.get_logger(__name__)
_LOOK_AGAIN_S = 0.02  # SQLite cannot call us, so a poll without records asks again so often


class SqliteTransport:
    """A worker's side of the file. Exactly once: what a lost partition still had under way is not published."""

    order = Order.BY_PARTITION

    def __init__(self, settings: SqliteSettings, topics: TopicSettings, clock: Clock) -> None:
        self._settings = settings
        self._topics = topics
        self._clock = clock
        self._file = SqliteFile(settings)
        self._owner = f"{os.getpid()}-{uuid.uuid4()}"
        self._counts: dict[str, int] = {}
        self._nexts: dict[Partition, int] = {}  # partitions being read: what the gate lets through
        self._marks: dict[Partition, str] = {}
        self._held: frozenset[Partition] = frozenset()  # partitions leased, those under revocation among them
        self._lag: dict[Partition, int] = {}
        self._detail = "not started"
        self._connected = False
        self._stopping = asyncio.Event()
        self._heartbeats: asyncio.Task[None] | None = None

    async def start(self, on_revoked: Revoked) -> None:
        """As the port says; another worker's partitions come to this one within a heartbeat or two."""
        self._counts = await self._file.open([self._topics.events, *self._topics.outputs])
        check_beside(self._topics, self._counts)
        await self._heartbeat(on_revoked)
        self._heartbeats = asyncio.create_task(self._keep_leases(on_revoked), name="sqlite-leases")

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As the port says. Raises what `on_revoked` raised: this worker cannot go on."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            if self._heartbeats is not None and self._heartbeats.done():
                self._heartbeats.result()
            found = await self._read(max_records) if max_records and not self._stopping.is_set() else []
            left = deadline - asyncio.get_running_loop().time()
            if found:
                return found  # at once: a revoke must not slip in between
            if left <= 0 or self._stopping.is_set():
                await asyncio.sleep(0)  # a caller that polls on after stop must not starve the loop
                return []
            await self._pause(left if max_records == 0 else min(left, _LOOK_AGAIN_S))

    async def _read(self, max_records: int) -> list[Record]:
        nexts = dict(self._nexts)
        try:
            found = await self._file.query(lambda connection: read(connection, nexts, max_records))
        except TransportUnavailable as error:
            self._away(error)
            return []
        kept = [r for r in found if self._nexts.get(r.position.of) == nexts[r.position.of]]  # revoked while we read
        for partition, offset in {r.position.of: r.position.offset + 1 for r in kept}.items():
            del self._nexts[partition]
            self._nexts[partition] = offset  # now last in turn, so that none waits behind a busy one
        return kept

    def marks(self) -> Mapping[Partition, str]:
        """As the port says."""
        return self._marks

    async def publish(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS
    ) -> None:
        """As the port says; leaves out partitions that this worker has lost: their new owner reads them again."""
        stamp = int(self._clock.wall() * 1000)

        def work(connection: sqlite3.Connection) -> set[Partition]:
            mine = leases.owned(connection, self._settings.group, self._owner)
            append(connection, self._drafts(o for o in outgoing if o.source.of in mine), self._counts, stamp)
            for partition in offsets.keys() & mine:
                mark = marks.get(partition, "")
                leases.store(connection, self._settings.group, partition, offsets[partition], mark)
            return mine

        try:
            mine = await self._file.transaction(work)
        except TransportUnavailable as error:
            raise PublishFailed(f"{len(outgoing)} records not stored: {error}") from error
        if strangers := ({o.source.of for o in outgoing} | offsets.keys()) - mine:
            _log.warning("transport.not_ours", partitions=sorted(strangers), owner=self._owner)

    def _drafts(self, outgoing: Iterable[Outgoing]) -> Iterable[Draft]:
        for out in outgoing:
            topic = topic_of(self._topics, out.route)
            yield Draft(topic, out.key, out.value, out.headers, out.source.partition % self._counts[topic])

    async def commit(self, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS) -> None:
        """Does nothing: offsets are stored with what `publish` stores."""

    def health(self) -> TransportHealth:
        """As the port says; the lag is that of the last heartbeat."""
        return TransportHealth(
            self._connected,
            tuple(sorted(self._held)),
            self._detail,
            dict(self._lag),
            self._counts.get(self._topics.events, 0),
        )

    async def stop(self) -> None:
        """As the port says; the leases are free at once."""
        self._stopping.set()
        if self._heartbeats is not None:
            await asyncio.wait([self._heartbeats], timeout=self._settings.heartbeat_ms / 1000)
            self._heartbeats.cancel()
            await asyncio.gather(self._heartbeats, return_exceptions=True)  # its failure is what poll raised
            self._heartbeats = None
            try:
                await self._file.transaction(lambda c: leases.leave(c, self._settings.group, self._owner))
            except TransportUnavailable as error:
                _log.warning("transport.leave_failed", error=str(error), expires_ms=self._settings.lease_ms)
        await self._file.close()
        self._nexts, self._held, self._connected, self._detail = {}, frozenset(), False, "stopped"

    async def _keep_leases(self, on_revoked: Revoked) -> None:
        while not self._stopping.is_set():
            await self._pause(self._settings.heartbeat_ms / 1000)
            if not self._stopping.is_set():
                await self._heartbeat(on_revoked)

    async def _heartbeat(self, on_revoked: Revoked) -> None:
        events = self._topics.events
        partitions = [Partition(events, number) for number in range(self._counts[events])]
        now_ms, held = int(self._clock.wall() * 1000), self._held
        group, lease_ms = self._settings.group, self._settings.lease_ms

        def work(connection: sqlite3.Connection) -> tuple[leases.Share, dict[Partition, int], dict[Partition, str]]:
            share = leases.heartbeat(connection, group, self._owner, partitions, held, now_ms=now_ms, lease_ms=lease_ms)
            marks = {p: leases.committed(connection, group, p)[1] for p in share.gained}
            return share, {p: end(connection, p) for p in (held | share.gained.keys()) - share.lost}, marks

        try:
            share, ends, marks = await self._file.transaction(work)
        except TransportUnavailable as error:
            self._away(error)
            return
        await self._let_go(share, on_revoked)
        self._marks.update(marks)
        self._nexts.update(share.gained)
        self._held |= share.gained.keys()
        self._connected, self._detail = (
            True,
            f"{self._settings.path}, {len(self._held)} of {len(partitions)} partitions",
        )
        self._lag = {p: ends[p] - self._nexts[p] for p in self._held & ends.keys() & self._nexts.keys()}

    async def _let_go(self, share: leases.Share, on_revoked: Revoked) -> None:
        leaving = share.lost | share.excess
        if not leaving:
            return
        for partition in leaving:
            self._nexts.pop(partition, None)
        keeping = asyncio.create_task(self._renew_while_draining(), name="sqlite-drain")
        try:
            await on_revoked(leaving)
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
        self._held -= leaving
        group, owner = self._settings.group, self._owner
        try:
            await self._file.transaction(lambda c: leases.release(c, group, owner, share.excess))
        except TransportUnavailable as error:
            self._away(error)  # the next heartbeat finds them ours again and over the share

    async def _renew_while_draining(self) -> None:
        """A drain may take longer than a lease lasts."""
        group, owner = self._settings.group, self._owner
        while True:
            await asyncio.sleep(self._settings.heartbeat_ms / 1000)
            expires_ms = int(self._clock.wall() * 1000) + self._settings.lease_ms
            renew = partial(leases.renew, group=group, owner=owner, expires_ms=expires_ms)
            try:
                await self._file.transaction(renew)
            except TransportUnavailable as error:
                self._away(error)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _away(self, error: TransportUnavailable) -> None:
        if self._connected:
            _log.warning("transport.waiting", path=str(self._settings.path), error=str(error))
        self._connected, self._detail = False, str(error)
