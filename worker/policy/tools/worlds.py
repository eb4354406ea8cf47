"""Which outcomes of conditions can happen together: every kind of context they can tell apart, tried on CEL itself."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.core.decisions import Findings
from worker.core.events import PART_TYPES
from worker.policy.conditions import Condition, Conditions, Outcome, Outcomes
from worker.policy.tools.grammar import Reading, read_condition

MAX_WORLDS = 2_000
MAX_COMBINATIONS = 3**7

_ABSENT = object()
_FRESH = "another"
_PART_SETS = tuple(
    frozenset(part.label for part in some)
    for size in range(1, len(PART_TYPES) + 1)
    for some in itertools.combinations(PART_TYPES, size)
)


@dataclass(frozen=True, slots=True)
class World:
    """What an event's surroundings may be, as far as conditions see them."""

    context: Mapping[str, Any]
    parts: frozenset[str]
    stream: Mapping[str, Any] | None

    def findings(self) -> Findings:
        """An event in this world in which nothing was found yet."""
        return Findings(self.context, self.parts, stream=self.stream)

    def words(self) -> dict[str, Any]:
        """For people: only what is there."""
        named: dict[str, Any] = {"context": dict(self.context), "parts": sorted(self.parts)}
        return named | ({"stream": dict(self.stream)} if self.stream else {})


@dataclass(frozen=True, slots=True)
class Case:
    """Outcomes that conditions may have together, and a world that gives them; None where none was found."""

    outcomes: Outcomes
    world: World | None


@dataclass(frozen=True, slots=True)
class Cases:
    """
    Every combination of outcomes that can happen, and perhaps some that cannot.

    exact: none that cannot. complete: none is missing; False where there were too many to try.
    """

    cases: tuple[Case, ...]
    exact: bool
    complete: bool = True


def cases(conditions: Sequence[Condition], sources: Sequence[str], part: str | None = None) -> Cases:
    """
    The combinations of outcomes of `conditions`, written `sources`, for events with a part of type `part`.

    A condition of field comparisons is tried on every kind of value that they tell apart, which is exact. Any other is
    taken to be true, false or failing independently of the rest, which misses nothing but may add what cannot be.
    """
    readings = [read_condition(source) for source in sources]
    worlds = _worlds(readings, part)
    seen: dict[Outcomes, World] = {}
    tried = Conditions(conditions)
    few = list(itertools.islice(worlds, MAX_WORLDS + 1))
    for world in few[:MAX_WORLDS]:
        seen.setdefault(tried.outcomes(world.findings()), world)
    opaque = [i for i, reading in enumerate(readings) if not reading.exact]
    if len(few) > MAX_WORLDS:
        opaque = list(range(len(readings)))
    if not opaque:
        return Cases(tuple(Case(outcomes, world) for outcomes, world in seen.items()), exact=True)
    known = {tuple(None if i in opaque else said for i, said in enumerate(outcomes)) for outcomes in seen}
    if len(known) * 3 ** len(opaque) > MAX_COMBINATIONS:
        return Cases(tuple(Case(outcomes, world) for outcomes, world in seen.items()), exact=False, complete=False)
    return Cases(tuple(_spread(known, opaque, seen)), exact=False)


def _spread(known: set[Outcomes], opaque: Sequence[int], seen: Mapping[Outcomes, World]) -> Iterator[Case]:
    """Each known combination with every outcome of the opaque conditions; those with a world first."""
    found: dict[Outcomes, World | None] = dict(seen)
    for base in known:
        for free in itertools.product((False, True, None), repeat=len(opaque)):
            outcomes: list[Outcome] = list(base)
            for i, said in zip(opaque, free, strict=True):
                outcomes[i] = said
            found.setdefault(tuple(outcomes), None)
    for combination, world in found.items():
        yield Case(combination, world)


def _worlds(readings: Sequence[Reading], part: str | None) -> Iterator[World]:
    """Worlds that differ in all that the readings can tell apart; the simplest first."""
    literals: dict[str, list[Any]] = {}
    for reading in readings:
        for name, values in reading.fields.items():
            literals.setdefault(name, []).extend(values)
    parts = [some for some in _PART_SETS if part is None or part in some]
    if "parts" not in literals:
        parts = parts[:1]
    literals.pop("parts", None)
    choices = [_values(name, values) for name, values in literals.items()]
    for some, *values in itertools.product(parts, *choices):
        world = _world(some, dict(zip(literals, values, strict=True)))
        if world is not None:
            yield world


def _world(parts: frozenset[str], values: Mapping[str, Any]) -> World | None:
    context: dict[str, Any] = {}
    stream: dict[str, Any] = {}
    for name, value in values.items():
        if value is _ABSENT:
            continue
        root, field, *inner = name.split(".")
        if root == "stream":
            stream[field] = value
        elif inner:
            context.setdefault("attributes", {})[".".join(inner)] = value
        else:
            context[field] = value
    if stream and "id" not in stream:
        if "stream.id" in values:
            return None  # no stream is without its id
        stream["id"] = "s"
    return World(context, parts, stream or None)


def _values(name: str, literals: Sequence[Any]) -> list[Any]:
    """A value of each kind that comparisons with `literals` can tell apart, absence first."""
    if name == "stream.final":
        return [_ABSENT, False, True]
    if name in ("stream.seq", "stream.offset_ms"):
        whole = {math.floor(v) + step for v in literals if _is_number(v) for step in (-1, 0, 1, 2)}
        return [_ABSENT, *sorted({0} | {v for v in whole if v >= 0})]
    texts = _texts([v for v in literals if isinstance(v, str)])
    if not name.startswith("context.attributes."):
        return [_ABSENT, *texts]
    return [_ABSENT, *texts, True, False, *_numbers([v for v in literals if _is_number(v)]), None, ()]


def _texts(literals: Sequence[str]) -> list[str]:
    """Each literal, what comes right after it in order, the lowest and a high one."""
    found = list(dict.fromkeys(literals))
    fresh = _FRESH
    while fresh in found:
        fresh += "-"
    return list(dict.fromkeys([*found, fresh, *(v + "\0" for v in found), "", "\U0010ffff"]))


def _numbers(literals: Sequence[float]) -> list[float]:
    """Each literal, and one number in each gap between and beyond them."""
    order = sorted(set(literals)) or [0]
    gaps = [(a + b) / 2 for a, b in itertools.pairwise(order)]
    return [*order, *(gap for gap in gaps if gap not in order), order[0] - 1, order[-1] + 1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
