"""
Who we are to the cluster: TLS, SASL, where secrets come from, and what a refusal means.

Secrets come from settings (a file or `TIDEGATE_*` variables) or from files that may change while the worker runs. A new
certificate is loaded into the context that every client shares; a new SCRAM password is read at the next connection. So
connections that stand go on, and the next ones use the new secret. aiokafka joins a PLAIN password into its message by
itself, so that one is read once.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)
from aiokafka.helpers import create_ssl_context
from cryptography import x509

from worker.core.errors import ConfigError, TransportUnavailable
from worker.transport.settings import KafkaSettings, read_secret

_PASSWORD = (AuthenticationFailedError, SaslAuthenticationFailed)
_MECHANISM = (AuthenticationMethodNotSupported, IllegalSaslStateError, UnsupportedSaslMechanismError)
REFUSED = (
    *_PASSWORD,
    *_MECHANISM,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    ssl.SSLCertVerificationError,
)  # waiting cannot mend these
_TOKEN_S = 10.0  # longest wait for the token endpoint
_EARLY = 0.8  # of a token's life, after which a new one is fetched


class Credentials:
    """
    The options that every client of the cluster is made with, and their renewal.

    Raises:
        ConfigError: a certificate, key or password file cannot be used.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._tls = _tls(settings) if settings.security_protocol.endswith("SSL") else None
        self._seen = self._stamps()
        sasl = settings.security_protocol.startswith("SASL")
        bearer = sasl and settings.sasl_mechanism == "OAUTHBEARER"
        self.options: dict[str, Any] = {
            "bootstrap_servers": settings.bootstrap_servers,
            "client_id": settings.client_id,
            "request_timeout_ms": settings.request_timeout_ms,
            "security_protocol": settings.security_protocol,
            "ssl_context": self._tls,
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": None if bearer else _password(settings),
            "sasl_oauth_token_provider": BearerToken(settings) if bearer else None,
        }

    def _stamps(self) -> dict[Path, int]:
        """When each secret's file was last written; 0 for one that is not there."""
        return {path: path.stat().st_mtime_ns if path.exists() else 0 for path in self._settings.secret_files}

    def renew(self) -> str | None:
        """
        Take up files that changed since the last call: None when none did, else their names.

        Raises:
            ConfigError: what they hold now cannot be used; what was before goes on.
        """
        stamps = self._stamps()
        if stamps == self._seen:
            return None
        changed = ", ".join(str(path) for path, stamp in stamps.items() if stamp != self._seen.get(path))
        self._seen = stamps
        _password(self._settings)
        if self._tls is not None:
            _tls(self._settings)  # tried on another context first: a failure must leave ours whole
            _load(self._tls, self._settings)
        return changed


def _password(settings: KafkaSettings) -> str | None:
    if settings.sasl_password_location is not None:
        return _FromFile(settings.sasl_password_location)
    return settings.sasl_password.get_secret_value() if settings.sasl_password else None


class _FromFile(str):
    """A password that SCRAM asks for with `encode`, once a connection: then it is what the file holds at that time."""

    __slots__ = ("_path",)
    _path: Path

    def __new__(cls, path: Path) -> _FromFile:
        made = super().__new__(cls, read_secret(path, "sasl.password.location"))
        made._path = path
        return made

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """What the file holds now."""
        return read_secret(self._path, "sasl.password.location").encode(encoding, errors)


