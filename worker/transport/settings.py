"""Settings of the queues: Kafka under Kafka's own names, the SQLite file, and the topics of both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from worker.core.errors import ConfigError
from worker.core.records import Route

Milliseconds = Annotated[int, Field(gt=0)]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]


class TopicSettings(BaseModel):
    """Names of the topic that is read and of those that are written."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    events: str = Field(default="moderation.events", min_length=1)
    allow: str = Field(default="moderation.allow", min_length=1)
    flag: str = Field(default="moderation.flag", min_length=1)
    block: str = Field(default="moderation.block", min_length=1)
    dead_letter: str = Field(default="moderation.dead-letter", min_length=1)
    calls: str | None = Field(
        default=None,
        min_length=1,
        description="naming it, e.g. moderation.calls, lets the state of calls survive a worker; a compacted topic",
    )
    review: str | None = Field(
        default=None, min_length=1, description="naming it, e.g. moderation.review, switches review samples on"
    )
    status: str | None = Field(
        default=None, min_length=1, description="naming it, e.g. moderation.status, sends the policies' status there"
    )

    appeals: str | None = Field(
        default=None, min_length=1, description="naming it, e.g. moderation.appeals, joins appeals to their decisions"
    )
    reviews: str | None = Field(
        default=None, min_length=1, description="naming it, e.g. moderation.reviews, joins reviewers' verdicts"
    )

    @model_validator(mode="after")
    def _never_read_what_is_written(self) -> TopicSettings:
        outputs = {
            self.allow,
            self.flag,
            self.block,
            self.dead_letter,
            self.calls,
            self.review,
            self.status,
            self.appeals,
            self.reviews,
        }
        if self.events in outputs:
            raise ValueError(f"topics.events is also an output topic: {self.events}: give it a name of its own")
        return self

    @property
    def outputs(self) -> tuple[str, ...]:
        """Every output topic once: allow, flag, block, dead letter, and calls and review where they are named."""
        unnamed = {route for route, name in ((Route.CALLS, self.calls), (Route.REVIEW, self.review)) if name is None}
        routes = [route for route in Route if route not in unnamed]
        return tuple(dict.fromkeys(topic_of(self, route) for route in routes))


def check_beside(topics: TopicSettings, counts: Mapping[str, int]) -> None:
    """Raises ConfigError when the state of calls cannot stand in the partition of its input."""
    if topics.calls is not None and counts[topics.calls] < counts[topics.events]:
        raise ConfigError(
            f"topics.calls {topics.calls} has {counts[topics.calls]} partitions and topics.events {topics.events} "
            f"{counts[topics.events]}: give it as many"
        )


def topic_of(topics: TopicSettings, route: Route) -> str:
    """The topic that records of `route` are written to. Raises ConfigError where none is named for it."""
    topic: str | None = getattr(topics, route.value)
    if topic is None:
        raise ConfigError(f"there is no topic for {route.value}: name one in topics.{route.value}")
    return topic


def read_secret(path: Path, setting: str) -> str:
    """What a secret's file holds, without the line's end. Raises ConfigError naming the file and the setting."""
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path} of {setting}: let the worker's user read it: {error}") from None
    if not secret:
        raise ConfigError(f"{path} of {setting} is empty: write the secret into it")
    return secret


