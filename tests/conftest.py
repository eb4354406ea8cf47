"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from ops.kafka.broker import Broker
from tests.logging_back import log_put_back

settings.register_profile("tidegate", deadline=None)  # a law is no less true on a busy machine
settings.load_profile("tidegate")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """bootstrap.servers of a real Kafka, started when the first test asks and ended with the session."""
    with Broker() as broker:
        yield broker.bootstrap


@pytest.fixture(autouse=True)
def log_set_up() -> Iterator[None]:
    """The next test has its own log again."""
    with log_put_back():
        yield
