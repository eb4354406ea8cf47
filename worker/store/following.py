"""Filling a store from the topics: decisions, appeals and reviews as they come, from where the store left off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import stamina
import structlog
from pydantic import ValidationError

from worker.core.clock import Clock
from worker.core.errors import StoreFailed, TransportUnavailable
from worker.core.queue import Tail
from worker.core.records import Partition, Record
from worker.core.schema_people import AppealDocument, ReviewDocument
from worker.store.writing import Remark, StoreWriter

log = structlog.get_logger(__name__)

T = TypeVar("T")
_MODELS: Mapping[str, type[AppealDocument | ReviewDocument]] = {"appeal": AppealDocument, "review": ReviewDocument}
_TEND_EVERY_S = 60.0
_READ_S = 0.5


class Keeper:
    """
    A store's writer on a thread of its own, so that the event loop never waits for the disk.

    Args:
        open_writer: called in that thread.
    """

    def __init__(self, open_writer: Callable[[], StoreWriter], clock: Clock) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._open_writer, self._clock = open_writer, clock
        self._writer: StoreWriter | None = None
        self._tended = clock.now()

    async def start(self) -> None:
        """Open the store. Raises ConfigError when it is in use or cannot be written."""
        self._writer = await self._in_thread(self._open_writer)

    async def positions(self) -> dict[Partition, int]:
        """Where filling goes on, by partition."""
        return await self._in_thread(lambda: self._opened.positions)

    async def keep(
        self,
        values: Sequence[bytes],
        positions: Mapping[Partition, int] | None = None,
        remarks: Sequence[Remark] = (),
    ) -> int:
        """`StoreWriter.append`, and now and then `tend`. Raises StoreFailed."""
        new = await self._in_thread(lambda: self._opened.append(values, positions, remarks))
        await self.tend()
        return new

    async def tend(self) -> None:
        """Seal, archive and expire, at most once a minute. Raises StoreFailed."""
        if self._clock.now() - self._tended >= _TEND_EVERY_S:
            self._tended = self._clock.now()
            await self._in_thread(self._opened.tend)

    async def note(self, kind: str, said: Mapping[str, Any]) -> None:
        """`StoreWriter.note`. Raises StoreFailed."""
        await self._in_thread(lambda: self._opened.note(kind, said))

    async def stop(self) -> None:
        """Close the store after what is under way."""
        if self._writer is not None:
            await self._in_thread(self._writer.close)
        self._thread.shutdown(wait=False)

    @property
    def _opened(self) -> StoreWriter:
        assert self._writer is not None, "a store is used before it was started. This is a bug."
        return self._writer

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class Follower:
    """
    Reads topics into a store.

    Args:
        make_tail: a tail of all the topics, each partition from its position on, the others from their beginning.
        remarks: topics whose records are appeals or reviews, with the name of their kind.
    """

    def __init__(
        self, keeper: Keeper, make_tail: Callable[[Mapping[Partition, int]], Tail], remarks: Mapping[str, str]
    ) -> None:
        self._keeper, self._make_tail, self._remarks = keeper, make_tail, remarks
        self.kept = 0  # decisions that were new

    async def run(self, *, until_end: bool = False) -> None:
        """
        Follow until cancelled, or with `until_end` until all is read that stood there at the start.

        A queue or a disk that fails is waited for; what was not stored is read again.
        """
        async for attempt in stamina.retry_context(
            on=(TransportUnavailable, StoreFailed), attempts=None, timeout=None, wait_initial=0.5, wait_max=10.0
        ):
            with attempt:
                try:
                    await self._follow(until_end)
                except (TransportUnavailable, StoreFailed) as error:
                    log.warning("store.waits", error=str(error), attempt=attempt.num)
                    raise

    async def _follow(self, until_end: bool) -> None:
        tail = self._make_tail(await self._keeper.positions())
        await tail.start()
        try:
            while not (until_end and await tail.caught_up()):
                records = await tail.read(max_records=2_000, timeout_s=_READ_S)
                if records:
                    await self._take(records)
                else:
                    await self._keeper.tend()
        finally:
            await tail.stop()

    async def _take(self, records: Sequence[Record]) -> None:
        values, remarks = [], []
        for record in records:
            kind = self._remarks.get(record.position.topic)
            if kind is None:
                values += [record.value] if record.value is not None else []
            elif (remark := remark_in(kind, record)) is not None:
                remarks.append(remark)
            else:
                log.warning("store.no_remark", kind=kind, offset=record.position.offset)
        positions = {record.position.of: record.position.offset + 1 for record in records}
        self.kept += await self._keeper.keep(values, positions, remarks)


def remark_in(kind: str, record: Record) -> Remark | None:
    """An appeal.v1 or review.v1 of a record; None for bytes that are none. Its place in the topic is its id."""
    value = record.value or b""
    try:
        said = _MODELS[kind].model_validate_json(value)
    except ValidationError:
        return None
    place = f"{record.position.topic}:{record.position.partition}:{record.position.offset}"
    return Remark(kind, place, said.decision, said.tenant, record.timestamp_ms, value)
