"""Ways of breaking a worker process that the verifier must notice. Patches, so that none of them lives in worker/."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaProducer

from worker.core.errors import PublishFailed, TransportUnavailable
from worker.core.ports import Transport
from worker.core.records import Order, Outgoing, Partition, Record, Route
from worker.deliver.ledger import OffsetLedger
from worker.deliver.order import OrderGate
from worker.policy.store import PolicyStore
from worker.transport.kafka import KafkaTransport

Patched = Callable[..., Any]
Patch = Callable[[Any, str, Any], None]  # setattr, or pytest's, which is undone after a test


class Target(NamedTuple):
    """What is broken: the classes of transport, and how an attribute is replaced."""

    transports: tuple[Any, ...]
    patch: Patch = setattr

    def replace(self, owner: Any, name: str, make: Callable[[Patched], Patched]) -> None:
        """Replace a method by what `make` makes of it."""
        old = vars(owner).get(name) or getattr(owner, name)
        self.patch(owner, name, functools.wraps(old)(make(old)))

    def replace_in_transports(self, name: str, make: Callable[[Patched], Patched]) -> None:
        """In every class of transport that has a method of its own by this name."""
        for owner in self.transports:
            if name in vars(owner):
                self.replace(owner, name, make)


def commit_before_ack(target: Target) -> None:
    """Offsets are committed when records are read, as auto-commit does."""

    def make(old: Patched) -> Patched:
        async def poll(self: Transport, **wanted: Any) -> Sequence[Record]:
            records: Sequence[Record] = await old(self, **wanted)
            offsets = {record.position.of: record.position.offset + 1 for record in records}
            if not offsets:
                return records
            try:
                if self.order is Order.BY_PARTITION:
                    await self.publish((), offsets)
                else:
                    await self.commit(offsets)
            except (PublishFailed, TransportUnavailable):
                return records  # as auto-commit, which says nothing either
            return records

        return poll

    target.replace_in_transports("poll", make)


def commit_past_a_gap(target: Target) -> None:
    """What is finished is committed up to the last one, whatever is open before it."""

    def make(old: Patched) -> Patched:
        def finished(self: OffsetLedger, positions: Any) -> None:
            positions = list(positions)
            old(self, positions)
            for position in positions:
                log = self._logs.get(position.of)
                for offset in [] if log is None else [o for o in log.open if o < position.offset]:
                    del log.open[offset]  # type: ignore[union-attr]

        return finished

    target.replace(OffsetLedger, "finished", make)


def skip_the_fence(target: Target) -> None:
    """Each process has transactional ids of its own, so a new owner fences nobody; and nobody asks the group."""

    def make(old: Patched) -> Patched:
        def init(self: AIOKafkaProducer, *words: Any, **options: Any) -> None:
            if options.get("transactional_id"):
                options["transactional_id"] += f"-{os.getpid()}"
            old(self, *words, **options)

        return init

    target.replace(AIOKafkaProducer, "__init__", make)


def drop_the_order(target: Target) -> None:
    """What is judged leaves at once, whatever came before it."""

    def make(_: Patched) -> Patched:
        def done(self: OrderGate[Any], key: Any, item: Any) -> list[Any]:
            waiting = self._waiting[key]
            waiting.remove(item)
            if not waiting:
                del self._waiting[key]
            return [item]

        return done

    def free(_: Patched) -> Patched:
        return lambda self, key: True

    target.replace(OrderGate, "done", make)
    target.replace(OrderGate, "is_free", free)


def swallow_an_error(target: Target) -> None:
    """A publish that failed counts as done."""

    def make(old: Patched) -> Patched:
        async def publish(
            self: Transport, outgoing: Sequence[Outgoing], offsets: Mapping[Partition, int], *more: Any
        ) -> None:
            try:
                await old(self, outgoing, offsets, *more)
            except PublishFailed:
                return

        return publish

    target.replace_in_transports("publish", make)


def forget_the_id(target: Target) -> None:
    """Decision ids are new each time, so that no reader could drop a repeat."""

    def make(old: Patched) -> Patched:
        async def publish(self: Transport, outgoing: Sequence[Outgoing], *more: Any) -> None:
            await old(self, [_renamed(out) for out in outgoing], *more)

        return publish

    target.replace_in_transports("publish", make)


def _renamed(out: Outgoing) -> Outgoing:
    if out.route is Route.DEAD_LETTER or not out.value:
        return out
    return out._replace(value=orjson.dumps({**orjson.loads(out.value), "id": os.urandom(8).hex()}))


def mix_policies(target: Target) -> None:
    """A decision names the first policy that its tenant had, and follows the one of now."""
    firsts: dict[str, Any] = {}

    def make(old: Patched) -> Patched:
        def of(self: PolicyStore, tenant: str) -> Any:
            now = old(self, tenant)
            return now if now is None else _Mixed(firsts.setdefault(tenant, now), now)

        return of

    target.replace(PolicyStore, "of", make)


class _Mixed:
    """A policy that says it is one and decides as another."""

    def __init__(self, named: Any, followed: Any) -> None:
        self.id, self.version, self.digest = named.id, named.version, named.digest
        self._followed = followed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._followed, name)


MUTATIONS: dict[str, Callable[[Target], None]] = {
    "commit-before-ack": commit_before_ack,
    "commit-past-a-gap": commit_past_a_gap,
    "skip-the-fence": skip_the_fence,
    "drop-the-order": drop_the_order,
    "swallow-an-error": swallow_an_error,
    "forget-the-id": forget_the_id,
    "mix-policies": mix_policies,
}


def mutate(name: str) -> None:
    """Break this process."""
    from worker.transport.kafka_exact import ExactKafkaTransport

    MUTATIONS[name](Target((KafkaTransport, ExactKafkaTransport)))
