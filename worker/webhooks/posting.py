"""One attempt: a signed POST to the tenant's URL, over the checked network of the claim check."""

from __future__ import annotations

import asyncio
import ssl

import httpcore
import structlog

from worker import __version__
from worker.core.clock import Clock
from worker.core.errors import ConfigError
from worker.decode.claims.network import AddressRefused, CheckedNetwork, Resolve, resolve
from worker.webhooks.outbox import Delivery
from worker.webhooks.settings import Webhook, WebhookSettings
from worker.webhooks.signing import signed_headers

log = structlog.get_logger(__name__)

GONE = "gone"  # the receiver wants no more: 410
REFUSED = "address_refused"  # its name leads where nothing is posted to


class Poster:
    """
    Posts to public addresses alone, but for `networks`: the name is resolved once an attempt, and what was checked is
    connected to. No proxy, no cookie; a redirect is no delivery and is not followed.
    """

    def __init__(self, settings: WebhookSettings, clock: Clock, look_up: Resolve = resolve) -> None:
        self._settings, self._clock = settings, clock
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_trust(settings),
            max_connections=settings.at_once,
            keepalive_expiry=30.0,
            network_backend=CheckedNetwork(settings.networks, look_up),
        )

    async def post(self, delivery: Delivery, to: Webhook) -> str | None:
        """None when a 2xx came in time; else a code of why not: `http_503`, `timeout`, `no_connection`, …"""
        secret = to.secret.get_secret_value().encode()
        headers = signed_headers(delivery.id, delivery.value, secret, int(self._clock.wall())) | {
            "content-type": "application/json",
            "user-agent": f"tidegate/{__version__}",
        }
        try:
            async with (
                asyncio.timeout(self._settings.timeout_s),
                self._pool.stream("POST", to.url, headers=list(headers.items()), content=delivery.value) as answer,
            ):
                status = answer.status  # what it says beside is nobody's business, and may be endless
        except AddressRefused:
            return REFUSED
        except TimeoutError:
            return "timeout"
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError):
            return "no_connection"
        if 200 <= status < 300:
            return None
        return GONE if status == 410 else f"http_{status}"

    async def close(self) -> None:
        """Close the connections that are kept open."""
        await self._pool.aclose()


def _trust(settings: WebhookSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(settings.ca_file)
        except OSError as error:
            raise ConfigError(f"webhooks.ca_file {settings.ca_file} cannot be used: {error}") from None
    return context
