"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ops.kafka.broker import Broker


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """bootstrap.servers of a real Kafka, started when the first test asks and ended with the session."""
    with Broker() as broker:
        yield broker.bootstrap
