"""
Reading a group's committed offset as it stands when no transaction is under way on it.

aiokafka asks with OffsetFetch v3, which answers at once with the old offset while a transaction that moves it is still
being completed. Version 7 with `require_stable` (KIP-447) says so instead, and we ask again.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

_UNSTABLE = 88  # UNSTABLE_OFFSET_COMMIT, which aiokafka has no name for
_AGAIN_S = 0.02
_TEXT = CompactString("utf-8")


class _Answer(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = 9
    API_VERSION = 7
    _PARTITION = (
        ("partition", Int32),
        ("offset", Int64),
        ("leader_epoch", Int32),
        ("metadata", _TEXT),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("topics", CompactArray(("topic", _TEXT), ("partitions", CompactArray(*_PARTITION)), ("tags", TaggedFields))),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class _Question(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("group", _TEXT),
        ("topics", CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), ("tags", TaggedFields))),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class _StableOffsets(Request[_Question]):  # type: ignore[misc]
    API_KEY = 9

    def __init__(self, group: str, partition: TopicPartition) -> None:
        self._group = group
        self._partition = partition

    def build(self, request_struct_class: type[_Question]) -> Any:
        topic, number = self._partition
        return request_struct_class(self._group, [(topic, [number], {})], True, {})


class Committed(NamedTuple):
    """What a group has stored for a partition."""

    offset: int | None  # the next one to read; None when nothing was ever stored
    metadata: str


async def committed(client: AIOKafkaClient, group: str, partition: TopicPartition) -> Committed:
    """
    What `group` has stored for `partition`; waits, without limit, while a transaction on it is being completed.

    Raises:
        KafkaError: no answer, or a refusal; ask again.
    """
    coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
    while True:
        answer = await client.send(coordinator, _StableOffsets(group, partition), group=ConnectionGroup.COORDINATION)
        code, offset, metadata = answer.error_code, -1, ""
        for _, partitions, _ in answer.topics:  # the one we asked for; none when there is an error for all
            ((_, offset, _, metadata, code, _),) = partitions
        if code == _UNSTABLE:
            await asyncio.sleep(_AGAIN_S)
            continue
        if (error := for_code(code)) is not NoError:
            raise error(f"committed offset of {partition.topic}[{partition.partition}]")
        return Committed(offset if offset >= 0 else None, metadata or "")
