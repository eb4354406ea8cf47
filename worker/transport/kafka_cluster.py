"""Reaching the cluster: whether it refuses us or is away, and the topics with their partitions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.conn import create_conn
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from worker.core.errors import ConfigError
from worker.transport.kafka_security import REFUSED
from worker.transport.settings import KafkaSettings


async def refusal(options: dict[str, Any]) -> Exception | None:
    """Why the first bootstrap server refuses us, when it answers and refuses; None when it merely is away."""
    host, _, port = options["bootstrap_servers"].split(",")[0].strip().rpartition(":")
    rest = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    try:
        conn = await create_conn(host, int(port), **rest)
    except REFUSED as error:
        return error
    except (KafkaError, OSError, TimeoutError, ValueError):
        return None
    conn.close()
    return None


async def serves_group(options: dict[str, Any], group: str) -> None:
    """Ask over connections of its own whether the group's coordinator can be reached. Raises KafkaError if not."""
    client = AIOKafkaClient(**options)
    try:
        await client.bootstrap()
        coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group)
        if not await client.ready(coordinator, group=ConnectionGroup.COORDINATION):
            raise KafkaConnectionError(f"no connection to the coordinator of {group}")
    finally:
        await client.close()


async def partition_counts(
    admin: AIOKafkaAdminClient,
    topics: Sequence[str],
    settings: KafkaSettings,
    compacted: Collection[str | None] = (),
) -> dict[str, int]:
    """
    The number of partitions of each of `topics`; creates missing ones with `create_topics`, those named compacted so.

    Raises:
        ConfigError: topics are missing or may not be seen.
        KafkaError: the cluster is not ready to say; ask again.
    """
    found = {topic["topic"]: topic for topic in await admin.describe_topics(list(topics))}
    errors = {name: for_code(topic["error_code"]) for name, topic in found.items()}
    missing = sorted(name for name in topics if errors.get(name) is UnknownTopicOrPartitionError)
    if missing and settings.create_topics:
        await _create(admin, missing, settings, compacted)
        raise UnknownTopicOrPartitionError(f"topics just created: {', '.join(missing)}")
    if missing:
        raise ConfigError(
            f"topics missing at {settings.bootstrap_servers}: {', '.join(missing)}: "
            "create them, or set kafka.create_topics = true"
        )
    for name, error in errors.items():
        if error in REFUSED:
            raise ConfigError(f"topic {name} may not be described by this user: grant Describe, Read and Write on it")
        if error is not NoError:
            raise error(name)
    return {name: len(topic["partitions"]) for name, topic in found.items()}


async def _create(
    admin: AIOKafkaAdminClient, names: Sequence[str], settings: KafkaSettings, compacted: Collection[str | None]
) -> None:
    size = (settings.create_partitions, settings.create_replication_factor)
    compact = {"cleanup.policy": "compact"}
    new = [NewTopic(name, *size, topic_configs=compact if name in compacted else None) for name in names]
    response = await admin.create_topics(new)
    for name, code, *rest in response.topic_errors:
        error = for_code(code)
        if error not in (NoError, TopicAlreadyExistsError):
            said = rest[0] if rest and rest[0] else error.__name__
            raise ConfigError(f"cannot create topic {name}: create it by hand or mend kafka.create_*: {said}")
