"""A batch and its ceilings: what leaves a lane together, and why it left."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from worker.core.errors import ConfigError

Item = TypeVar("Item")


class Left(Enum):
    """Why a batch left."""

    FULL = "full"  # as many items as the ceiling allows
    COST = "cost"  # one more would have passed the ceiling on cost or padding, or come too late for a deadline
    WAIT = "wait"  # it had waited for company as long as it may
    IDLE = "idle"  # the device had nothing better to do
    DRAIN = "drain"  # nothing more will come


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """
    Hard ceilings of one batch, costs in the lane's unit (tokens, pixels, samples).

    items: most items.
    cost: most that is computed; an item over it leaves alone.
    wait_s: seconds an item may wait for company at most; 0 lets it go as soon as the device is free.
    waste: most padding, as a share of what a lane's batches compute together, 0 to 1.
    packs: the model puts rows behind each other without padding.

    Raises:
        ConfigError: a ceiling that nothing can pass under.
    """

    items: int
    cost: int
    wait_s: float = 0.0
    waste: float = 0.15
    packs: bool = False

    def __post_init__(self) -> None:
        if self.items < 1 or self.cost < 1:
            raise ConfigError("a batch must hold at least 1 item and 1 unit of cost: raise the lane's ceilings")
        if min(self.wait_s, self.waste) < 0:
            raise ConfigError("a batch's wait and waste cannot be negative: set them to 0 or more")

    def computed(self, count: int, dearest: int, cost: int) -> int:
        """What a batch of `count` items computes whose costs are `dearest` at most and `cost` together."""
        return cost if self.packs else count * dearest


@dataclass(frozen=True, slots=True)
class Batch(Generic[Item]):
    """What leaves together: `items` in rising cost, their `cost`, what is computed for them, `since` of the oldest."""

    items: tuple[Item, ...]
    cost: int
    padded: int
    since: float
    left: Left


class Plan(NamedTuple):
    """
    A batch that could leave now.

    places: (cost, arrival number) of its items, sorted.
    padded: what it computes, padding and all.
    seconds: that it will rarely exceed.
    deadline: when it has to have ended for the lane's earliest deadline, monotonic seconds; infinite without one.
    since: when the event of the item that leads it came: a transcript goes before sound that came after its own.
    """

    places: tuple[tuple[int, int], ...]
    padded: int
    seconds: float
    deadline: float
    since: float
