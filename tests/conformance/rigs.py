"""One queue of each kind, with topics of its own, as the conformance suite needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.core.clock import SystemClock
from worker.core.ports import Sender, Tail, Transport
from worker.transport.memory import MemoryLog, MemorySender, MemoryTail, MemoryTransport
from worker.transport.settings import SqliteSettings, TopicSettings
from worker.transport.sqlite import SqliteTransport
from worker.transport.sqlite_ends import SqliteSender, SqliteTail

PARTITIONS = 4


@dataclass
class Rig:
    """A queue whose topics have `PARTITIONS` partitions each, and ways to make what meets at it."""

    topics: TopicSettings
    worker: Callable[[], Transport]
    sender: Callable[[], Sender]
    tail: Callable[[Sequence[str]], Tail]


def memory_rig() -> Rig:
    """A queue in memory."""
    log, topics = MemoryLog(PARTITIONS), TopicSettings()
    return Rig(
        topics,
        worker=lambda: MemoryTransport(log, topics),
        sender=lambda: MemorySender(log),
        tail=lambda names: MemoryTail(log, names),
    )


def sqlite_rig(folder: Path) -> Rig:
    """A queue in a new file of `folder`."""
    settings, topics = SqliteSettings(path=folder / "q.db", partitions=PARTITIONS, heartbeat_ms=50), TopicSettings()
    clock = SystemClock()
    return Rig(
        topics,
        worker=lambda: SqliteTransport(settings, topics, clock),
        sender=lambda: SqliteSender(settings, [topics.events, *topics.outputs], clock),
        tail=lambda names: SqliteTail(settings, names),
    )
