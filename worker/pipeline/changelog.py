"""
The changelog of streams: their state beside the input, in the same partition, so that it survives the worker.

Three rules make the decisions after a death those that would have been made without it:

* State is written before the offset that it belongs to is committed, or in the same transaction. So what comes again
  was folded already, and is answered from its record.
* The way back is written as of an offset that is committed already: it reaches far enough whichever commit stands.
* A partition's state is read when its first record is, after the transport has fenced its earlier owner. Then the
  input is read again from the way back on, silently: messages are noted, and the sound of open calls is heard again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import orjson
import stamina
import structlog

from worker.core.errors import NotAnEvent, TransportUnavailable
from worker.core.ports import Decoder, PolicyBook, Tail
from worker.core.records import Outgoing, Partition, Position, Record, Route
from worker.core.streams import StreamKey
from worker.pipeline.rehearsal import Rehearsal, Rehearsed
from worker.pipeline.streams import Streams, WayBack

_log = structlog.get_logger(__name__)
_MOST_BYTES = 200_000  # of a stream's state; a larger one is written without what only repeats could ask for
_CHUNKS = 32  # of calls that are heard again at once
_READ = 2_000  # records at once

OpenTail = Callable[[str, Mapping[Partition, int]], Tail]  # a topic, and from where on each partition is read


class Topics(Protocol):
    """What it needs to know of the topics' names."""

    @property
    def events(self) -> str: ...

    @property
    def calls(self) -> str | None: ...


class Changelog:
    """
    Args:
        topics: without a name for `calls` nothing is kept, and a stream begins anew with each owner of its partition.
    """

    def __init__(
        self,
        streams: Streams,
        rehearsal: Rehearsal,
        decoder: Decoder,
        policies: PolicyBook,
        open_tail: OpenTail | None,
        topics: Topics,
    ) -> None:
        self._streams = streams
        self._rehearsal = rehearsal
        self._decoder = decoder
        self._policies = policies
        self._open_tail = open_tail if topics.calls is not None else None
        self._topic = topics.calls
        self._events = topics.events
        self._committed: dict[Partition, int] = {}  # what stands, as far as is known
        self._back: dict[Partition, WayBack] = {}  # as it was written last

    def unwritten(self, offsets: Mapping[Partition, int]) -> list[Outgoing]:
        """What must stand before these offsets are committed, or with them."""
        if self._open_tail is None:
            return []
        found: list[Outgoing] = []
        for partition, offset in offsets.items():
            source = Position(*partition, max(offset - 1, 0))
            for key, state in self._streams.book.stored(partition):
                value = None if state is None else _bounded(state)
                found.append(Outgoing(Route.CALLS, _key("state", partition, *key), value, (), source))
            back = self._streams.way_back(partition, self._committed.get(partition, 0))
            if back != self._back.get(partition):
                self._back[partition] = back
                body = orjson.dumps({"v": 1, **back._asdict()})
                found.append(Outgoing(Route.CALLS, _key("back", partition), body, (), source))
        return found

    def failed(self, unwritten: Iterable[Outgoing]) -> None:
        """They do not stand: they come again with the next commit."""
        for out in unwritten:
            kind, _, *key = orjson.loads(out.key or b"[]")
            if kind == "state":
                self._streams.book.unheard(out.source.of, [(key[0], key[1])])
            else:
                self._back.pop(out.source.of, None)

    def settled(self, offsets: Mapping[Partition, int]) -> None:
        """These offsets are committed."""
        self._committed.update(offsets)
        self._streams.settled(offsets)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop partitions that went to another worker."""
        for partition in partitions:
            self._committed.pop(partition, None)
            self._back.pop(partition, None)

    async def restore(self, partition: Partition, first: int) -> None:
        """
        Have of a partition what its earlier owner had, before its record at `first` is admitted. As often as it takes.

        Raises:
            TidegateError: waiting cannot mend it.
        """
        if self._open_tail is None:
            return
        async for attempt in stamina.retry_context(
            on=TransportUnavailable, attempts=None, timeout=None, wait_initial=0.1, wait_max=2.0
        ):
            with attempt:
                self._streams.forget([partition])
                self._rehearsal.forget(partition)
                back = await self._read_state(partition, first)
                again = await self._read_again(partition, back, first)
        self._committed[partition] = first
        self._streams.settled({partition: first})
        if min(back) < first or len(self._streams.book):
            _log.info("streams.restored", partition=partition.number, streams=len(self._streams.book), read_again=again)

    async def _read_state(self, partition: Partition, first: int) -> WayBack:
        """Load the streams; returns the way back, `first` where there is none."""
        assert self._topic is not None
        back = WayBack(first, first)
        async for record in self._all(self._topic, partition.number, 0):
            with suppress(ValueError, TypeError, KeyError, IndexError):  # other hands may write there too
                kind, number, *key = orjson.loads(record.key or b"")
                body = None if record.value is None else orjson.loads(record.value)
                if number != partition.number:
                    continue
                if kind == "back" and body is not None:
                    back = WayBack(int(body["said"]), int(body["heard"]))
                elif kind == "state":
                    stream: StreamKey = (str(key[0]), str(key[1]))
                    self._streams.book.load(partition, stream, body)
        return WayBack(min(back.said, first), min(back.heard, first))

    async def _read_again(self, partition: Partition, back: WayBack, first: int) -> int:
        """Note what was said, and hear what was to be heard, from there on; returns how many records that were."""
        count, chunks = 0, list[Rehearsed]()
        if min(back) >= first:
            return 0
        async for record in self._all(self._events, partition.number, min(back), until=first):
            count += 1
            if record.value is None:
                continue
            try:
                envelope = self._decoder.envelope(record)
            except NotAnEvent:
                continue
            policy = self._policies.of(envelope.tenant)
            if policy is None:
                continue
            self._streams.note(record.position, record.timestamp_ms, envelope, policy)
            if envelope.of_call and record.position.offset >= back.heard:
                chunks.append(Rehearsed(record, envelope, policy))
            if len(chunks) == _CHUNKS:
                await self._rehearsal.hear(chunks)
                chunks.clear()
        await self._rehearsal.hear(chunks)
        return count

    async def _all(self, topic: str, number: int, start: int, until: int | None = None) -> AsyncIterator[Record]:
        """The records of one partition from `start` to its end as it stands now, or to the offset `until`."""
        assert self._open_tail is not None
        tail = self._open_tail(topic, {Partition(topic, number): start})
        await tail.start()
        try:
            while True:
                at_end = await tail.caught_up()
                records: Sequence[Record] = await tail.read(max_records=_READ, timeout_s=0 if at_end else 0.2)
                for record in records:
                    if until is not None and record.position.offset >= until:
                        return
                    yield record
                if at_end and not records:
                    return
                await asyncio.sleep(0)
        finally:
            await tail.stop()


def _key(kind: str, partition: Partition, *stream: str) -> bytes:
    """JSON: what it is, of which input partition, and of which tenant's stream."""
    return orjson.dumps([kind, partition.number, *stream])


def _bounded(state: dict[str, Any]) -> bytes:
    value = orjson.dumps(state)
    return value if len(value) <= _MOST_BYTES else orjson.dumps(state | {"changes": []})
