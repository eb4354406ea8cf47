"""The circuit breaker: a node whose block rate jumps far over its baseline is demoted to flag for a set time. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from enum import Enum

from pydantic import BaseModel, ConfigDict, Field

from worker.core.clock import Clock

_MOST_ACTORS = 10_000  # told apart a node and window; past them it is many actors beyond doubt
_FEWEST_EVENTS, _FEWEST_BLOCKS = 50, 5  # however small this worker's share is
_IDLE_S = 24 * 3600.0  # a policy that was not used for so long is forgotten


class BreakerSettings(BaseModel):
    """When a node is demoted. Counts are the whole group's: a worker asks for its share of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    factor: float = Field(5.0, gt=1, description="how many times its baseline's odds a block rate must reach")
    z: float = Field(6.0, gt=0, description="standard errors of a binomial it must be over the baseline")
    min_events: int = Field(500, ge=1, description="scored events in the window; a baseline needs four times as many")
    min_blocks: int = Field(30, ge=1, description="blocks in the window, an actor counted once")
    window_s: float = Field(60.0, gt=0)
    memory_s: float = Field(3600.0, gt=0, description="time constant of the baseline")
    hold_s: float = Field(600.0, gt=0, description="how long a node stays demoted before it is tried again")
    actor_blocks_per_hour: int = Field(0, ge=0, description="automatic blocks of one actor; 0: no cap")


class Phase(Enum):
    """Of a node."""

    CLOSED = "closed"  # blocks stand
    OPEN = "open"  # blocks become flags
    HALF_OPEN = "half_open"  # blocks stand again, and the rate is measured afresh against the old baseline


@dataclass(frozen=True, slots=True)
class Change:
    """A node that entered a phase, with the rates that made it; for logs and `/status`."""

    policy: str
    category: str
    phase: Phase
    baseline: float  # blocks an event, 0 to 1
    rate: float  # in the window that was looked at
    until: float  # monotonic seconds; of OPEN


@dataclass(slots=True)
class _Node:
    """One category of one policy."""

    blocks: int = 0  # in the window
    actors: set[str] = field(default_factory=set)
    known: float = 0.0  # blocks of the baseline, faded like its events
    phase: Phase = Phase.CLOSED
    frozen: float = 0.0  # the baseline's rate while not closed
    since_events: int = 0  # the policy's `events` when a half-open node's measure began
    until: float = 0.0
    rate: float = 0.0


@dataclass(slots=True)
class _Watch:
    """One policy."""

    began: float  # of the window
    used: float
    events: int = 0  # scored, ever
    window_events: int = 0  # of them before the window
    known: float = 0.0  # events of the baseline, faded with time
    nodes: dict[str, _Node] = field(default_factory=dict)
    demoted: frozenset[str] = frozenset()


