"""Every outcome that conditions can have together is among the cases, and every case with a world happens in it."""

from __future__ import annotations

import json
from typing import Any

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.policy.tools.trees import LAW
from worker.core.decisions import Findings
from worker.policy.conditions import Condition, Conditions, Outcome
from worker.policy.tools.grammar import read_condition
from worker.policy.tools.worlds import MAX_WORLDS, Cases, cases

TEXTS = ("kids", "adults", "k", "", "kids\0", "z")
NUMBERS = (-1, 0, 1, 2, 3, 3.0, 2.5, 10**6)
KNOWN = ("context.audience", "context.language")
OWN = ("context.attributes.level", "context.attributes.vip")
STREAM = ("stream.seq", "stream.final", "stream.id")


def literal(value: Any) -> str:
    return json.dumps(value)


def comparisons() -> st.SearchStrategy[str]:
    """A comparison of a field with a literal, either way round, or a list of them."""
    value = st.one_of(
        st.sampled_from(("kids", "adults", "k")), st.sampled_from((0, 2, 3, 2.5)), st.booleans(), st.none()
    )
    field = st.sampled_from((*KNOWN, *OWN, *STREAM))
    operator = st.sampled_from(("==", "!=", "<", "<=", ">", ">="))
    plain = st.builds(lambda f, o, v: f"{f} {o} {literal(v)}", field, operator, value)
    turned = st.builds(lambda f, o, v: f"{literal(v)} {o} {f}", field, operator, value)
    among = st.builds(lambda f, v: f"{f} in {json.dumps(v)}", field, st.lists(value, min_size=1, max_size=3))
    parts = st.sampled_from(("'audio' in parts", "size(parts) == 1", "size(parts) > 2", "!('text' in parts)"))
    bare = st.sampled_from(("context.attributes.vip", "stream.final", "has(context.attributes.level)", "true", "1 < 2"))
    return st.one_of(plain, turned, among, parts, bare)


def conditions() -> st.SearchStrategy[str]:
    return st.recursive(
        comparisons(),
        lambda inner: st.one_of(
            st.builds(lambda a, o, b: f"({a} {o} {b})", inner, st.sampled_from(("&&", "||")), inner),
            st.builds(lambda a: f"!({a})", inner),
        ),
        max_leaves=4,
    )


@st.composite
def events(draw: st.DrawFn) -> Findings:
    """What may surround an event; an attribute may be anything."""
    context: dict[str, Any] = {}
    for name in ("audience", "language"):
        if draw(st.booleans()):
            context[name] = draw(st.sampled_from(TEXTS))
    anything = st.one_of(st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.booleans(), st.none(), st.just([1]))
    context["attributes"] = draw(st.dictionaries(st.sampled_from(("level", "vip")), anything))
    stream = None
    if draw(st.booleans()):
        stream = {"id": draw(st.sampled_from(TEXTS)), "seq": draw(st.integers(0, 5)), "final": draw(st.booleans())}
    parts = draw(st.sets(st.sampled_from(("text", "image", "audio")), min_size=1))
    return Findings(context, frozenset(parts), stream=stream)


def compiled(sources: list[str]) -> list[Condition]:
    return [Condition(cel.compile(source), frozenset({"context.actor"})) for source in sources]


@settings(LAW, max_examples=20)
@given(st.lists(conditions(), min_size=1, max_size=2), st.lists(events(), min_size=20, max_size=20))
def test_no_outcome_is_missing(sources: list[str], tried: list[Findings]) -> None:
    """Soundness of TRUE and of "never true": what any event gives was found by trying kinds of value."""
    made = compiled(sources)
    found = cases(made, sources)
    known = {case.outcomes for case in found.cases}
    if not found.complete:
        return
    judge = Conditions(made)
    for event in tried:
        assert judge.outcomes(event) in known
    for case in found.cases:
        if case.world is not None:
            assert judge.outcomes(case.world.findings()) == case.outcomes


def one(source: str) -> Cases:
    return cases(compiled([source]), [source])


@pytest.mark.parametrize(
    ("source", "outcomes"),
    [
        ("context.audience == 'kids' && context.audience == 'adults'", {False}),
        ("context.audience in ['a', 'b'] && !(context.audience in ['b', 'a'])", {False}),
        ("size(parts) > 3", {False}),
        ("size(parts) == 2 && 'audio' in parts", {True, False}),
        ("stream.seq > 3 && stream.seq < 4", {False, None}),
        ("stream.seq > 3 && stream.seq < 5", {True, False, None}),
        ("context.attributes.level > 3 && context.attributes.level < 4", {True, False, None}),
        ("context.audience == 3", {False}),
        ("1 > 2", {False}),
    ],
)
def test_what_can_be_enumerated_is_exact(source: str, outcomes: set[Outcome]) -> None:
    """Constants, contradictions, sets of parts, whole numbers against fractions, failures."""
    found = one(source)
    assert found.exact
    assert {case.outcomes[0] for case in found.cases} == outcomes


@pytest.mark.parametrize(
    "source",
    [
        "context.audience.startsWith('k')",
        "context.audience == context.language",
        "context.attributes.level + 1 > 3",
        "context.attributes.tags.exists(t, t == 'x')",
        "context.audience == 'a' ? true : false",
        "context.attributes.a.b == 1",
        "'x' in context.attributes.tags",
        "context.audience == r'k'",
    ],
)
def test_what_cannot_may_come_out_any_way(source: str) -> None:
    """Functions, arithmetic, fields against fields: never exact, and never too few outcomes."""
    assert not read_condition(source).exact
    assert {case.outcomes[0] for case in one(source).cases} == {True, False, None}


def test_an_example_is_looked_for_among_the_literals_of_a_function() -> None:
    """`startsWith('k')` is true of 'k', so that a counterexample can be shown to happen."""
    found = one("context.audience.startsWith('k')")
    contexts = {case.outcomes[0]: case.world.context for case in found.cases if case.world is not None}
    assert contexts[True] == {"audience": "k"}


def test_too_many_kinds_of_value_are_given_up_honestly() -> None:
    """More worlds than are tried: each condition may come out any way, or the answer is not complete."""
    sources = [f"context.attributes.f{i} > {i}" for i in range(9)]
    assert MAX_WORLDS < 5**9
    found = cases(compiled(sources), sources)
    assert (found.exact, found.complete) == (False, False)
