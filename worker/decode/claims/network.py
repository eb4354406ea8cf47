"""Connections that go only where they may: the address that was checked is the address that is connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpcore

from worker.decode.claims.address import Network, may_connect

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class AddressRefused(Exception):
    """A host has an address that may not be connected to."""


async def resolve(host: str, port: int) -> list[str]:
    """Every address of `host`, as the machine's resolver has them, which also reads `0x7f.1` and `2130706433`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """
    httpcore's network, with the look-up done here: each name is resolved once, all its addresses are judged, and one of
    those is connected to. A resolver that answers differently the next time is not asked. TLS and the Host header
    keep the name, since httpcore takes them from the request.

    Args:
        networks: that may be connected to although they are not public.
        look_up: host and port to addresses.
    """

    def __init__(self, networks: Sequence[Network], look_up: Resolve = resolve) -> None:
        self._networks, self._look_up = networks, look_up
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """As httpcore says. Raises AddressRefused; ConnectError where no address answers or there is none."""
        try:
            addresses = await self._look_up(host.strip("[]"), port)
        except OSError:
            raise httpcore.ConnectError("the name was not resolved") from None
        if not all(may_connect(address, self._networks) for address in addresses):
            raise AddressRefused  # also where only one of several is: it would be a lottery
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                continue
        raise httpcore.ConnectError("no address answered")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  # as above
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never: a `ref` names no socket."""
        raise AddressRefused

    async def sleep(self, seconds: float) -> None:
        """As httpcore says."""
        await self._inner.sleep(seconds)