class BearerToken(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka ships no types
    """
    OAUTHBEARER's token: the content of a `file://` address, else from the endpoint with client id and secret.

    A file is read at each connection, since who wrote it renews it; a fetched token is kept for most of its life.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._token, self._until = "", 0.0
        self._fetching = asyncio.Lock()

    async def token(self) -> str:
        """A token that is valid now. Raises TransportUnavailable when none is to be had just now."""
        url = str(self._settings.sasl_oauthbearer_token_endpoint_url)
        if url.startswith("file://"):
            return read_secret(Path(url.removeprefix("file://")), "sasl.oauthbearer.token.endpoint.url")
        async with self._fetching:
            if time.monotonic() >= self._until:
                self._token, life_s = await self._fetch(url)
                self._until = time.monotonic() + life_s * _EARLY
            return self._token

    async def _fetch(self, url: str) -> tuple[str, float]:
        settings = self._settings
        form = {"grant_type": "client_credentials"}
        if settings.sasl_oauthbearer_scope:
            form["scope"] = settings.sasl_oauthbearer_scope
        secret = settings.sasl_oauthbearer_client_secret
        assert secret is not None
        assert settings.sasl_oauthbearer_client_id is not None
        identity = (settings.sasl_oauthbearer_client_id, secret.get_secret_value())
        try:
            async with httpx.AsyncClient(timeout=_TOKEN_S) as client:
                answer = await client.post(url, data=form, auth=identity)
            answer.raise_for_status()
            body = answer.json()
            return str(body["access_token"]), float(body.get("expires_in", 60))
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise TransportUnavailable(
                f"no token from {url}: check sasl.oauthbearer.client.id, .client.secret and .scope: {_said(error)}"
            ) from None


def _said(error: Exception) -> str:
    return f"it answered {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else repr(error)


def _tls(settings: KafkaSettings) -> ssl.SSLContext:
    """A new context. Raises ConfigError naming the file."""
    files = (settings.ssl_ca_location, settings.ssl_certificate_location, settings.ssl_key_location)
    if (own := settings.ssl_certificate_location) is not None and own.exists():
        ends = certificate_ends(own)
        if ends < datetime.now(UTC):
            raise ConfigError(
                f"our certificate {own} ended on {ends:%Y-%m-%d}: renew ssl.certificate.location with its key"
            )
    try:
        context: ssl.SSLContext = create_ssl_context(cafile=files[0] and str(files[0]))
        _load(context, settings)
    except OSError as error:  # ssl.SSLError among them
        named = ", ".join(str(file) for file in files if file)
        raise ConfigError(f"cannot use the certificates of ssl.*.location ({named}): {error}") from error
    return context


def _load(context: ssl.SSLContext, settings: KafkaSettings) -> None:
    """Into a context that clients may use already; a CA that is trusted stays so until a restart."""
    if settings.ssl_ca_location is not None:
        context.load_verify_locations(str(settings.ssl_ca_location))
    if settings.ssl_certificate_location is not None:
        key, secret = settings.ssl_key_location, settings.ssl_key_password
        password = secret.get_secret_value() if secret else ""  # an empty one fails; none would ask at the terminal
        context.load_cert_chain(str(settings.ssl_certificate_location), key and str(key), lambda: password)


def certificate_ends(path: Path) -> datetime:
    """When the first certificate of a PEM file ends. Raises ConfigError when there is none."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use the certificate {path}: write it as PEM: {error}") from None


def remedy(error: Exception, settings: KafkaSettings) -> str:
    """A refusal as one sentence: what the cluster refuses, and what to do about it."""
    at = settings.bootstrap_servers
    if isinstance(error, _PASSWORD):
        if settings.sasl_mechanism == "OAUTHBEARER":
            return f"{at} refuses our token: check its audience, scope and clock at the token endpoint"
        return (
            f"{at} does not know user {settings.sasl_username} with this password for {settings.sasl_mechanism}: "
            "set sasl.password (TIDEGATE_KAFKA__SASL_PASSWORD, or the file of sasl.password.location), or make the "
            "user with kafka-configs.sh"
        )
    if isinstance(error, _MECHANISM):
        return (
            f"{at} does not offer {settings.security_protocol} with {settings.sasl_mechanism}: "
            f"check security.protocol, sasl.mechanism and the port: {type(error).__name__}"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {at} is not good: {error.verify_message}: {_for_certificate(error)}"
    if isinstance(error, GroupAuthorizationFailedError):
        return f"{at} refuses group {settings.group_id} to this user: grant Read on the group"
    if isinstance(error, TopicAuthorizationFailedError):
        return f"{at} refuses a topic to this user: grant Read on the input, Describe and Write on the outputs"
    if isinstance(error, ClusterAuthorizationFailedError):  # of an idempotent producer whose user may write nowhere
        return f"{at} lets this user write to no topic: grant Describe and Write on the output topics"
    return f"{at} refuses us: check security.protocol, sasl.* and ssl.* and this user's rights: {type(error).__name__}"


def _for_certificate(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message
    if "expired" in said:
        return "renew it on the broker, or mend this machine's clock"
    if "self-signed" in said or "issuer" in said:
        return "set ssl.ca.location to the CA that signed it"
    return "give it the names that clients use, or use its names in bootstrap.servers"
