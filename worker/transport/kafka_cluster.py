"""Reaching the cluster: connection options, why a connection fails, and the topics with their partitions."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    NoError,
    SaslAuthenticationFailed,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedSaslMechanismError,
    for_code,
)
from aiokafka.helpers import create_ssl_context

from worker.core.errors import ConfigError
from worker.transport.settings import KafkaSettings

REFUSED = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
    ssl.SSLCertVerificationError,
)  # waiting cannot mend these


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """
    The options that every client of the cluster is made with.

    Raises:
        ConfigError: a certificate or key file cannot be used.
    """
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": settings.request_timeout_ms,
        "security_protocol": settings.security_protocol,
        "ssl_context": _ssl_context(settings) if settings.security_protocol.endswith("SSL") else None,
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password.get_secret_value() if settings.sasl_password else None,
    }


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    files = (settings.ssl_ca_location, settings.ssl_certificate_location, settings.ssl_key_location)
    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=files[0] and str(files[0]), certfile=files[1] and str(files[1]), keyfile=files[2] and str(files[2])
        )
    except OSError as error:  # ssl.SSLError among them
        named = ", ".join(str(file) for file in files if file)
        raise ConfigError(f"cannot use the certificates of ssl.*.location ({named}): {error}") from error
    return context


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
    admin: AIOKafkaAdminClient, topics: Sequence[str], settings: KafkaSettings
) -> dict[str, int]:
    """
    The number of partitions of each of `topics`; creates missing ones with `create_topics`.

    Raises:
        ConfigError: topics are missing or may not be seen.
        KafkaError: the cluster is not ready to say; ask again.
    """
    found = {topic["topic"]: topic for topic in await admin.describe_topics(list(topics))}
    errors = {name: for_code(topic["error_code"]) for name, topic in found.items()}
    missing = sorted(name for name in topics if errors.get(name) is UnknownTopicOrPartitionError)
    if missing and settings.create_topics:
        await _create(admin, missing, settings)
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


async def _create(admin: AIOKafkaAdminClient, names: Sequence[str], settings: KafkaSettings) -> None:
    new = [NewTopic(name, settings.create_partitions, settings.create_replication_factor) for name in names]
    response = await admin.create_topics(new)
    for name, code, *rest in response.topic_errors:
        error = for_code(code)
        if error not in (NoError, TopicAlreadyExistsError):
            said = rest[0] if rest and rest[0] else error.__name__
            raise ConfigError(f"cannot create topic {name}: create it by hand or mend kafka.create_*: {said}")
