"""What a queue gives and takes: positions, records in, records out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

Headers = tuple[tuple[str, bytes], ...]

FIRST_POSITION = "tidegate-first-position"  # header "topic:partition:offset": where a redriven record was first read
REDRIVES = "tidegate-redrives"  # header: how often the record was redriven


class Partition(NamedTuple):
    """One ordered log of the queue."""

    topic: str
    number: int


class Position(NamedTuple):
    """Where a record stands: the unit of acknowledgement."""

    topic: str
    partition: int
    offset: int

    @property
    def of(self) -> Partition:
        return Partition(self.topic, self.partition)


class Record(NamedTuple):
    """A record as the transport gave it; nothing in it has been believed yet."""

    position: Position
    key: bytes | None
    value: bytes | None  # None: a tombstone
    headers: Headers
    timestamp_ms: int  # the queue's own stamp, Unix milliseconds


class Route(Enum):
    """Which output topic a record goes to; the transport knows the topics' names."""

    ALLOW = "allow"
    FLAG = "flag"
    BLOCK = "block"
    DEAD_LETTER = "dead_letter"
    CALLS = "calls"  # what of calls and conversations must survive a worker
    REVIEW = "review"  # beside the decision itself, for people who check a sample


class Outgoing(NamedTuple):
    """A terminal record: what one input position ends as."""

    route: Route
    key: bytes | None
    value: bytes | None
    headers: Headers
    source: Position  # the input it answers; the output goes to the same partition number


class Draft(NamedTuple):
    """A record to append from outside the worker: what `tidegate send`, the demo and tests write."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None  # None: chosen from the key, in turn when there is no key


class Order(Enum):
    """How strictly a transport needs outputs ordered before they are published."""

    BY_KEY = "by_key"  # at-least-once: publish freely, commit the gap-free prefix later
    BY_PARTITION = "by_partition"  # outputs and offset are stored in one transaction, prefix by prefix


@dataclass(frozen=True, slots=True)
class TransportHealth:
    """What a transport says of itself for `/readyz` and `/status`."""

    connected: bool
    partitions: tuple[Partition, ...]  # assigned to this worker; empty is healthy for a spare
    detail: str  # one sentence for people
    lag: dict[Partition, int]  # records behind the end, per partition, where known
    total: int = 0  # partitions of the input topic, over all workers; 0 where not known
    silent_s: float = 0.0  # seconds since the queue last answered the worker's own client
    secrets: tuple[int, int] = (0, 0)  # how often changed secrets were taken up, and how often they could not be

    @property
    def share(self) -> float:
        """This worker's part of the group's partitions, above 0 and at most 1; 1 where it is not known."""
        return min(len(self.partitions) / self.total, 1.0) if self.total and self.partitions else 1.0
