"""
Streams: what windows of calls and conversations hand to the state of a stream, and the rules that both read.

`window/` closes windows, the lanes judge them, `stream/` folds them into the state of their call, in the order in which
they closed. A window is judged as an event is: it has findings of its own, and a policy gives it a verdict.

    Assessment.windows: list[ClosedWindow]   what an event closed, oldest first; empty for a chunk inside a hop
    the event's own findings                 the maximum over those windows; no scores for a chunk inside a hop
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from worker.core.decisions import Action, Findings, Override

WindowKind = Literal["call", "speaker", "exchange"]


@dataclass(frozen=True, slots=True)
class CallRules:
    """A policy's `calls`: how its streams are cut into windows and how windows become a state. Seconds."""

    window_s: float = 15.0  # how much of a speaker one verdict looks at
    hop_s: float = 5.0  # how often a window closes; `window_s` is a whole number of hops
    lateness_s: float = 2.0  # how long a chunk that is missing is waited for, on the call's own clock
    expire_s: float = 600.0  # a stream that says nothing for so long is forgotten
    agree: int = 2  # so many of the last `of` windows of a speaker raise a category's state
    of: int = 4
    clear_margin: float = 0.2  # a window this far below the threshold no longer backs a state
    cooldown_s: float = 300.0  # a state stands at least so long after the last window that backed it
    escalate: int | None = None  # a category raised to flag so often in one stream is raised to block; None: never
    messages: int = 4  # of a speaker that are read together; 0 reads none together
    exchange: int = 8  # of all speakers that are read together; 0 reads none together
    messages_s: float = 300.0  # older messages are left out of both


@dataclass(slots=True)
class ClosedWindow:
    """
    A window that an event closed. For a call `t0` and `t1` are seconds on the call's own clock; for messages the
    queue's stamps, in seconds since the Unix epoch, of the first and last one that are read together.

    kind: "call" for sound; "speaker" for the last messages of one, "exchange" for the last of all.
    index: the hop that closed it, counted from the beginning of the call's clock: `t1` is `(index + 1) * hop_s`, but
        for the last one of a stream, which ends where the sound does. Strictly rising for each speaker; an index that
        is left out is a hop of which nothing came. The same in whatever chunks the sound comes.
    heard_s, missing_s: how much sound of the window came, and how much never did.
    spoken_s: how much of its last hop is speech; 0.0 means that no model had anything to read in it.
    findings: of this window alone, what is left of it once every view has its answer: float32 [3, C] scores with the
        row of AUDIO filled, hits, degradations, models. `scores` is None when nobody spoke in the window.
    last: the speaker's stream ended with it.
    """

    speaker: str | None
    index: int
    t0: float
    t1: float
    heard_s: float
    missing_s: float
    findings: Findings
    spoken_s: float = 0.0
    last: bool = False
    kind: WindowKind = "call"


@dataclass(frozen=True, slots=True)
class Together:
    """The messages that are read with an event's own, its own last; fewer than two are none."""

    speaker: str | None
    own: tuple[str, ...] = ()  # the speaker's
    all: tuple[str, ...] = ()  # everyone's
    own_since: float = 0.0  # the queue's stamp of the first of them, in seconds
    all_since: float = 0.0
    until: float = 0.0  # and of the event's own

    @property
    def windows(self) -> tuple[tuple[WindowKind, float, tuple[str, ...]], ...]:
        """Kind, when it begins, and the messages."""
        return ("speaker", self.own_since, self.own), ("exchange", self.all_since, self.all)


StreamKey = tuple[str, str]  # tenant, stream id


@dataclass(frozen=True, slots=True)
class Told:
    """
    What the state of its stream does to a decision: step 7, before the breaker's and `otherwise`'s part.

    floor, ceiling: the action is at least and at most that. why: the detail of the override. call: the field `call`.
    """

    floor: Action
    ceiling: Action
    why: str
    call: Mapping[str, Any]

    def act(self, action: Action) -> tuple[Action, list[Override]]:
        """The action, and the override when that changes it."""
        acted = min(max(action, self.floor), self.ceiling)
        return acted, [] if acted is action else [Override("call_state", acted, self.why)]
