"""Credits: how many events, and how many decoded bytes with all their views, may be in flight at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from worker.core.errors import ConfigError


class Credits:
    """
    A counting bound taken once at admission, so that derived work never waits for it (and so cannot deadlock).

    Args:
        events: most events in flight.
        decoded_bytes: most bytes in flight. One event may ask for more than all of it: it then goes alone.
    """

    def __init__(self, *, events: int, decoded_bytes: int) -> None:
        if events < 1 or decoded_bytes < 1:
            raise ConfigError("credits must be at least 1: raise flow.events and flow.decoded_bytes")
        self._events, self._bytes = events, decoded_bytes
        self._events_held = self._bytes_held = self._reserved = 0
        self._tenants: dict[str, list[int]] = {}  # events and bytes of each; those that hold nothing are not in it
        self._returned = asyncio.Event()

    @property
    def free_events(self) -> int:
        return self._events - self._events_held

    @property
    def held(self) -> tuple[int, int]:
        """Events and bytes in flight."""
        return self._events_held, self._bytes_held

    @property
    def most(self) -> tuple[int, int]:
        """Events and bytes that there are credits for."""
        return self._events, self._bytes

    def held_by(self, tenant: str) -> tuple[int, int]:
        """Events and bytes in flight of one tenant."""
        events, size = self._tenants.get(tenant, (0, 0))
        return events, size

    def take(self, decoded_bytes: int, tenant: str | None = None) -> bool:
        """Admit one event of so many bytes; False when it must wait. None: of nobody that is known."""
        if self._events_held >= self._events:
            return False
        if self._events_held and self._bytes_held + self._reserved + decoded_bytes > self._bytes:
            return False
        self._events_held += 1
        self._bytes_held += decoded_bytes
        if tenant is not None:
            held = self._tenants.get(tenant)
            if held is None:
                self._tenants[tenant] = [1, decoded_bytes]
            else:
                held[0] += 1
                held[1] += decoded_bytes
        return True

    def reserve(self, decoded_bytes: int) -> None:
        """
        What is held for longer than any event: the sound of open calls. Whoever holds it keeps below half of all, so
        that events still pass.
        """
        self._reserved = decoded_bytes

    def give_back(self, events: int, decoded_bytes: int, of: Iterable[tuple[str | None, int]] = ()) -> None:
        """Return what finished events held. `of`: the tenant and the bytes of each that was taken for one."""
        for tenant, size in of:
            if tenant is not None:
                held = self._tenants[tenant]
                held[0] -= 1
                held[1] -= size
                if not held[0]:
                    del self._tenants[tenant]
        self._events_held -= events
        self._bytes_held -= decoded_bytes
        assert self._events_held >= 0, "credits returned twice. This is a bug."
        assert self._bytes_held >= 0, "more bytes returned than taken. This is a bug."
        self._returned.set()

    async def wait_returned(self, timeout_s: float) -> None:
        """
        Wait until something is given back, at most `timeout_s`.

        What came back since the last wait counts too, so that nothing is missed between a refusal and the wait.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._returned.wait()
        except TimeoutError:
            return
        self._returned.clear()
