"""The loop under thousands of orders and faults: nothing lost, doubled, reordered, mixed or stuck."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.chaos.mutations import MUTATIONS, Target
from tests.simulation.queue import SimTransport
from tests.simulation.schedule import Schedule
from tests.simulation.wiring import prepared
from worker.core.records import Order
from worker.pipeline.flow import Flow

SEEDS = 100  # make simulate runs thousands
WRONG = {  # what each mutation shows as, in which order of delivery
    ("commit-before-ack", Order.BY_KEY): ("ahead", "lost"),
    ("commit-before-ack", Order.BY_PARTITION): ("ahead", "lost"),
    ("commit-past-a-gap", Order.BY_KEY): ("ahead", "lost"),
    ("skip-the-fence", Order.BY_PARTITION): ("duplicated", "lost", "backwards", "reordered"),
    ("drop-the-order", Order.BY_KEY): ("reordered",),
    ("drop-the-order", Order.BY_PARTITION): ("reordered", "lost", "ahead"),
    ("swallow-an-error", Order.BY_KEY): ("lost", "ahead"),
    ("swallow-an-error", Order.BY_PARTITION): ("lost", "ahead", "stuck"),
    ("forget-the-id", Order.BY_KEY): ("doubled",),
    ("publish-what-went", Order.BY_PARTITION): ("duplicated", "lost"),
}
MOST_SEEDS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Policies that every schedule runs under."""
    with prepared(tmp_path_factory.mktemp("simulated") / "policies") as folder:
        yield folder


@pytest.mark.parametrize("order", Order, ids=lambda order: order.value)
def test_every_schedule_ends_every_record_once_and_in_order(order: Order, folder: Path) -> None:
    """Kills, revokes, lost workers, failing and torn publishes, lost commits, reloads: I1 to I5, I8, and no stall."""
    for seed in range(SEEDS):
        assert Schedule(seed, order).run(folder) == [], f"seed {seed}, {order}"


@pytest.mark.parametrize(("name", "order"), WRONG, ids=lambda value: getattr(value, "value", value))
def test_every_mutation_is_caught(name: str, order: Order, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop broken on purpose fails within a few seeds, as what it is."""
    MUTATIONS_HERE.get(name, MUTATIONS.get(name, _none))(Target((SimTransport,), monkeypatch.setattr))
    for seed in range(MOST_SEEDS):
        if caught := {finding.partition(":")[0] for finding in Schedule(seed, order).run(folder)}:
            assert caught & set(WRONG[name, order]), f"seed {seed}: {caught}"
            return
    pytest.fail(f"{MOST_SEEDS} seeds and nobody noticed")


def _none(_: Target) -> None:
    raise AssertionError("no such mutation")


def _skip_the_fence(target: Target) -> None:
    """The queue takes transactions from whoever sends them."""

    def make(old: Any) -> Any:
        async def publish(self: SimTransport, outgoing: Any, offsets: Any, *more: Any) -> None:
            self._epochs.update({partition: self._queue.epochs[partition] for partition in offsets})
            for partition in offsets:
                self._stands.setdefault(partition, 0)
            await old(self, outgoing, offsets, *more)

        return publish

    target.replace(SimTransport, "publish", make)


def _never_stale(target: Target) -> None:
    """What was lost meanwhile is published all the same."""
    target.replace(Flow, "is_stale", lambda old: lambda self, slot: False)


MUTATIONS_HERE = {"skip-the-fence": _skip_the_fence, "publish-what-went": _never_stale}
