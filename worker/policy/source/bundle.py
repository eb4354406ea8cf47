"""A tar.gz behind a URL as a source of policies: polled with its ETag, capped while it streams, backed off from."""

from __future__ import annotations

import asyncio
import random
from typing import NoReturn

import httpx
import stamina

from worker.core.errors import SourceUnavailable
from worker.policy.files import FileSet
from worker.policy.source import wait_for_stop
from worker.policy.source.archive import BundleRefused, unpack

_ATTEMPTS = 3  # at once; after them it is left alone until the next poll
_JITTER = 0.2  # of the time between polls, so that many workers do not ask together


class _TryAgainError(Exception):
    """What another attempt may mend: no answer, or a server's own failure."""


class BundleSource:
    """
    Port `PolicySource` over HTTP. Redirects are not followed: what is configured is what is asked.

    Args:
        token: sent as `Authorization: Bearer`; None sends none.
        poll_s: seconds between requests. timeout_s: of one request with its body.
        max_bytes: of the bundle as sent, and again as unpacked.
        first_wait_s: before the second attempt of a poll; it grows from there.
    """

    def __init__(
        self,
        url: str,
        *,
        poll_s: float,
        timeout_s: float,
        max_bytes: int,
        token: str | None = None,
        first_wait_s: float = 0.5,
    ) -> None:
        self._url, self._poll_s, self._timeout_s, self._max_bytes = url, poll_s, timeout_s, max_bytes
        self._first_wait_s = first_wait_s
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._client = httpx.AsyncClient(timeout=timeout_s, follow_redirects=False, headers=headers)
        self._etag: str | None = None
        self._files: FileSet | None = None

    @property
    def name(self) -> str:
        # without what may be a secret: a signed address has its signature in the query
        return str(httpx.URL(self._url).copy_with(query=None, userinfo=b""))

    async def read(self) -> FileSet:
        """As the port says; a bundle that has not changed is not sent again."""
        try:
            async for attempt in stamina.retry_context(
                on=_TryAgainError,
                attempts=_ATTEMPTS,
                timeout=None,
                wait_initial=self._first_wait_s,
                wait_max=5.0,
                wait_jitter=self._first_wait_s,
            ):
                with attempt:
                    return await self._ask()
        except _TryAgainError as error:
            self._fail(str(error))
        raise AssertionError("an attempt neither gave a set nor failed. This is a bug.")

    async def changed(self, stop: asyncio.Event) -> None:
        """As the port says: at each poll."""
        await wait_for_stop(stop, self._poll_s * (1 + random.uniform(-_JITTER, _JITTER)))

    async def stop(self) -> None:
        """As the port says."""
        await self._client.aclose()

    async def _ask(self) -> FileSet:
        asked = {"If-None-Match": self._etag} if self._etag and self._files is not None else {}
        try:
            async with asyncio.timeout(self._timeout_s), self._client.stream("GET", self._url, headers=asked) as answer:
                if answer.status_code == 304 and self._files is not None:
                    return self._files
                if answer.status_code >= 500 or answer.status_code == 429:
                    raise _TryAgainError(f"it answered {answer.status_code}")
                if answer.status_code != 200:
                    self._fail(f"it answered {answer.status_code}: give the address of the bundle itself")
                bundle = await self._body(answer)
                etag = answer.headers.get("ETag")
        except httpx.HTTPError as error:
            raise _TryAgainError(type(error).__name__) from None
        except TimeoutError:
            raise _TryAgainError(f"it was not there within policy_source.timeout_s {self._timeout_s:g}") from None
        try:
            files = await asyncio.to_thread(unpack, bundle, max_bytes=self._max_bytes)
        except BundleRefused as error:
            self._fail(str(error))
        self._files, self._etag = files, etag
        return files

    async def _body(self, answer: httpx.Response) -> bytes:
        """The body as it was sent: a tar.gz is packed already, and a cap must hold what arrives."""
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                self._fail(f"it has more than the {self._max_bytes} bytes of policy_source.max_bytes")
        return bytes(body)

    def _fail(self, reason: str) -> NoReturn:
        raise SourceUnavailable(f"{self.name} cannot be used: {reason}")
