"""The status topic: a record for each policy whose status changed, keyed by its id: compaction keeps the newest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import orjson
import structlog

from worker.core.clock import Clock
from worker.core.errors import ConfigError, PublishFailed, TransportUnavailable
from worker.core.ports import Sender
from worker.core.records import Draft
from worker.policy.status import PolicyStatus, stamp

_AGAIN_S = 30.0  # after the topic could not be written; nothing waits for it

log = structlog.get_logger(__name__)


class StatusFeed:
    """
    Sends in a task of its own: decisions never wait for it, and what it cannot send yet is at most one record a policy.

    Args:
        open_sender: a fresh sender that may write `topic`.
        worker: says which worker a record is from: each has its own view of the source.
    """

    def __init__(self, open_sender: Callable[[], Sender], topic: str, worker: str, clock: Clock) -> None:
        self._open_sender, self._topic, self._worker, self._clock = open_sender, topic, worker, clock
        self._pending: dict[str, PolicyStatus] = {}
        self._wake = asyncio.Event()
        self._said: str | None = None

    def put(self, statuses: Sequence[PolicyStatus]) -> None:
        """Send these, when it can be done."""
        self._pending |= {status.id: status for status in statuses}
        self._wake.set()

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        while True:
            sender = self._open_sender()
            try:
                await sender.start()
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    await self._send(sender)
            except (PublishFailed, TransportUnavailable, ConfigError) as error:
                if self._said != str(error):
                    log.warning("policies.status_topic", topic=self._topic, reason=str(error), effect="tried again")
                self._said = str(error)
                self._wake.set()
            finally:
                await sender.stop()
            await asyncio.sleep(_AGAIN_S)

    async def _send(self, sender: Sender) -> None:
        sending = dict(self._pending)
        about = {"worker": self._worker, "time": stamp(self._clock.wall())}
        await sender.send(
            [Draft(self._topic, name.encode(), orjson.dumps(about | one.as_json())) for name, one in sending.items()]
        )
        self._said = None
        for name, status in sending.items():
            if self._pending.get(name) is status:
                del self._pending[name]
