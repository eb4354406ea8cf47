"""Topics of their own on the real Kafka that the tests start."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.conformance.rigs import PARTITIONS, Rig
from worker.core.clock import SystemClock
from worker.transport.kafka import KafkaTransport
from worker.transport.kafka_ends import KafkaSender, KafkaTail
from worker.transport.settings import KafkaSettings, TopicSettings


def kafka_settings(bootstrap: str, **changes: object) -> KafkaSettings:
    """A group of its own, with time-outs short enough for tests that take a broker away."""
    quick = {"session_timeout_ms": 6_000, "heartbeat_interval_ms": 200, "stop_timeout_ms": 3_000}
    fields = {"bootstrap_servers": bootstrap, "group_id": f"g-{uuid.uuid4()}", **quick, **changes}
    return KafkaSettings.model_validate(fields)


def own_topics() -> TopicSettings:
    """Names that no other test has."""
    mark = uuid.uuid4().hex[:12]
    names = ("events", "allow", "flag", "block", "dead_letter", "review", "calls")
    return TopicSettings.model_validate({name: f"{name}.{mark}" for name in names})


async def create(
    bootstrap: str, topics: Sequence[str], partitions: int = PARTITIONS, configs: dict[str, str] | None = None
) -> None:
    """Create `topics` and wait until their partitions have leaders."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs) for name in topics])
        while any(
            topic["error_code"] or any(p["error_code"] for p in topic["partitions"])
            for topic in await admin.describe_topics(list(topics))
        ):
            continue
    finally:
        await admin.close()


async def kafka_rig(bootstrap: str, kind: type[KafkaTransport] = KafkaTransport, **changes: object) -> Rig:
    """A queue with new topics and a new group."""
    settings, topics, clock = kafka_settings(bootstrap, **changes), own_topics(), SystemClock()
    names = [topics.events, *topics.outputs]
    await create(bootstrap, names)
    return Rig(
        topics,
        worker=lambda: kind(settings, topics, clock),
        sender=lambda: KafkaSender(settings, names),
        tail=lambda some: KafkaTail(settings, some),
    )


async def cleanup_of(bootstrap: str, topic: str) -> str:
    """The topic's `cleanup.policy`: delete or compact."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        ((*_, entries),) = response.resources
        return next(str(entry[1]) for entry in entries if entry[0] == "cleanup.policy")
    finally:
        await admin.close()