class SqliteSettings(BaseModel):
    """A queue in one SQLite file, for one machine. Several workers may share the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    path: Path = Path("tidegate.db")
    partitions: int = Field(
        default=4, ge=1, le=1024
    )  # of every topic created in the file; a topic keeps what it began with
    group: str = Field(default="tidegate", min_length=1)
    lease_ms: Milliseconds = 10_000  # a worker not heard of for so long loses its partitions
    heartbeat_ms: Milliseconds = 1_000

    @model_validator(mode="after")
    def _leases_outlive_heartbeats(self) -> SqliteSettings:
        if self.heartbeat_ms * 3 > self.lease_ms:
            raise ValueError(
                f"sqlite.heartbeat_ms {self.heartbeat_ms} is over a third of sqlite.lease_ms {self.lease_ms}: lower it"
            )
        return self


class KafkaSettings(BaseModel):
    """How to reach Kafka and behave in its consumer group. Fields answer to Kafka's names and to Python's."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    bootstrap_servers: str = Field(default="localhost:9092", validation_alias="bootstrap.servers", min_length=1)
    group_id: str = Field(default="tidegate", validation_alias="group.id", min_length=1)
    group_instance_id: str | None = Field(default=None, validation_alias="group.instance.id", min_length=1)
    client_id: str = Field(default="tidegate", validation_alias="client.id", min_length=1)

    security_protocol: SecurityProtocol = Field(default="PLAINTEXT", validation_alias="security.protocol")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        default="PLAIN", validation_alias="sasl.mechanism"
    )
    sasl_username: str | None = Field(default=None, validation_alias="sasl.username")
    sasl_password: SecretStr | None = Field(default=None, validation_alias="sasl.password")
    sasl_password_location: Path | None = Field(
        default=None, validation_alias="sasl.password.location"
    )  # a file instead of the password itself; read again for each connection
    sasl_oauthbearer_token_endpoint_url: str | None = Field(
        default=None, validation_alias="sasl.oauthbearer.token.endpoint.url", pattern=r"^(https?|file)://."
    )  # file:// holds the token itself
    sasl_oauthbearer_client_id: str | None = Field(default=None, validation_alias="sasl.oauthbearer.client.id")
    sasl_oauthbearer_client_secret: SecretStr | None = Field(
        default=None, validation_alias="sasl.oauthbearer.client.secret"
    )
    sasl_oauthbearer_scope: str | None = Field(default=None, validation_alias="sasl.oauthbearer.scope")
    ssl_ca_location: Path | None = Field(default=None, validation_alias="ssl.ca.location")
    ssl_certificate_location: Path | None = Field(default=None, validation_alias="ssl.certificate.location")
    ssl_key_location: Path | None = Field(default=None, validation_alias="ssl.key.location")

    ssl_key_password: SecretStr | None = Field(default=None, validation_alias="ssl.key.password")

    session_timeout_ms: Milliseconds = Field(default=45_000, validation_alias="session.timeout.ms")
    heartbeat_interval_ms: Milliseconds = Field(default=3_000, validation_alias="heartbeat.interval.ms")
    rebalance_timeout_ms: Milliseconds = Field(
        default=30_000, validation_alias="rebalance.timeout.ms"
    )  # what a revoke may take to drain
    max_poll_interval_ms: Milliseconds = Field(default=300_000, validation_alias="max.poll.interval.ms")
    request_timeout_ms: Milliseconds = Field(default=40_000, validation_alias="request.timeout.ms")
    delivery_timeout_ms: Milliseconds = Field(default=120_000, validation_alias="delivery.timeout.ms")
    commit_timeout_ms: Milliseconds = Field(default=10_000, validation_alias="commit.timeout.ms")
    stop_timeout_ms: Milliseconds = Field(default=10_000, validation_alias="stop.timeout.ms")

    transaction_timeout_ms: Milliseconds = Field(
        default=15_000, validation_alias="transaction.timeout.ms"
    )  # exactly once: the broker aborts what a dead worker left open after so long
    isolation_level: Literal["read_committed", "read_uncommitted"] = Field(
        default="read_committed", validation_alias="isolation.level"
    )  # of whatever we read: events, and decisions in `tidegate watch`

    fetch_max_bytes: int = Field(default=52_428_800, validation_alias="fetch.max.bytes", gt=0)
    max_partition_fetch_bytes: int = Field(default=1_048_576, validation_alias="max.partition.fetch.bytes", gt=0)
    max_request_size: int = Field(
        1_048_576, validation_alias="max.request.size", ge=1_024
    )  # of one record with its key and headers
    batch_size: int = Field(
        default=524_288, validation_alias="batch.size", ge=1_024
    )  # bytes sent to one partition in one request
    compression_type: Literal["gzip", "snappy", "lz4", "zstd"] | None = Field(
        default=None, validation_alias="compression.type"
    )

    create_topics: bool = False  # create missing topics at start instead of refusing
    create_partitions: int = Field(default=6, ge=1)
    create_replication_factor: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _timeouts_fit_together(self) -> KafkaSettings:
        if self.rebalance_timeout_ms >= self.request_timeout_ms:
            raise ValueError(
                f"rebalance.timeout.ms {self.rebalance_timeout_ms} is not below request.timeout.ms "
                f"{self.request_timeout_ms}, which would give up on joining the group first: lower it"
            )
        if self.heartbeat_interval_ms * 3 > self.session_timeout_ms:
            raise ValueError(
                f"heartbeat.interval.ms {self.heartbeat_interval_ms} is over a third of session.timeout.ms "
                f"{self.session_timeout_ms}: lower it"
            )
        if self.batch_size > self.max_request_size:
            raise ValueError(f"batch.size {self.batch_size} is over max.request.size {self.max_request_size}: lower it")
        return self

    @model_validator(mode="after")
    def _credentials_are_whole(self) -> KafkaSettings:
        if self.sasl_password and self.sasl_password_location:
            raise ValueError("sasl.password and sasl.password.location are both set: take one out")
        bearer = self.sasl_mechanism == "OAUTHBEARER"
        whole = self.sasl_username and (self.sasl_password or self.sasl_password_location)
        if self.security_protocol.startswith("SASL") and not bearer and not whole:
            raise ValueError(
                f"security.protocol {self.security_protocol} needs sasl.username and sasl.password: set both"
            )
        if self.security_protocol.startswith("SASL") and bearer:
            self._bearer_is_whole()
        if (self.ssl_certificate_location is None) != (self.ssl_key_location is None):
            raise ValueError("ssl.certificate.location and ssl.key.location belong together: set both or neither")
        return self

    def _bearer_is_whole(self) -> None:
        url = self.sasl_oauthbearer_token_endpoint_url
        if url is None:
            raise ValueError("OAUTHBEARER needs sasl.oauthbearer.token.endpoint.url: an https or file address")
        if url.startswith("http://") and not url.startswith(("http://localhost", "http://127.0.0.1")):
            raise ValueError("sasl.oauthbearer.token.endpoint.url would send the secret in the clear: use https")
        if not url.startswith("file://") and not (
            self.sasl_oauthbearer_client_id and self.sasl_oauthbearer_client_secret
        ):
            raise ValueError(
                "sasl.oauthbearer.token.endpoint.url needs sasl.oauthbearer.client.id and .client.secret: set both"
            )

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """Files whose change means new secrets."""
        files = (
            self.sasl_password_location,
            self.ssl_ca_location,
            self.ssl_certificate_location,
            self.ssl_key_location,
        )
        return tuple(file for file in files if file is not None)
