"""TLS, SCRAM, OAUTHBEARER, mutual TLS and rights on a real Kafka; each refusal is a sentence that names the remedy."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route as HttpRoute

from ops.kafka.secure import PASSWORD, USER, SecureBroker
from tests.conformance.kafka_rig import create, kafka_settings, own_topics
from worker.core.clock import SystemClock
from worker.core.errors import ConfigError, PublishFailed, TransportUnavailable
from worker.core.records import Draft, Outgoing, Partition, Position, Record, Route
from worker.lifecycle import serving
from worker.transport.kafka import KafkaTransport
from worker.transport.kafka_ends import KafkaSender, KafkaTail
from worker.transport.kafka_security import BearerToken, Credentials
from worker.transport.settings import KafkaSettings, TopicSettings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]
TOPIC, GROUP = 2, 3  # of the protocol, as are the next two lines
READ, WRITE, DESCRIBE = 3, 4, 8
_LITERAL, _ALLOW = 3, 3


async def let_go(partitions: frozenset[Partition]) -> None:
    """Nothing is in flight."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    with SecureBroker(tmp_path_factory.mktemp("secure")) as broker:
        yield broker


@pytest.fixture
async def topics(broker: SecureBroker) -> TopicSettings:
    """Topics that exist, on which nobody has a right yet."""
    topics = own_topics()
    await create(broker.open, [topics.events, *topics.outputs])
    return topics


def settings_at(broker: SecureBroker, at: str, **changes: object) -> KafkaSettings:
    """A SCRAM user over TLS, unless changed."""
    protocol = "SASL_SSL" if at == broker.sasl else "SSL"
    sasl = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": USER, "sasl_password": PASSWORD}
    fields = {"security_protocol": protocol, "ssl_ca_location": broker.authority.ca, **sasl, **changes}
    return kafka_settings(at, **fields)


