"""Verdict and decision: what the policy says of an event, and the record that is published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, NamedTuple, get_args

from worker.core.events import Degradation, Event, PartType
from worker.core.records import Route
from worker.core.views import Evidence, Floats, ModelRef


class Action(IntEnum):
    """Ordered by strictness, so `max` is the strictest."""

    ALLOW = 0
    FLAG = 1
    BLOCK = 2

    @property
    def label(self) -> str:
        """The name used in policies, decisions, headers and topics."""
        return _LABELS[self]

    @property
    def route(self) -> Route:
        return _ROUTES[self]

    @classmethod
    def parse(cls, label: str) -> Action:
        return cls[label.upper()]


_ROUTES = (Route.ALLOW, Route.FLAG, Route.BLOCK)
_LABELS = ("allow", "flag", "block")


Stage = Literal["first", "repeat", "guard"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class Hit:
    """A list entry found in an event. It has its list's action and no score, and never says which entry."""

    list_digest: str  # "sha256:…" of the list
    list_name: str
    category: str  # category path
    action: Action
    type: PartType
    view: str  # path of the source, "/normalised" added when only the normalised text matched
    evidence: Evidence
    search: str = ""  # fingerprint of the entries and how they were matched, 16 hexadecimal digits


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a node acts. `score`, `threshold` and `threshold_from` are None for a list hit."""

    category: str
    type: str
    action: Action
    score: float | None = None
    threshold: float | None = None
    threshold_from: str | None = None  # "policy:path" of the ancestor the threshold stands at
    point: str | None = None  # the operating point that the threshold is written as, when it is
    scored_by: str | None = None  # the descendant whose score rolled up, when it is not the node itself
    view: str | None = None
    model: str | None = None
    list: str | None = None
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy alone says. Pure: the same scores, hits, context and policy give the same verdict."""

    action: Action
    reasons: tuple[Reason, ...] = ()
    shadow: tuple[Reason, ...] = ()  # what nodes in `mode: shadow` would have done
    notes: tuple[str, ...] = ()  # e.g. conditions that failed and took their stricter side


@dataclass(frozen=True, slots=True)
class Override:
    """A change to the verdict made afterwards, with its cause; the verdict itself stays in the decision."""

    cause: str  # "degraded", "call_state", "breaker", "late"
    action: Action
    detail: str


def fall_back(action: Action, rules: Iterable[str], otherwise: Callable[[str], str]) -> tuple[Action, list[Override]]:
    """
    Step 7 for what could not be judged: `otherwise` of each rule, in order, tightens the verdict's action.

    Returns the action and an override for each rule that changed it.
    """
    overrides = []
    for rule in sorted(set(rules)):
        wanted = otherwise(rule)
        if wanted != "score" and (fallback := Action.parse(wanted)) > action:
            action = fallback
            overrides.append(Override("degraded", action, f"otherwise.{rule} is {wanted}"))
    return action, overrides


@dataclass(slots=True)
class Findings:
    """
    All that a policy needs to decide one event.

    scores: float32 [3, C], rows by `PartType`, columns in the policy's category order, each the category's own score
    before roll-up; NaN where nothing scored it. None when no model ran.
    sources: for [type, category], the view's path, the model's name and the place that gave the maximum.
    """

    context: Mapping[str, Any]
    part_types: frozenset[str]
    stream: Mapping[str, Any] | None = None
    scores: Floats | None = None
    sources: dict[tuple[int, int], tuple[str, str, Evidence]] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    degraded: list[Degradation] = field(default_factory=list)
    models: list[ModelRef] = field(default_factory=list)
    stage: Stage | None = None  # the furthest stage of a cascade that settled a text; None without a cascade
    evasion: set[str] = field(default_factory=set)  # disguises taken off a text to read it, e.g. "leet", "hidden_text"

    def settled(self, stage: Stage) -> None:
        """A text was settled by `stage`."""
        if self.stage is None or STAGES.index(stage) > STAGES.index(self.stage):
            self.stage = stage


class Judgement(NamedTuple):
    """What the desk answers: an event from inside, all that was found in it, and what the policy says of that."""

    event: Event
    findings: Findings
    verdict: Verdict