class Breaker:
    """
    Counts blocks by node and says which nodes are demoted.

    A node opens when, within a window, enough events were scored, enough of them were blocked for it, the odds of a
    block are `factor` times the baseline's and the count is `z` standard errors over it. One actor's blocks count once
    a window, so one flooder cannot open a node to get past it. What a node does while it is not closed teaches the
    baseline nothing. Memory: nodes of the policies in use, and the actors of one window.
    """

    def __init__(self, settings: BreakerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._watches: dict[str, _Watch] = {}

    def observe(
        self, policy: str, events: int, blocks: Iterable[tuple[str, str | None]], share: float = 1.0
    ) -> list[Change]:
        """
        Count `events` scored events of `policy`; `blocks`: the node and the actor (None: nobody known) of each block.

        share: this worker's part of the group's partitions, above 0 and at most 1.
        Returns the nodes that entered another phase.
        """
        now = self._clock.now()
        watch = self._watches.get(policy)
        if watch is None:
            self._forget(now)
            watch = self._watches[policy] = _Watch(began=now, used=now)
        watch.used = now
        changes = self._time(policy, watch, now, share)
        watch.events += events
        for category, actor in blocks:
            _count(watch.nodes.setdefault(category, _Node()), actor)
        changes += self._judge(policy, watch, now, share)
        if changes:
            watch.demoted = frozenset(name for name, node in watch.nodes.items() if node.phase is Phase.OPEN)
        return changes

    def demoted(self, policy: str) -> Set[str]:
        """Category paths whose blocks are flags now, by what `observe` last saw."""
        watch = self._watches.get(policy)
        return watch.demoted if watch is not None else frozenset()

    def standing(self) -> list[Change]:
        """Every node that is not closed."""
        return [
            Change(policy, category, node.phase, node.frozen, node.rate, node.until)
            for policy, watch in self._watches.items()
            for category, node in watch.nodes.items()
            if node.phase is not Phase.CLOSED
        ]

    def _time(self, policy: str, watch: _Watch, now: float, share: float) -> list[Change]:
        """What time alone does: windows end, held nodes are tried again."""
        if now - watch.began >= self._settings.window_s:
            self._learn(watch, now)
        changes = []
        for category, node in watch.nodes.items():
            if node.phase is Phase.OPEN and now >= node.until:
                node.phase, node.since_events, node.blocks = Phase.HALF_OPEN, watch.events, 0
                node.actors.clear()
                changes.append(Change(policy, category, node.phase, node.frozen, node.rate, node.until))
        return changes

    def _learn(self, watch: _Watch, now: float) -> None:
        """The window ends: its counts join the baseline, and what stood there fades."""
        keep = math.exp(-(now - watch.began) / self._settings.memory_s)
        watch.known = watch.known * keep + watch.events - watch.window_events
        for node in watch.nodes.values():
            if node.phase is Phase.CLOSED:
                node.known = node.known * keep + node.blocks
                node.blocks = 0
                node.actors.clear()
            else:
                node.known = node.frozen * watch.known
        watch.began, watch.window_events = now, watch.events

    def _judge(self, policy: str, watch: _Watch, now: float, share: float) -> list[Change]:
        settings, changes = self._settings, []
        enough = max(settings.min_events * share, _FEWEST_EVENTS)
        known = watch.known >= 4 * enough
        for category, node in watch.nodes.items():
            if node.phase is Phase.OPEN:
                continue
            half = node.phase is Phase.HALF_OPEN
            events = watch.events - (node.since_events if half else watch.window_events)
            # Half a block in one event more (Jeffreys): a node that never blocked has a rate above 0.
            baseline = node.frozen if half else (node.known + 0.5) / (watch.known + 1)
            if (known or half) and self._jumped(events, node.blocks, baseline, enough, share):
                node.rate = node.blocks / events
                node.phase, node.frozen, node.until = Phase.OPEN, baseline, now + settings.hold_s
            elif half and events >= enough:
                node.rate = node.blocks / events
                node.phase, node.blocks = Phase.CLOSED, 0
                node.actors.clear()
            else:
                continue
            changes.append(Change(policy, category, node.phase, baseline, node.rate, node.until))
        return changes

    def _jumped(self, events: int, blocks: int, baseline: float, enough: float, share: float) -> bool:
        settings = self._settings
        if events < enough or blocks < max(settings.min_blocks * share, _FEWEST_BLOCKS):
            return False
        odds = blocks / (events - blocks) if blocks < events else math.inf
        over = blocks - events * baseline
        return (
            odds >= settings.factor * baseline / (1 - baseline)
            and over >= settings.z * (events * baseline * (1 - baseline)) ** 0.5
        )

    def _forget(self, now: float) -> None:
        for policy in [name for name, watch in self._watches.items() if now - watch.used > _IDLE_S]:
            del self._watches[policy]


def _count(node: _Node, actor: str | None) -> None:
    """One block; an actor that was counted in this window is not counted again."""
    if actor is not None:
        if actor in node.actors:
            return
        if len(node.actors) < _MOST_ACTORS:
            node.actors.add(actor)
    node.blocks += 1
