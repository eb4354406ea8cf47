"""The queues that the conformance suites run over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conformance.kafka_rig import kafka_rig
from tests.conformance.rigs import Rig, memory_rig, sqlite_rig
from worker.core.ports import Transport
from worker.transport.kafka import KafkaTransport
from worker.transport.kafka_exact import ExactKafkaTransport

KINDS = ["memory", "sqlite", *(pytest.param(kind, marks=pytest.mark.kafka) for kind in ("kafka", "kafka-exact"))]


@pytest.fixture(params=KINDS)
async def rig(request: pytest.FixtureRequest) -> Rig:
    """A fresh queue of each kind."""
    return await make(request)


@pytest.fixture(params=KINDS[1:])
async def shared(request: pytest.FixtureRequest) -> Rig:
    """A fresh queue of each kind that several workers may share: one in memory has one worker."""
    return await make(request)


async def make(request: pytest.FixtureRequest) -> Rig:
    """The queue that a fixture's parameter names."""
    if request.param == "memory":
        return memory_rig()
    if request.param == "sqlite":
        return sqlite_rig(request.getfixturevalue("tmp_path"))
    kind = ExactKafkaTransport if request.param == "kafka-exact" else KafkaTransport
    return await kafka_rig(request.getfixturevalue("kafka"), kind)


@pytest.fixture
async def started() -> AsyncIterator[list[Transport]]:
    """Workers that a test started through `join`; stopped at its end."""
    workers: list[Transport] = []
    yield workers
    for worker in workers:
        await worker.stop()
