"""The queues' settings: Kafka's names, and combinations that can never work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from worker.core.errors import ConfigError
from worker.core.records import Route
from worker.transport.kafka_security import Credentials
from worker.transport.settings import KafkaSettings, SqliteSettings, TopicSettings, topic_of


def test_kafkas_names_and_pythons_names_mean_the_same() -> None:
    """Both spellings fill one field."""
    theirs = KafkaSettings.model_validate({"bootstrap.servers": "a:1", "group.id": "g", "session.timeout.ms": 9_000})
    assert theirs == KafkaSettings(bootstrap_servers="a:1", group_id="g", session_timeout_ms=9_000)


def test_the_password_is_never_shown() -> None:
    """Not in a repr, not in JSON."""
    settings = KafkaSettings(security_protocol="SASL_SSL", sasl_username="u", sasl_password="hunter2")
    assert "hunter2" not in repr(settings) + settings.model_dump_json()
    assert Credentials(settings).options["sasl_plain_password"] == "hunter2"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rebalance.timeout.ms": 40_000}, "not below request.timeout.ms 40000"),
        ({"heartbeat.interval.ms": 20_000}, "over a third of session.timeout.ms 45000"),
        ({"batch.size": 2_000_000}, "over max.request.size 1048576"),
        ({"security.protocol": "SASL_SSL"}, "needs sasl.username and sasl.password"),
        ({"ssl.key.location": "key.pem"}, "belong together"),
        ({"bootstrap.severs": "a:1"}, "Extra inputs are not permitted"),
        ({"request.timeout.ms": 0}, "greater than 0"),
    ],
)
def test_an_impossible_combination_says_what_to_change(fields: dict[str, Any], said: str) -> None:
    """Refused when read, not when it first hurts."""
    with pytest.raises(ValidationError, match=said):
        KafkaSettings.model_validate(fields)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The remedy is in the message: which file."""
    settings = KafkaSettings(security_protocol="SSL", ssl_ca_location=tmp_path / "absent.pem")
    with pytest.raises(ConfigError, match=r"ssl\.\*\.location \(.*absent\.pem\)"):
        Credentials(settings)


def test_every_route_has_its_topic() -> None:
    """By name, in the order of routes; outputs names each once."""
    topics = TopicSettings(dead_letter="dlq", flag="moderation.block", calls="state", review="samples")
    assert [topic_of(topics, route) for route in Route] == [
        "moderation.allow",
        "moderation.block",
        "moderation.block",
        "dlq",
        "state",
        "samples",
    ]
    assert topics.outputs == ("moderation.allow", "moderation.block", "dlq", "state", "samples")


def test_without_a_topic_for_review_samples_there_is_none_to_create() -> None:
    """Samples are off until their topic is named; nothing else needs it."""
    assert TopicSettings().review is None
    assert len(TopicSettings().outputs) == 4
    with pytest.raises(ConfigError, match=r"topics\.review"):
        topic_of(TopicSettings(), Route.REVIEW)


def test_the_topic_that_is_read_is_never_written() -> None:
    """A decision must not come back as an event."""
    with pytest.raises(ValidationError, match="events is also an output topic"):
        TopicSettings(allow="moderation.events")


def test_a_lease_outlives_several_heartbeats() -> None:
    """One late heartbeat must not cost the partitions."""
    with pytest.raises(ValidationError, match=r"over a third of sqlite\.lease_ms"):
        SqliteSettings(lease_ms=1_000, heartbeat_ms=500)
