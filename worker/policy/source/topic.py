"""A compacted topic as a source of policies: a record's key is a file's name, its value the file, null removes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from worker.core.errors import SourceUnavailable, TransportUnavailable
from worker.core.ports import Tail
from worker.core.records import Record
from worker.policy.files import MAX_FILE_BYTES, MAX_FILES, FileSet, SetFile, held, is_hidden, plain_name, refused
from worker.policy.source import wait_for_stop

_SETTLE_S = 0.1  # files that are written together are taken together
_SETTLE_AT_MOST = 20  # reads, so that a topic that never rests is taken all the same
_WAIT_S = 1.0
_RECORDS = 500

log = structlog.get_logger(__name__)


class TopicSource:
    """
    Port `PolicySource` over a `Tail` that reads from the beginning; every worker reads all of the topic.

    Args:
        open_tail: a fresh tail; called again after the queue was away, since a removal may have been compacted away.
        timeout_s: the longest the first reading to the end may take.
        max_bytes: of all files together; a file that does not fit is refused, the others stay.
    """

    def __init__(self, open_tail: Callable[[], Tail], topic: str, *, timeout_s: float, max_bytes: int) -> None:
        self._open_tail, self._topic, self._timeout_s, self._max_bytes = open_tail, topic, timeout_s, max_bytes
        self._tail: Tail | None = None
        self._files: dict[str, SetFile] = {}

    @property
    def name(self) -> str:
        return f"the topic {self._topic}"

    async def read(self) -> FileSet:
        """As the port says; the first time to the end of the topic, so that no file is missing by chance."""
        if self._tail is None:
            try:
                await self._read_to_end()
            except (TransportUnavailable, TimeoutError) as error:
                await self.stop()
                raise SourceUnavailable(
                    f"{self.name} cannot be read: {error or 'it does not answer in time'}"
                ) from None
        return FileSet(dict(self._files))

    async def changed(self, stop: asyncio.Event) -> None:
        """As the port says."""
        if self._tail is None:
            await wait_for_stop(stop, _WAIT_S)
            return
        try:
            while not stop.is_set():
                records = await self._tail.read(max_records=_RECORDS, timeout_s=_WAIT_S)
                if records:
                    self._take(records)
                    await self._settle(self._tail)
                    return
        except TransportUnavailable as error:
            log.warning("policies.source_away", source=self.name, error=str(error))
            await self.stop()  # the next read begins anew
            await wait_for_stop(stop, _WAIT_S)

    async def stop(self) -> None:
        """As the port says."""
        tail, self._tail = self._tail, None
        if tail is not None:
            await tail.stop()

    async def _read_to_end(self) -> None:
        self._files.clear()
        self._tail = self._open_tail()
        async with asyncio.timeout(self._timeout_s):
            await self._tail.start()
            while not await self._tail.caught_up():
                self._take(await self._tail.read(max_records=_RECORDS, timeout_s=_SETTLE_S))

    async def _settle(self, tail: Tail) -> None:
        for _ in range(_SETTLE_AT_MOST):
            records = await tail.read(max_records=_RECORDS, timeout_s=_SETTLE_S)
            if not records:
                return
            self._take(records)

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                name = plain_name((record.key or b"").decode())
            except ValueError:  # not UTF-8, or out of the set
                log.warning(
                    "policies.not_a_file",
                    source=self.name,
                    partition=record.position.of.number,
                    offset=record.position.offset,
                    effect="passed over: the key must be a file's name",
                )
                continue
            if record.value is None:
                self._files.pop(name, None)
            elif not is_hidden(name):
                self._files[name] = self._file(name, record.value)

    def _file(self, name: str, content: bytes) -> SetFile:
        others = sum(file.size for other, file in self._files.items() if other != name and file.problem is None)
        if len(content) > MAX_FILE_BYTES:
            return refused(len(content), f"{len(content)} bytes are more than the {MAX_FILE_BYTES} allowed")
        if others + len(content) > self._max_bytes or len(self._files) >= MAX_FILES:
            return refused(len(content), f"{self.name} holds more than policy_source.max_bytes {self._max_bytes}")
        return held(content)
