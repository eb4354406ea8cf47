"""What every test may ask for."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from ops.kafka.broker import Broker


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """bootstrap.servers of a real Kafka, started when the first test asks and ended with the session."""
    with Broker() as broker:
        yield broker.bootstrap


@pytest.fixture(autouse=True)
def log_set_up() -> Iterator[None]:
    """A verb that runs in this process sets up the log on a stream that ends with it: the next has its own again."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level
