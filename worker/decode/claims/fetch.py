"""The claim check: fetches content by `ref` within its bounds, and gives it only as its claim says it is."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

import httpcore
import httpx
import stamina

from worker.core.errors import ConfigError, OverLimit, PartUnreadable
from worker.core.events import Claim
from worker.decode.claims.files import read_file
from worker.decode.claims.network import AddressRefused, CheckedNetwork, Resolve, resolve
from worker.decode.claims.place import Local, Remote, follow, place_of
from worker.decode.claims.settings import ClaimSettings

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_WAIT_S: Final = 0.2


class _TryAgainError(Exception):
    """What another attempt may mend; the message says what, without the address."""


class ClaimFetcher:
    """
    Port `Claims`. Proxies and cookies are not used and no header is sent but Host; a `ref` carries its own signature.

    Args:
        on_result: told "fetched", or the code of what was not, for metrics.
        look_up: how names are resolved.
        first_wait_s: before the second attempt; it grows from there.
    """

    def __init__(
        self,
        settings: ClaimSettings,
        on_result: Callable[[str], object] = lambda result: None,
        *,
        look_up: Resolve = resolve,
        first_wait_s: float = _FIRST_WAIT_S,
    ) -> None:
        self._settings, self._on_result, self._first_wait_s = settings, on_result, first_wait_s
        self._all = asyncio.Semaphore(settings.at_once)
        self._tenants: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._pool = _pool(settings, look_up) if settings.hosts else None

    async def fetch(self, claim: Claim, tenant: str) -> bytes:
        """As the port says."""
        waiting = self._tenants.setdefault(tenant, asyncio.Semaphore(self._settings.at_once_tenant))
        async with waiting, self._all:
            try:
                content = await self._within_time(claim)
            except PartUnreadable as error:
                self._on_result(error.code)
                raise
        self._on_result("fetched")
        return content

    async def close(self) -> None:
        """Let the connections go."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _within_time(self, claim: Claim) -> bytes:
        place = place_of(claim.url, self._settings)
        if isinstance(place, Local) and claim.sha256 is None:
            reason = "content by `ref` was not fetched: files are read for who knows their digest"
            raise PartUnreadable("ref_not_allowed", reason)
        settings = self._settings
        try:
            async with asyncio.timeout(settings.timeout_s):
                content = await (self._file(place, claim) if isinstance(place, Local) else self._tries(place, claim))
        except TimeoutError:
            raise _unavailable(f"it was not there within claims.timeout_s {settings.timeout_s:g}") from None
        if claim.sha256 is not None and hashlib.sha256(content).hexdigest() != claim.sha256:
            raise PartUnreadable(
                "ref_mismatch", "content by `ref` has another sha256 than the event says: send it anew"
            )
        return content

    async def _file(self, place: Local, claim: Claim) -> bytes:
        try:
            content = await asyncio.to_thread(read_file, place, claim.bytes)
        except OSError as error:
            raise _unavailable(f"the file cannot be read: {type(error).__name__}") from None
        if len(content) != claim.bytes:
            raise _other_length(claim)
        return content

    async def _tries(self, place: Remote, claim: Claim) -> bytes:
        try:
            async for attempt in stamina.retry_context(
                on=_TryAgainError,
                attempts=self._settings.attempts,
                timeout=None,
                wait_initial=self._first_wait_s,
                wait_max=5.0,
                wait_jitter=self._first_wait_s,
            ):
                with attempt:
                    return await self._try(place, claim)
        except _TryAgainError as error:
            raise _unavailable(f"{error}, {self._settings.attempts} times") from None
        raise AssertionError("an attempt neither gave content nor failed. This is a bug.")

    async def _try(self, place: Remote, claim: Claim) -> bytes:
        """One attempt, its redirects included."""
        for _ in range(self._settings.redirects + 1):
            try:
                found = await self._ask(place, claim)
            except AddressRefused:
                reason = "content by `ref` was not fetched: its host has an address that is not public"
                raise PartUnreadable("ref_not_allowed", reason) from None
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
                raise _TryAgainError(f"fetching it ended with {type(error).__name__}") from None
            if isinstance(found, bytes):
                return found
            place = found
        reason = (
            f"content by `ref` was not fetched: it is redirected more than claims.redirects {self._settings.redirects}"
        )
        raise PartUnreadable("ref_not_allowed", reason)

    async def _ask(self, place: Remote, claim: Claim) -> bytes | Remote:
        """The content, or where it is said to lie instead."""
        url = httpcore.URL(scheme="https", host=place.host.strip("[]"), port=place.port, target=place.target)
        headers = [("Host", place.authority), ("Accept-Encoding", "identity")]
        assert self._pool is not None, "a host is allowed although none is named. This is a bug."
        async with self._pool.stream("GET", url, headers=headers) as answer:
            said = {name.lower(): value for name, value in answer.headers}
            if answer.status in _REDIRECTS:
                return follow(place, said.get(b"location", b"").decode("latin-1"), self._settings)
            if answer.status in _PASSING:
                raise _TryAgainError(f"its server answered {answer.status}")
            if answer.status != 200:
                raise _unavailable(f"its server answered {answer.status}")
            if said.get(b"content-encoding", b"identity").lower() != b"identity":
                raise PartUnreadable("ref_mismatch", "content by `ref` came packed, which was not asked for")
            length = said.get(b"content-length")
            if length is not None and not (length.isdigit() and _fits(int(length), claim)):
                raise _other_length(claim)
            return await _body(answer, claim)


async def _body(answer: httpcore.Response, claim: Claim) -> bytes:
    """The body, never more of it than the claim says, whatever its server says."""
    body = bytearray()
    async for chunk in answer.aiter_stream():
        body += chunk
        if len(body) > claim.bytes:
            break
    if not _fits(len(body), claim):
        raise _other_length(claim)
    return bytes(body)


def _pool(settings: ClaimSettings, look_up: Resolve) -> httpcore.AsyncConnectionPool:
    network = CheckedNetwork(settings.networks, look_up)
    return httpcore.AsyncConnectionPool(_trust(settings), max_connections=settings.at_once, network_backend=network)


def _trust(settings: ClaimSettings) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(settings.ca_file)
        except OSError as error:  # an ssl.SSLError is one
            raise ConfigError(f"claims.ca_file {settings.ca_file} cannot be used: {type(error).__name__}") from None
    return context


def _unavailable(what: str) -> PartUnreadable:
    return PartUnreadable("ref_unavailable", f"content by `ref` was not fetched: {what}")


def _fits(length: int, claim: Claim) -> bool:
    return 0 < length <= claim.bytes if claim.sha256 is None else length == claim.bytes


def _other_length(claim: Claim) -> PartUnreadable:
    if claim.sha256 is None:
        return OverLimit("image_too_large", f"the picture elsewhere is empty or longer than {claim.bytes} bytes")
    reason = f"content by `ref` is not of the {claim.bytes} bytes that the event says: send it anew"
    return PartUnreadable("ref_mismatch", reason)