async def grant(broker: SecureBroker, who: str, *rights: tuple[int, str, int]) -> None:
    """Allow `who` an operation on each (kind of resource, name)."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.open)
    await admin.start()
    try:
        for kind, name, operation in rights:
            request = CreateAclsRequest(kind, name, _LITERAL, f"User:{who}", "*", operation, _ALLOW)
            answer = await admin._send_request(request)
            assert [one[0] for one in answer.creation_responses] == [0], answer
            seen = DescribeAclsRequest(kind, name, _LITERAL, f"User:{who}", "*", operation, _ALLOW)
            while not (await admin._send_request(seen)).resources:  # the broker learns of it from its controller
                continue
    finally:
        await admin.close()


def least(settings: KafkaSettings, topics: TopicSettings) -> list[tuple[int, str, int]]:
    """What a worker needs and no more, as docs/operations.md lists it."""
    return [
        (TOPIC, topics.events, READ),
        (GROUP, settings.group_id, READ),
        *((TOPIC, topic, WRITE) for topic in topics.outputs),
    ]


async def goes_round(broker: SecureBroker, settings: KafkaSettings, topics: TopicSettings) -> None:
    """One record is read, one decision published, its offset committed."""
    sender = KafkaSender(kafka_settings(broker.open), [topics.events])
    await sender.start()
    await sender.send([Draft(topics.events, b"k", b"in")])
    await sender.stop()
    transport = KafkaTransport(settings, topics, SystemClock())
    try:
        await transport.start(let_go)
        records: list[Record] = []
        while not records:
            records = list(await transport.poll(max_records=10, timeout_s=0.5))
        position = records[0].position
        await transport.publish([Outgoing(Route.ALLOW, b"k", b"out", (), position)], {})
        await transport.commit({position.of: position.offset + 1})
    finally:
        await transport.stop()
    assert records[0].value == b"in"


async def refused(settings: KafkaSettings, topics: TopicSettings) -> str:
    """The sentence with which a worker refuses to start."""
    transport = KafkaTransport(settings, topics, SystemClock())
    try:
        with pytest.raises(ConfigError) as error:
            await transport.start(let_go)
    finally:
        await transport.stop()
    assert not any(secret in str(error.value) for secret in (PASSWORD, "wrong-password"))
    return str(error.value)


async def test_scram_over_tls_with_the_least_rights_reads_publishes_and_commits(
    broker: SecureBroker, topics: TopicSettings
) -> None:
    """Read on the input and the group, Write on the outputs: nothing else is needed."""
    settings = settings_at(broker, broker.sasl)
    await grant(broker, USER, *least(settings, topics))
    await goes_round(broker, settings, topics)


async def test_mutual_tls_makes_the_certificates_name_the_user(broker: SecureBroker, topics: TopicSettings) -> None:
    """No password at all."""
    certificate, key = broker.authority.sign("client")
    files = {"ssl_certificate_location": certificate, "ssl_key_location": key}
    settings = settings_at(broker, broker.mutual, **files)
    await grant(broker, "CN=client", *least(settings, topics))
    await goes_round(broker, settings, topics)


async def test_a_token_from_a_file_is_taken(broker: SecureBroker, topics: TopicSettings, tmp_path: Path) -> None:
    """OAUTHBEARER; the test's broker believes unsigned tokens."""
    now = int(time.time())

    def part(fields: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")

    token = tmp_path / "token"
    token.write_text(f"{part({'alg': 'none'})}.{part({'sub': 'bearer', 'iat': now, 'exp': now + 600})}.")
    bearer = {"sasl_mechanism": "OAUTHBEARER", "sasl_oauthbearer_token_endpoint_url": f"file://{token}"}
    settings = settings_at(broker, broker.sasl, **bearer)
    await grant(broker, "bearer", *least(settings, topics))
    await goes_round(broker, settings, topics)
    token.write_text("no token")
    assert "refuses our token: check its audience" in await refused(settings, topics)


async def test_a_wrong_password_names_user_and_setting(broker: SecureBroker, topics: TopicSettings) -> None:
    """And never the password."""
    said = await refused(settings_at(broker, broker.sasl, sasl_password="wrong-password"), topics)
    assert f"does not know user {USER} with this password for SCRAM-SHA-512: set sasl.password" in said


async def test_a_password_file_is_read_anew_for_each_connection(
    broker: SecureBroker, topics: TopicSettings, tmp_path: Path
) -> None:
    """A rotated password needs no restart."""
    file = tmp_path / "password"
    file.write_text("wrong-password\n")
    from_file = {"sasl_password": None, "sasl_password_location": file}
    settings = settings_at(broker, broker.sasl, **from_file)
    await grant(broker, USER, (TOPIC, topics.events, READ))
    tail = KafkaTail(settings, [topics.events])
    with pytest.raises(ConfigError, match="does not know user"):
        await tail.start()
    file.write_text(f"{PASSWORD}\n")
    await tail.start()  # the same client options
    await tail.stop()


async def test_an_expired_certificate_of_the_broker_says_renew_it(broker: SecureBroker, topics: TopicSettings) -> None:
    """Waiting cannot mend it, so the worker does not wait."""
    said = await refused(settings_at(broker, broker.expired), topics)
    assert "certificate has expired: renew it on the broker" in said


async def test_an_unknown_authority_says_which_setting(
    broker: SecureBroker, topics: TopicSettings, tmp_path: Path
) -> None:
    """The broker's certificate is good, and not signed by whom we trust."""
    from ops.kafka.secure import Authority

    said = await refused(settings_at(broker, broker.sasl, ssl_ca_location=Authority(tmp_path).ca), topics)
    assert "set ssl.ca.location to the CA that signed it" in said


async def test_each_missing_right_is_named(broker: SecureBroker, topics: TopicSettings) -> None:
    """Describe on a topic, Read on the group, Write on an output."""
    settings = settings_at(broker, broker.sasl)
    rights = least(settings, topics)
    assert "grant Describe, Read and Write on it" in await refused(settings, topics)
    await grant(broker, USER, *(right for right in rights if right[0] == TOPIC))
    transport = KafkaTransport(settings, topics, SystemClock())

    async def join() -> None:
        await transport.start(let_go)
        while True:
            await transport.poll(max_records=1, timeout_s=0.5)

    with pytest.raises(ConfigError, match=r"grant Read on"):
        await join()
    await transport.stop()


async def test_a_missing_right_to_write_is_in_the_reason_of_the_retry(
    broker: SecureBroker, topics: TopicSettings
) -> None:
    """The right may come while the worker runs, so it waits; the log says for what."""
    settings = settings_at(broker, broker.sasl)
    reads = [(TOPIC, topics.events, READ), (GROUP, settings.group_id, READ)]
    reads += [(TOPIC, topics.flag, WRITE)]  # an idempotent producer starts where its user may write at all (KIP-679)
    await grant(broker, USER, *reads, *((TOPIC, topic, DESCRIBE) for topic in topics.outputs))
    transport = KafkaTransport(settings, topics, SystemClock())
    await transport.start(let_go)
    try:
        with pytest.raises(PublishFailed, match="grant Write on the output topics"):
            await transport.publish([Outgoing(Route.ALLOW, b"k", b"v", (), Position(topics.events, 0, 0))], {})
    finally:
        await transport.stop()


async def test_a_user_who_may_write_nowhere_is_told_at_the_start(broker: SecureBroker, topics: TopicSettings) -> None:
    """Kafka calls that a missing right on the cluster, which nobody would grant."""
    certificate, key = broker.authority.sign("reader")
    files = {"ssl_certificate_location": certificate, "ssl_key_location": key}
    settings = settings_at(broker, broker.mutual, **files)
    reads = [(TOPIC, topics.events, READ), (GROUP, settings.group_id, READ)]
    await grant(broker, "CN=reader", *reads, *((TOPIC, topic, DESCRIBE) for topic in topics.outputs))
    assert "grant Describe and Write on the output topics" in await refused(settings, topics)


async def test_our_own_expired_certificate_is_named_before_anything_is_asked(broker: SecureBroker) -> None:
    """The broker would only close the connection."""
    certificate, key = broker.authority.sign("old", days=-1)
    files = {"ssl_certificate_location": certificate, "ssl_key_location": key}
    with pytest.raises(ConfigError, match=r"our certificate .*old\.pem ended on .*: renew"):
        Credentials(settings_at(broker, broker.mutual, **files))


async def test_a_new_certificate_is_taken_up_and_a_broken_one_is_not(broker: SecureBroker, tmp_path: Path) -> None:
    """The context that all clients share has the new one; after a failure the last good one goes on."""
    certificate, key = broker.authority.sign("first")
    files = {"ssl_certificate_location": certificate, "ssl_key_location": key}
    credentials = Credentials(settings_at(broker, broker.mutual, **files))
    context = credentials.options["ssl_context"]
    assert credentials.renew() is None
    newer, newer_key = broker.authority.sign("second")
    certificate.write_bytes(newer.read_bytes())
    with pytest.raises(ConfigError, match=r"cannot use the certificates"):
        credentials.renew()  # the key is still the old one's
    key.write_bytes(newer_key.read_bytes())
    assert str(key) in (credentials.renew() or "")
    assert credentials.options["ssl_context"] is context


async def test_a_token_endpoint_that_refuses_is_named_and_the_secret_is_not() -> None:
    """Nothing listens there; the worker waits for it as it waits for a broker."""
    settings = KafkaSettings.model_validate(
        {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.token.endpoint.url": "http://127.0.0.1:9/token",
            "sasl.oauthbearer.client.id": "tidegate",
            "sasl.oauthbearer.client.secret": "hunter2",
        }
    )
    with pytest.raises(TransportUnavailable, match=r"no token from http://127\.0\.0\.1:9/token: check") as error:
        await BearerToken(settings).token()
    assert "hunter2" not in str(error.value) + repr(settings)


async def test_a_fetched_token_is_kept_for_most_of_its_life() -> None:
    """Client id and secret by basic authentication; asked for once while it is good."""
    asked: list[tuple[str, bytes]] = []

    async def token(request: Request) -> JSONResponse:
        asked.append((request.headers["authorization"], await request.body()))
        return JSONResponse({"access_token": f"token-{len(asked)}", "expires_in": 600 if len(asked) == 1 else 0})

    app = Starlette(routes=[HttpRoute("/token", token, methods=["POST"])])
    async with serving(app, host="127.0.0.1", port=0) as port:
        provider = BearerToken(
            KafkaSettings.model_validate(
                {
                    "security.protocol": "SASL_SSL",
                    "sasl.mechanism": "OAUTHBEARER",
                    "sasl.oauthbearer.token.endpoint.url": f"http://127.0.0.1:{port}/token",
                    "sasl.oauthbearer.client.id": "tidegate",
                    "sasl.oauthbearer.client.secret": "hunter2",
                    "sasl.oauthbearer.scope": "kafka",
                }
            )
        )
        assert [await provider.token(), await provider.token()] == ["token-1", "token-1"]
    ((authorization, body),) = asked
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"tidegate:hunter2"
    assert body == b"grant_type=client_credentials&scope=kafka"
