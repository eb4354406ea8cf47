"""Ports of the queue: what the intake polls, the outlet publishes to, and tools read and write from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from worker.core.records import Draft, Order, Outgoing, Partition, Position, Record, TransportHealth

Revoked = Callable[[frozenset[Partition]], Awaitable[None]]
NO_MARKS: Mapping[Partition, str] = MappingProxyType({})


class Transport(Protocol):
    """
    A queue: polled by the intake, published to and committed by the outlet. One conformance suite holds every
    implementation to these words (`tests/conformance/test_transport.py`).
    """

    @property
    def order(self) -> Order: ...

    async def start(self, on_revoked: Revoked) -> None:
        """
        Connect and join; waits for a queue that is away, saying so, and never raises for that.

        on_revoked is awaited before partitions go to another worker: when it returns they are drained and committed.

        Raises:
            ConfigError: settings, topics or permissions that waiting cannot mend.
        """
        ...

    async def poll(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """
        Up to `max_records` records, in offset order within a partition; empty after `timeout_s` without any.

        `max_records=0` keeps the membership alive and gives nothing: the way to wait without credits.
        Never cancelled by the caller. A queue that is away gives nothing until it is back.
        """
        ...

    def marks(self) -> Mapping[Partition, str]:
        """The mark that stood beside the committed offset of each assigned partition when it came; "" for none."""
        ...

    async def publish(
        self, outgoing: Sequence[Outgoing], offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS
    ) -> None:
        """
        Publish, in order for each (topic, partition); returns when all in-sync replicas have all of it.

        offsets: for `Order.BY_PARTITION`, the next offset to read of each partition that `outgoing` completes,
        stored in the same transaction. Empty for `Order.BY_KEY`, which commits later.
        marks: as for `commit`.

        Raises:
            PublishFailed: none of it may count as finished; publishing the same again is safe.
        """
        ...

    async def commit(self, offsets: Mapping[Partition, int], marks: Mapping[Partition, str] = NO_MARKS) -> None:
        """
        Store the next offset to read. Bounded in time; does nothing for `Order.BY_PARTITION`.

        marks: at most 1,000 characters kept beside each offset; one that is not named loses what it had.

        Raises:
            TransportUnavailable: not stored; the caller keeps the offsets for the next call.
        """
        ...

    def health(self) -> TransportHealth: ...

    async def stop(self) -> None:
        """Leave and close, in bounded time. Commits nothing."""
        ...


class Sender(Protocol):
    """Appends to topics from outside the worker: `tidegate send`, the demo, tests."""

    async def start(self) -> None:
        """Connect. Raises TransportUnavailable when nothing answers, ConfigError for what waiting cannot mend."""
        ...

    async def send(self, drafts: Sequence[Draft]) -> Sequence[Position]:
        """
        Append in order for each partition; returns where each draft now stands, when all in-sync replicas have it.

        Raises:
            PublishFailed: some may stand, some not; sending the same again is safe but for repeats.
        """
        ...

    async def stop(self) -> None:
        """Close, in bounded time."""
        ...


class Tail(Protocol):
    """Reads topics without a group and without committing: `tidegate watch`, tests."""

    async def start(self) -> None:
        """Connect. Raises TransportUnavailable when nothing answers, ConfigError for what waiting cannot mend."""
        ...

    async def read(self, *, max_records: int, timeout_s: float) -> Sequence[Record]:
        """Up to `max_records` new records, in offset order within a partition; empty after `timeout_s` without any."""
        ...

    async def caught_up(self) -> bool:
        """True when `read` has given all that stood in the topics at `start`."""
        ...

    async def stop(self) -> None:
        """Close, in bounded time."""
        ...
