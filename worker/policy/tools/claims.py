"""Claims about policies over all possible scores and contexts: each true, or with a counterexample that was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from worker.core.decisions import Action, Findings, Hit
from worker.core.events import PART_TYPES
from worker.core.views import empty_scores
from worker.policy.compile import CompiledPolicy
from worker.policy.conditions import Condition, Outcomes
from worker.policy.tools.standing import Said, Tree
from worker.policy.tools.worlds import Cases, World, cases

Answer = Literal["true", "false", "unproved"]
EXHAUSTED = "too many conditions meet here to try all their outcomes"


@dataclass(frozen=True, slots=True)
class Counterexample:
    """
    One score, or one list hit, that breaks a claim: what each side makes of it.

    category: whose own score it is, or the hit's. confirmed: the evaluator was asked and said the same.
    """

    type: str
    category: str
    score: float | None
    world: World | None
    outcomes: Mapping[str, bool | None]  # of the conditions that matter, by their text
    actions: Mapping[str, str]  # by policy (or node), the action
    confirmed: bool
    hit: str | None = None  # a list's name and the line of its entry, never the entry

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "type": self.type,
            "category": self.category,
            "score": self.score,
            "hit": self.hit,
            "world": self.world.words() if self.world else None,
            "conditions": dict(self.outcomes),
            "actions": dict(self.actions),
            "confirmed": self.confirmed,
        }


@dataclass(frozen=True, slots=True)
class Proof:
    """A claim in words and what became of it. `assumes`: what it takes for granted."""

    claim: str
    answer: Answer
    counterexample: Counterexample | None = None
    because: str | None = None  # why it is unproved
    assumes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        shown = self.counterexample.as_json() if self.counterexample else None
        return {
            "claim": self.claim,
            "answer": self.answer,
            "counterexample": shown,
            "because": self.because,
            "assumes": list(self.assumes),
        }


@dataclass(frozen=True, slots=True)
class Side:
    """One policy of a claim: its tree to reason over, itself to ask, and what it is called there."""

    id: str
    tree: Tree
    policy: CompiledPolicy
    conditions: Sequence[Condition]

    def act(self, part: int, category: str, score: float, world: World, *, suppose: bool = False) -> Action:
        """What the evaluator makes of one score; with `suppose` also of one that nothing here could give."""
        found = world.findings()
        index = self.tree.index.get(category)
        if index is not None and (suppose or self.tree.scored(index)):
            found.scores = empty_scores(len(self.policy.categories))
            found.scores[part, index] = score
        return self._decide(found)

    def act_on_hits(self, hits: Sequence[Hit], world: World) -> Action:
        """What the evaluator makes of list hits."""
        found = world.findings()
        found.hits = list(hits)
        return self._decide(found)

    def _decide(self, found: Findings) -> Action:
        return self.policy.decide([found])[0].action


class Meeting:
    """The conditions of one or two policies together; those with the same words are one condition."""

    def __init__(self, sides: Sequence[Side]) -> None:
        self._sides = sides
        self._known: dict[tuple[tuple[str, ...], int], Cases] = {}

    def cases(self, nodes: Sequence[Sequence[int]], part: int) -> tuple[tuple[str, ...], Cases]:
        """The outcomes that the conditions touching `nodes` (for each side) can have together, and their texts."""
        compiled: dict[str, Condition] = {}
        for side, some in zip(self._sides, nodes, strict=True):
            for number in side.tree.touching(some):
                compiled.setdefault(side.tree.whens[number].if_, side.conditions[number])
        sources = tuple(compiled)
        key = (sources, part)
        if key not in self._known:
            self._known[key] = cases(list(compiled.values()), sources, PART_TYPES[part].label)
        return sources, self._known[key]

    def said(self, side: Side, sources: Sequence[str], outcomes: Outcomes) -> Said:
        """The outcomes as one side numbers its conditions."""
        by_text = dict(zip(sources, outcomes, strict=True))
        return {n: by_text[when.if_] for n, when in enumerate(side.tree.whens) if when.if_ in by_text}


class Search:
    """Collects what breaks one claim: a confirmed counterexample ends it, anything else leaves it unproved."""

    def __init__(self, claim: str, assumes: Sequence[str] = ()) -> None:
        self._claim, self._assumes = claim, tuple(assumes)
        self._open: Counterexample | None = None
        self._because: str | None = None
        self._found: Counterexample | None = None

    @property
    def is_over(self) -> bool:
        return self._found is not None

    def found(self, example: Counterexample) -> None:
        """A case in which the claim fails."""
        if example.confirmed:
            self._found = example
        elif self._open is None:
            self._open = example
            self._because = "it fails only where the conditions come out in a way for which no event was found"

    def unknown(self, because: str) -> None:
        """A part of the claim that could not be looked through."""
        self._because = self._because or because

    def proof(self) -> Proof:
        """What became of the claim."""
        if self._found is not None:
            return Proof(self._claim, "false", self._found, None, self._assumes)
        if self._because is not None:
            return Proof(self._claim, "unproved", self._open, self._because, self._assumes)
        return Proof(self._claim, "true", None, None, self._assumes)
