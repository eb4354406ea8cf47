"""The streams of a worker's partitions: folded, expired, and what of them the changelog must hear. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from worker.core.records import Partition, Position
from worker.core.streams import CallRules, StreamKey
from worker.stream.call import NOTHING, Answer, Heard, Stream

_SLACK = 2  # a stream goes after so many times its expiry: a record whose stamp lies back still finds it


class _Shelf:
    """One partition's streams."""

    __slots__ = ("due", "restless", "streams", "touched")

    def __init__(self) -> None:
        self.streams: dict[StreamKey, Stream] = {}
        self.touched: set[StreamKey] = set()  # changed since the changelog heard of them last
        self.restless: set[StreamKey] = set()  # with something that a commit lets them forget
        self.due: list[tuple[int, StreamKey]] = []  # a heap: when each is to be looked at, by stamp


class StreamBook:
    """
    Only streams with something to remember are in it: one in which nothing ever passed costs nothing.

    Args:
        most: streams kept, over all partitions; past it those go first that would expire first.
    """

    def __init__(self, most: int = 200_000) -> None:
        self._most = most
        self._shelves: dict[Partition, _Shelf] = {}
        self._count = 0
        self.evicted = 0

    def __len__(self) -> int:
        return self._count

    def stands(self, position: Position, key: StreamKey) -> bool:
        """True when the stream has something to remember: then its windows are asked what they still back."""
        shelf = self._shelves.get(position.of)
        return shelf is not None and key in shelf.streams

    def fold(
        self,
        position: Position,
        key: StreamKey,
        stamp_ms: int,
        heard: Sequence[Heard],
        rules: CallRules,
        severe: frozenset[str],
    ) -> Answer:
        """Take the windows that a record closed, in its stream's order, and answer it; one that comes again too."""
        shelf = self._shelves.get(position.of)
        stream = None if shelf is None else shelf.streams.get(key)
        if stream is None:
            if not any(one.asks for one in heard):
                return NOTHING
            stream, new = Stream(), True
            shelf = self._shelves.setdefault(position.of, _Shelf())
        elif position.offset <= stream.applied:
            return stream.answer(position.offset)
        else:
            new = False
        assert shelf is not None
        answer = stream.fold(position.offset, stamp_ms, heard, rules, severe)
        if new:
            self._add(shelf, key, stream)
        shelf.touched.add(key)
        shelf.restless.add(key)
        self._make_room(shelf)
        return answer

    def _add(self, shelf: _Shelf, key: StreamKey, stream: Stream) -> None:
        shelf.streams[key] = stream
        heapq.heappush(shelf.due, (stream.stamp_ms + _SLACK * stream.expire_ms, key))
        self._count += 1

    def _make_room(self, shelf: _Shelf) -> None:
        while self._count > self._most and shelf.due:
            _, key = heapq.heappop(shelf.due)
            self._drop(shelf, key)
            self.evicted += 1

    def _drop(self, shelf: _Shelf, key: StreamKey) -> None:
        stream = shelf.streams.pop(key, None)
        if stream is not None:
            self._count -= 1
            if stream.stored:
                shelf.touched.add(key)  # the changelog must hear that it is gone
            else:
                shelf.touched.discard(key)
            shelf.restless.discard(key)

    def expire(self, partition: Partition, stamp_ms: int) -> int:
        """Forget streams that nothing came of for long, as of a record with this stamp; returns how many."""
        shelf, gone = self._shelves.get(partition), 0
        while shelf is not None and shelf.due and shelf.due[0][0] < stamp_ms:
            _, key = heapq.heappop(shelf.due)
            stream = shelf.streams.get(key)
            if stream is None:
                continue
            until = stream.stamp_ms + _SLACK * stream.expire_ms
            if until < stamp_ms:
                self._drop(shelf, key)
                gone += 1
            else:
                heapq.heappush(shelf.due, (until, key))
        return gone

    def settled(self, partition: Partition, offset: int) -> None:
        """The group has committed `offset`: what lies below it never comes again."""
        shelf = self._shelves.get(partition)
        if shelf is None:
            return
        for key in list(shelf.restless):
            stream = shelf.streams[key]
            stream.settled(offset)
            if stream.changes or stream.applied >= offset:
                continue
            shelf.restless.discard(key)
            if not stream.tracks:  # trivial since before that offset: nothing of it can be asked for
                self._drop(shelf, key)

    def stored(self, partition: Partition) -> Iterator[tuple[StreamKey, dict[str, Any] | None]]:
        """What the changelog has not heard yet, each stream once; None for one that is gone."""
        shelf = self._shelves.get(partition)
        if shelf is None:
            return
        touched, shelf.touched = shelf.touched, set()
        for key in sorted(touched):
            stream = shelf.streams.get(key)
            if stream is not None:
                stream.stored = True
            yield key, None if stream is None else stream.as_json()

    def unheard(self, partition: Partition, keys: Iterable[StreamKey]) -> None:
        """The changelog did not take these after all."""
        if (shelf := self._shelves.get(partition)) is not None:
            shelf.touched.update(keys)

    def load(self, partition: Partition, key: StreamKey, stored: dict[str, Any] | None) -> None:
        """
        Take what the changelog holds of a stream; of several the one that was folded furthest counts.

        Raises:
            KeyError, TypeError, ValueError: it is none of ours.
        """
        shelf = self._shelves.setdefault(partition, _Shelf())
        before = shelf.streams.get(key)
        if stored is None:
            if before is not None:
                del shelf.streams[key]
                self._count -= 1
            return
        stream = Stream.from_json(stored)
        if before is not None:
            if before.applied > stream.applied:  # a worker that was given up for dead wrote once more
                return
            shelf.streams[key] = stream
        else:
            self._add(shelf, key, stream)
        shelf.restless.add(key)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop partitions that went to another worker."""
        for partition in partitions:
            if (shelf := self._shelves.pop(partition, None)) is not None:
                self._count -= len(shelf.streams)
