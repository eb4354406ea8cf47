"""The sink: decisions out of the topics into the outbox, and on to their tenants until each is taken or set aside."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import orjson
import stamina
import structlog

from worker.core.clock import Clock
from worker.core.errors import StoreFailed, TransportUnavailable
from worker.core.queue import Tail
from worker.core.records import Partition, Record
from worker.webhooks.outbox import Delivery, Outbox
from worker.webhooks.posting import GONE, REFUSED, Poster
from worker.webhooks.settings import WebhookSettings

log = structlog.get_logger(__name__)

_LOOK_S = 0.25
_FOR_GOOD = frozenset({GONE, REFUSED})  # trying again cannot help


class WebhookSink:
    """
    At least once: a delivery leaves the outbox when a 2xx came, and a receiver drops repeats by `webhook-id`.

    Order is not promised: one that failed goes later than those behind it. A tenant whose receiver is slow or gone
    holds up its own deliveries alone.

    Args:
        make_tail: a tail of the decision topics, each partition from its position on, the others from their beginning.
        jitter: from 0 to 1, how much of a wait is left to chance.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        outbox: Outbox,
        poster: Poster,
        make_tail: Callable[[Mapping[Partition, int]], Tail],
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings, self._outbox, self._poster = settings, outbox, poster
        self._make_tail, self._clock, self._jitter = make_tail, clock, jitter
        self._under_way: dict[str, Delivery] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; what is under way then is tried again by the next run."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reading(), name="webhooks: topics")
            group.create_task(self._sending(group), name="webhooks: sending")

    async def _reading(self) -> None:
        async for attempt in stamina.retry_context(
            on=(TransportUnavailable, StoreFailed), attempts=None, timeout=None, wait_initial=0.5, wait_max=10.0
        ):
            with attempt:
                tail = self._make_tail(self._outbox.positions)
                await tail.start()
                try:
                    while True:
                        records = await tail.read(max_records=1_000, timeout_s=1.0)
                        if records:
                            self.take(records)
                finally:
                    await tail.stop()

    def take(self, records: Sequence[Record]) -> None:
        """Put the decisions that somebody wants into the outbox, with how far the topics are read."""
        now = int(self._clock.wall() * 1000)
        new = [one for record in records if (one := self._wanted(record, now)) is not None]
        self._outbox.take(new, {record.position.of: record.position.offset + 1 for record in records})
        if new:
            self._wake.set()

    def _wanted(self, record: Record, now_ms: int) -> Delivery | None:
        """By the record's headers, without parsing what nobody wants."""
        headers = dict(record.headers)
        tenant = headers.get("tenant", b"").decode("utf-8", "replace")
        hook = self._settings.tenants.get(tenant)
        if hook is None or record.value is None or headers.get("action", b"").decode() not in hook.actions:
            return None
        try:
            id = orjson.loads(record.value)["id"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            log.warning("webhooks.no_decision", topic=record.position.topic, offset=record.position.offset)
            return None
        return Delivery(str(id), tenant, record.value, 0, now_ms, "")

    async def _sending(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            for delivery in self.due():
                self._under_way[delivery.id] = delivery
                group.create_task(self.deliver(delivery))
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._wake.wait()

    def due(self) -> list[Delivery]:
        """What may be tried now: not more at once than allowed, in all and of each tenant."""
        settings, busy = self._settings, Counter(one.tenant for one in self._under_way.values())
        free = [name for name in settings.tenants if busy[name] < settings.at_once_tenant]
        room = settings.at_once - len(self._under_way)
        chosen: list[Delivery] = []
        for one in self._outbox.due(
            int(self._clock.wall() * 1000), list(self._under_way), free, settings.at_once_tenant
        ):
            if busy[one.tenant] < settings.at_once_tenant and len(chosen) < room:
                busy[one.tenant] += 1
                chosen.append(one)
        return chosen

    async def deliver(self, delivery: Delivery) -> None:
        """One attempt, and what becomes of it."""
        try:
            why = await self._poster.post(delivery, self._settings.tenants[delivery.tenant])
            if why is None:
                self._outbox.delivered(delivery.id)
                return
            last = delivery.attempts + 1 >= self._settings.attempts or why in _FOR_GOOD
            due_ms = None if last else int((self._clock.wall() + self._wait_s(delivery.attempts)) * 1000)
            self._outbox.failed(delivery.id, why, due_ms)
            log.warning(
                "webhooks.set_aside" if last else "webhooks.failed",
                decision=delivery.id,
                tenant=delivery.tenant,
                why=why,
                attempt=delivery.attempts + 1,
            )
        finally:
            self._under_way.pop(delivery.id, None)
            self._wake.set()

    def _wait_s(self, failed_before: int) -> float:
        """Doubling from `first_wait_s`, half of it left to chance, so that receivers are not all called at once."""
        longest = min(self._settings.first_wait_s * 2.0**failed_before, self._settings.longest_wait_s)
        return longest * (0.5 + 0.5 * self._jitter())
