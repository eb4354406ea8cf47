"""From settings to the queue that they name, and to its two ends that are not a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from worker.core.clock import Clock, SystemClock
from worker.core.ports import Sender, Tail, Transport
from worker.core.records import Partition
from worker.transport.settings import KafkaSettings, SqliteSettings, TopicSettings


class QueueSettings(Protocol):
    """What of the settings a queue needs."""

    @property
    def transport(self) -> str: ...

    @property
    def delivery(self) -> str: ...

    @property
    def kafka(self) -> KafkaSettings: ...

    @property
    def sqlite(self) -> SqliteSettings: ...

    @property
    def topics(self) -> TopicSettings: ...


def make_transport(settings: QueueSettings, clock: Clock) -> Transport:
    """The queue of `settings.transport`."""
    if settings.transport == "sqlite":
        from worker.transport.sqlite import SqliteTransport

        return SqliteTransport(settings.sqlite, settings.topics, clock)
    if settings.delivery == "exactly-once":
        from worker.transport.kafka_exact import ExactKafkaTransport

        return ExactKafkaTransport(settings.kafka, settings.topics, clock)
    from worker.transport.kafka import KafkaTransport

    return KafkaTransport(settings.kafka, settings.topics, clock)


def make_sender(settings: QueueSettings, topics: Sequence[str] = ()) -> Sender:
    """Appends to `topics` (none: the input topic) of the queue of `settings.transport`."""
    if settings.transport == "sqlite":
        from worker.transport.sqlite_ends import SqliteSender

        topics = topics or (settings.topics.events, *settings.topics.outputs)
        return SqliteSender(settings.sqlite, topics, SystemClock())
    from worker.transport.kafka_ends import KafkaSender

    return KafkaSender(settings.kafka, topics or (settings.topics.events,))


def make_tail(
    settings: QueueSettings,
    topics: Sequence[str],
    *,
    from_beginning: bool,
    starts: Mapping[Partition, int] | None = None,
    resume: Mapping[Partition, int] | None = None,
) -> Tail:
    """
    Reads topics of the queue of `settings.transport`.

    starts: those partitions alone, from there on. resume: these from there on, and all others as `from_beginning` says.
    """
    if settings.transport == "sqlite":
        from worker.transport.sqlite_ends import SqliteTail

        return SqliteTail(settings.sqlite, topics, from_beginning=from_beginning, starts=starts, resume=resume)
    from worker.transport.kafka_ends import KafkaTail

    return KafkaTail(settings.kafka, topics, from_beginning=from_beginning, starts=starts, resume=resume)
