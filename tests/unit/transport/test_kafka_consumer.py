"""What a group reader gives when partitions change hands while a fetch is under way."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from worker.core.clock import SystemClock
from worker.core.records import Partition
from worker.transport.kafka_consumer import GroupReader
from worker.transport.settings import KafkaSettings

PLACE = TopicPartition("events", 0)


class Consumer:
    """aiokafka's side: fetches that answer when the test says so."""

    def __init__(self) -> None:
        self.answers: deque[asyncio.Future[Any]] = deque()

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int, max_records: int) -> Any:
        if timeout_ms == 0:
            return {}
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    def pause(self, *partitions: TopicPartition) -> None:
        """Nothing is fetched of them."""


class Fence:
    """Takes note of nothing."""

    def came(self, partitions: frozenset[Partition]) -> None:
        """They may be read at once."""

    async def leaving(self, partitions: frozenset[Partition]) -> None:
        """Nothing to end."""


def record(offset: int) -> ConsumerRecord[Any, Any]:
    return ConsumerRecord("events", 0, offset, 0, 0, b"k", b"v", None, 1, 1, ())


async def test_what_was_fetched_while_partitions_were_let_go_is_never_given() -> None:
    """It is read again from the committed offset; given before that, it would move calls on and then set them back."""
    reader = GroupReader(KafkaSettings(), {"bootstrap_servers": "127.0.0.1:1"}, "events", SystemClock(), Fence())
    consumer, real = Consumer(), reader._consumer
    reader._consumer = cast(Any, consumer)
    await reader.on_partitions_assigned([PLACE])
    assert await reader.poll(10, 0.001) == []  # the fetch goes on
    await reader.on_partitions_revoked([PLACE])
    consumer.answers[-1].set_result({PLACE: [record(56)]})  # of the old assignment, while it is drained
    await asyncio.sleep(0)
    await reader.on_partitions_assigned([PLACE])
    assert await reader.poll(10, 0.001) == []
    assert await reader.poll(10, 0.001) == []
    consumer.answers[-1].set_result({PLACE: [record(26)]})
    await asyncio.sleep(0)
    assert [one.position.offset for one in await reader.poll(10, 0.001)] == [26]
    await real.stop()


async def test_the_first_failure_is_the_one_that_is_raised() -> None:
    """What breaks because a drain failed, such as a fence that comes too late, would hide why."""
    reader = GroupReader(KafkaSettings(), {"bootstrap_servers": "127.0.0.1:1"}, "events", SystemClock(), Fence())
    reader.fail(RuntimeError("cannot drain"))
    reader.fail(RuntimeError("no assignment for the partition"))
    with pytest.raises(RuntimeError, match="cannot drain"):
        await reader.poll(10, 0.001)
    await reader._consumer.stop()
