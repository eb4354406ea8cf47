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
    cost: most padded cost, that is items times the dearest of them; an item over it leaves alone.
    wait_s: seconds an item may wait for company at most; 0 lets it go as soon as the device is free.
    waste: most padding, as a share of the items' own cost, unless more of it is cheaper than another batch would be.
    overhead: padding always allowed, in units of cost.

    Raises:
        ConfigError: a ceiling that nothing can pass under.
    """

    items: int
    cost: int
    wait_s: float = 0.0
    waste: float = 0.15
    overhead: int = 0

    def __post_init__(self) -> None:
        if self.items < 1 or self.cost < 1:
            raise ConfigError("a batch must hold at least 1 item and 1 unit of cost: raise the lane's ceilings")
        if min(self.wait_s, self.waste, self.overhead) < 0:
            raise ConfigError("a batch's wait, waste and overhead cannot be negative: set them to 0 or more")


@dataclass(frozen=True, slots=True)
class Batch(Generic[Item]):
    """What leaves together: `items` in rising cost, `padded` their number times the dearest, `since` of the oldest."""

    items: tuple[Item, ...]
    cost: int
    padded: int
    since: float
    left: Left


class Plan(NamedTuple):
    """
    A batch that could leave now.

    places: (cost, arrival number) of its items, sorted.
    seconds: that it will rarely exceed.
    deadline: the earliest that it is to keep, monotonic seconds; infinite when there is none to keep.
    since: when the event of the item that leads it came: a transcript goes before sound that came after its own.
    """

    places: tuple[tuple[int, int], ...]
    seconds: float
    deadline: float
    since: float

    @property
    def padded(self) -> int:
        return len(self.places) * self.places[-1][0]
