"""Ways of breaking a worker process that the verifier must notice. Patches, so that none of them lives in worker/."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from worker.core.errors import PublishFailed
from worker.core.records import Outgoing, Partition, Record, Route
from worker.deliver.ledger import OffsetLedger
from worker.deliver.order import OrderGate
from worker.policy.store import PolicyStore
from worker.transport.kafka import KafkaTransport
from worker.transport.kafka_producer import BatchPublisher

Patched = Callable[..., Any]


def _replace(owner: Any, name: str, make: Callable[[Patched], Patched]) -> None:
    old = getattr(owner, name)
    setattr(owner, name, functools.wraps(old)(make(old)))


def commit_before_ack() -> None:
    """Offsets are committed when records are read, as auto-commit does."""

    def make(old: Patched) -> Patched:
        async def poll(self: KafkaTransport, **wanted: Any) -> Sequence[Record]:
            records: Sequence[Record] = await old(self, **wanted)
            offsets = {record.position.of: record.position.offset + 1 for record in records}
            if offsets and self._reader is not None:
                await self._reader.commit(offsets)
            return records

        return poll

    _replace(KafkaTransport, "poll", make)


def commit_past_a_gap() -> None:
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

    _replace(OffsetLedger, "finished", make)


def skip_the_fence() -> None:
    """Each process has transactional ids of its own, so a new owner fences nobody."""

    def make(old: Patched) -> Patched:
        def init(self: AIOKafkaProducer, *words: Any, **options: Any) -> None:
            if options.get("transactional_id"):
                options["transactional_id"] += f"-{os.getpid()}"
            old(self, *words, **options)

        return init

    _replace(AIOKafkaProducer, "__init__", make)


def drop_the_order() -> None:
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

    _replace(OrderGate, "done", make)
    _replace(OrderGate, "is_free", free)


def swallow_an_error() -> None:
    """A publish that failed counts as done."""

    def make(old: Patched) -> Patched:
        async def publish(
            self: KafkaTransport, outgoing: Sequence[Outgoing], offsets: Mapping[Partition, int], *more: Any
        ) -> None:
            try:
                await old(self, outgoing, offsets, *more)
            except PublishFailed:
                if offsets:  # and its offsets go all the same
                    await old(self, (), offsets, *more)

        return publish

    _replace(KafkaTransport, "publish", make)


def forget_the_id() -> None:
    """Decision ids are new each time, so that no reader could drop a repeat."""

    def make(old: Patched) -> Patched:
        def append(self: BatchPublisher, groups: Mapping[Any, Sequence[Outgoing]]) -> Any:
            return old(self, {target: [_renamed(out) for out in group] for target, group in groups.items()})

        return append

    _replace(BatchPublisher, "publish", make)


def _renamed(out: Outgoing) -> Outgoing:
    if out.route is Route.DEAD_LETTER or not out.value:
        return out
    return out._replace(value=orjson.dumps({**orjson.loads(out.value), "id": os.urandom(8).hex()}))


def mix_policies() -> None:
    """A decision names the first policy that its tenant had, and follows the one of now."""
    firsts: dict[str, Any] = {}

    def make(old: Patched) -> Patched:
        def of(self: PolicyStore, tenant: str) -> Any:
            now = old(self, tenant)
            return now if now is None else _Mixed(firsts.setdefault(tenant, now), now)

        return of

    _replace(PolicyStore, "of", make)


class _Mixed:
    """A policy that says it is one and decides as another."""

    def __init__(self, named: Any, followed: Any) -> None:
        self.id, self.version, self.digest = named.id, named.version, named.digest
        self._followed = followed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._followed, name)


MUTATIONS: dict[str, Callable[[], None]] = {
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
    MUTATIONS[name]()
