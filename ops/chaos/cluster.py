"""The run's side of Kafka: topics, the load, committed offsets as they move, a topic that refuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from ops.chaos.invariants import Sample
from ops.chaos.workload import KIND, Made

ROUTES = ("allow", "flag", "block", "dead_letter")
_ANSWER_S = 5.0
_AGAIN_S = 0.1
_BURST_S = 1.5  # records come in bursts, so that there is much in flight when something strikes


class Cluster:
    """
    One run's topics on a broker that may be killed meanwhile.

    Args:
        bootstrap: where the harness reaches the broker, past the proxy.
        name: prefix of the topics, and the workers' group.
    """

    def __init__(self, bootstrap: str, name: str, partitions: int) -> None:
        self.bootstrap = bootstrap
        self.group = name
        self.events = f"{name}.events"
        self.outputs = {route: f"{name}.{route}" for route in ROUTES}
        self.samples: list[Sample] = []
        self.ends: dict[int, int] = {}
        self._partitions = partitions

    async def create(self) -> None:
        """Create the topics; the broker's own clock stamps what is written to the outputs."""
        stamped = {"message.timestamp.type": "LogAppendTime"}
        topics = [NewTopic(self.events, self._partitions, 1)]
        topics += [NewTopic(name, self._partitions, 1, topic_configs=stamped) for name in self.outputs.values()]
        async with asyncio.timeout(30):
            while True:
                try:
                    admin = await self._admin()
                    try:
                        await admin.create_topics(topics)
                        return
                    finally:
                        await admin.close()
                except (KafkaError, OSError):
                    await asyncio.sleep(_AGAIN_S)

    async def send(self, load: Iterable[Made], count: int, seconds: float) -> None:
        """Append the load, spread evenly over `seconds`; waits for a broker that is away."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            began = time.monotonic()
            sending: list[asyncio.Future[Any]] = []
            for number, made in enumerate(load):
                due = began + seconds * number / count
                if due - time.monotonic() > _BURST_S:
                    await asyncio.sleep(due - time.monotonic())
                headers = [(KIND, made.kind.encode())]
                sending.append(await producer.send(self.events, made.value, made.key, headers=headers))
            for future in sending:
                at = await future
                self.ends[at.partition] = max(self.ends.get(at.partition, 0), at.offset + 1)
        finally:
            await producer.stop()

    async def sample(self) -> None:
        """Note the group's committed offsets ten times a second, until cancelled."""
        admin: AIOKafkaAdminClient | None = None
        try:
            while True:
                try:
                    async with asyncio.timeout(_ANSWER_S):
                        admin = admin or await self._admin()
                        committed = await admin.list_consumer_group_offsets(self.group)
                    at = time.time() * 1000
                    offsets = {tp.partition: o.offset for tp, o in committed.items() if o.offset >= 0}
                    if offsets:
                        self.samples.append(Sample(at, offsets))
                except (KafkaError, OSError, TimeoutError):
                    if admin is not None:
                        await admin.close()
                        admin = None
                await asyncio.sleep(_AGAIN_S)
        finally:
            if admin is not None:
                await admin.close()

    def behind(self) -> int:
        """Records that are not committed yet, as far as the last sample says."""
        last = self.samples[-1].offsets if self.samples else {}
        return sum(end - last.get(partition, 0) for partition, end in self.ends.items())

    async def _admin(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=int(_ANSWER_S * 1000))
        try:
            await admin.start()
        except BaseException:
            await admin.close()
            raise
        return admin
