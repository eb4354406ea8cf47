"""The two ends of the SQLite file that are not a worker: appending to it, and reading along."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from worker.core.clock import Clock
from worker.core.errors import PublishFailed, TransportUnavailable
from worker.core.records import Draft, Partition, Position, Record
from worker.transport.settings import SqliteSettings
from worker.transport.sqlite_file import SqliteFile, append, end, read

_LOOK_AGAIN_S = 0.02


class SqliteSender:
    """Appends to topics of the file; `topics` are created when they are missing."""

    def __init__(self, settings: SqliteSettings, topics: Sequence[str], clock: Clock) -> None:
        self._file = SqliteFile(settings)
        self._topics = topics
        self._clock = clock
        self._counts: dict[str, int] = {}

    async def start(self) -> None:
        """As the port says."""
        self._counts = await self._file.open(self._topics)

    async def send(self, drafts: Sequence[Draft]) -> Sequence[Position]:
        """As the port says; all of `drafts` or nothing."""
        stamp = int(self._clock.wall() * 1000)
        try:
            return await self._file.transaction(lambda connection: append(connection, drafts, self._counts, stamp))
        except TransportUnavailable as error:
            raise PublishFailed(f"{len(drafts)} records not stored: {error}") from error

    async def stop(self) -> None:
        """As the port says."""
        await self._file.close()


class SqliteTail:
    """
    Reads topics of the file from the beginning or from now on.

    starts: read these partitions alone, each from its offset on.
    resume: read these from their offsets on, beside all others.
    """

    def __init__(
        self,
        settings: SqliteSettings,
        topics: Sequence[str],
        *,
        from_beginning: bool = True,
        starts: Mapping[Partition, int] | None = None,
        resume: Mapping[Partition, int] | None = None,
    ) -> None:
        self._starts, self._resume = starts, resume or {}
        self._file = SqliteFile(settings)
        self._topics = topics
        self._from_beginning = from_beginning
        self._nexts: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """As the port says."""
        counts = await self._file.open(self._topics)
        partitions = [Partition(topic, number) for topic, count in counts.items() for number in range(count)]
        if self._starts is not None:
            partitions = [partition for partition in partitions if partition in self._starts]
        self._ends = await self._file.query(lambda connection: {p: end(connection, p) for p in partitions})
        self._nexts = dict.fromkeys(partitions, 0) if self._from_beginning else dict(self._ends)
        self._nexts.update(self._starts or {p: offset for p, offset in self._resume.items() if p in self._ends})

    async def read(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """As the port says. Raises TransportUnavailable when the file does not answer."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            found = await self._file.query(lambda connection: read(connection, self._nexts, max_records))
            for record in found:
                self._nexts[record.position.of] = record.position.offset + 1
            left = deadline - asyncio.get_running_loop().time()
            if found or left <= 0 or self._stopping.is_set():
                return found
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _LOOK_AGAIN_S)):
                    await self._stopping.wait()

    async def caught_up(self) -> bool:
        """As the port says."""
        return all(self._nexts[partition] >= end for partition, end in self._ends.items())

    async def stop(self) -> None:
        """As the port says; wakes a waiting read."""
        self._stopping.set()
        await self._file.close()
