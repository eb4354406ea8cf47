"""Where policies come from: one port, held by one conformance suite (`tests/conformance/test_policy_source.py`)."""

from __future__ import annotations

import asyncio
from typing import Protocol

from worker.policy.files import FileSet


class PolicySource(Protocol):
    """A set of files that changes: a folder, a compacted topic, a bundle behind a URL. One reader at a time."""

    @property
    def name(self) -> str:
        """For people: "the folder policies", "https://…", "the topic moderation.policies"."""
        ...

    async def read(self) -> FileSet:
        """
        The whole set as it is now; cheap when little has changed. Bounded in time.

        Raises:
            SourceUnavailable: it cannot be read just now; the message says why.
            ConfigError: it can never be read as it is configured.
        """
        ...

    async def changed(self, stop: asyncio.Event) -> None:
        """Return when there may be news since the last `read`, or when `stop` is set. Never raises for its source."""
        ...

    async def stop(self) -> None:
        """Close, in bounded time."""
        ...


async def wait_for_stop(stop: asyncio.Event, seconds: float) -> None:
    """Until `stop` is set, at most `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
