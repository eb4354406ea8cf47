"""Proofs agree with trying, and each counterexample is what the evaluator says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.policy.building import POLICIES, PathsOnly, source
from tests.unit.policy.tools.trees import EXACT, GRID, LAW, OPAQUE, documents, told
from worker.core.decisions import Action, Findings
from worker.core.events import PART_TYPES
from worker.core.views import empty_scores
from worker.policy.compile import compile_policy
from worker.policy.resolve import Resolved, resolve
from worker.policy.tools.claims import Proof, Side
from worker.policy.tools.gather import gather
from worker.policy.tools.prove import prove, side


def policies(name: str, conditions: list[str]) -> st.SearchStrategy[Side]:
    return documents(name, conditions).map(lambda tree: ready(resolve(source(tree), {})))


def ready(resolved: Resolved) -> Side:
    return side(resolved, compile_policy(resolved, POLICIES, PathsOnly()))


def surroundings() -> Iterator[Findings]:
    """Events that the conditions above can tell apart."""
    for audience, level in itertools.product((None, "kids", "others", "kx"), (None, 2, 5, "x")):
        context = told({"audience": audience, "attributes": told({"level": level})})
        for parts in ({"text"}, {"audio"}, {"text", "audio"}):
            yield Findings(context, frozenset(parts))


def scored(one: Side, found: Findings, part: int, scores: dict[str, float]) -> Action:
    """What a policy says of scores by path; one that it cannot have is not there."""
    event = Findings(found.context, found.part_types, scores=empty_scores(len(one.policy.categories)))
    assert event.scores is not None
    for path, score in scores.items():
        index = one.tree.index.get(path)
        if index is not None and one.tree.scored(index):
            event.scores[part, index] = score
    return one.policy.decide([event])[0].action


def fails_somewhere(one: Side, other: Side, action: Action) -> bool:
    """Try every pair of scores on the grid in every surrounding."""
    paths = [node.path for index, node in enumerate(one.tree.nodes) if one.tree.scored(index)]
    for found in surroundings():
        for part in (int(p) for p in PART_TYPES if p.label in found.part_types):
            for path, score in itertools.product(paths, GRID):
                scores = {path: score}
                if scored(one, found, part, scores) >= action > scored(other, found, part, scores):
                    return True
    return False


def by_claim(proofs: list[Proof]) -> dict[str, Proof]:
    return {proof.claim: proof for proof in proofs}


@LAW
@given(policies("a", EXACT), policies("b", EXACT))
def test_a_proof_agrees_with_trying(one: Side, other: Side) -> None:
    """Where all conditions can be enumerated: true exactly when no score on the grid of thresholds breaks the claim."""
    proofs = by_claim(list(prove(one, other)))
    for action, claim in (
        (Action.BLOCK, "b blocks everything that a blocks"),
        (Action.FLAG, "b flags or blocks everything that a flags"),
    ):
        assert proofs[claim].answer == ("false" if fails_somewhere(one, other, action) else "true")


@LAW
@given(policies("a", [OPAQUE, *EXACT]), policies("b", [OPAQUE, *EXACT]))
def test_true_is_true_and_a_counterexample_is_one(one: Side, other: Side) -> None:
    """Whatever the conditions: a true claim is broken by nothing tried, a false one by what it shows."""
    for proof in prove(one, other):
        action = Action.BLOCK if proof.claim == BLOCKS else Action.FLAG
        if "everything" in proof.claim and proof.answer == "true":
            assert not fails_somewhere(one, other, action)
        shown = proof.counterexample
        if proof.answer != "false" or shown is None or shown.world is None or shown.score is None:
            continue
        part = next(int(p) for p in PART_TYPES if p.label == shown.type)
        if "everything" in proof.claim:
            said = [scored(s, shown.world.findings(), part, {shown.category: shown.score}) for s in (one, other)]
            assert said[0] >= action > said[1]


@LAW
@given(policies("a", EXACT), st.lists(st.sampled_from(GRID), min_size=4, max_size=4))
def test_several_scores_together_give_the_strictest_of_each(one: Side, scores: list[float]) -> None:
    """Why one score at a time is enough: an event's action is the strictest that any of its scores gives alone."""
    paths = [node.path for index, node in enumerate(one.tree.nodes) if one.tree.scored(index)][:4]
    together = dict(zip(paths, scores, strict=False))
    for found in surroundings():
        alone = [scored(one, found, 0, {path: score}) for path, score in together.items()]
        assert scored(one, found, 0, together) == max(alone, default=Action.ALLOW)


@LAW
@given(policies("a", EXACT))
def test_no_child_is_looser_agrees_with_trying(one: Side) -> None:
    """A score at the child gets at least what it gets at its parent, exactly when no score tried breaks that."""
    proof = list(prove(one))[-1]
    broken = False
    for found, node in itertools.product(surroundings(), one.tree.nodes):
        if node.parent < 0:
            continue
        parent = one.tree.nodes[node.parent].path
        for part in (int(p) for p in PART_TYPES if p.label in found.part_types):
            broken = broken or any(_at(one, found, part, node.path, s) < _at(one, found, part, parent, s) for s in GRID)
    assert proof.answer == ("false" if broken else "true")


def _at(one: Side, found: Findings, part: int, path: str, score: float) -> Action:
    event = Findings(found.context, found.part_types, scores=empty_scores(len(one.policy.categories)))
    assert event.scores is not None
    event.scores[part, one.tree.index[path]] = np.float32(score)
    return one.policy.decide([event])[0].action


def two(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Proof]:
    made = [source({"id": name} | tree) for name, tree in (("a", one), ("b", other))]
    sides = [ready(resolve(each, {})) for each in made]
    return by_claim(list(prove(*sides)))


HATE = {"hate": {"definition": "x", "flag": 0.5}}
BLOCKS = "b blocks everything that a blocks"


def listed(**more: Any) -> dict[str, Any]:
    return {"categories": HATE, "terms": [{"words": ["Foo", "bar baz"], "category": "hate", "action": "block"} | more]}


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        (listed(), listed(), "true"),
        (listed(), listed(words=["bar baz", "FOO", "more"]), "true"),
        (listed(), listed(match="substring"), "true"),
        (listed(match="substring"), listed(), "unproved"),
        (listed(), listed(action="flag"), "false"),
        (listed(), listed(words=["bar baz"]), "false"),
        (listed(), listed(words=["bar", "foo"]), "unproved"),
        (listed(**{"except": ["foo fighters"]}), listed(), "true"),
        (listed(), listed(**{"except": ["foo fighters"]}), "unproved"),
        (listed(), listed() | {"categories": {"hate": HATE["hate"] | {"mode": "shadow"}}}, "false"),
        (listed(words=["fo+"], match="pattern"), listed(words=["fo+"], match="pattern"), "true"),
        (listed(words=["fo+"], match="pattern"), listed(words=["fo*"], match="pattern"), "unproved"),
    ],
)
def test_lists_are_part_of_a_claim(one: dict[str, Any], other: dict[str, Any], answer: str) -> None:
    """The same entries found at least as widely: true; an entry that only one side finds: false, with its number."""
    proof = two(one, other)[BLOCKS]
    assert proof.answer == answer
    if answer == "false":
        shown = proof.counterexample
        assert shown is not None
        assert (shown.hit, shown.confirmed) == ("terms[0], entry 1", True)
        assert shown.actions["a"] == "block" != shown.actions["b"]


def test_conditions_that_cannot_meet_do_not_break_a_claim() -> None:
    """Audience kids in the one and adults in the other never hold together; a function of CEL may, so it is said."""
    kids = {"if": "context.audience == 'kids'", "set": {"hate": {"flag": 0.3}}}
    adults = {"if": "context.audience == 'adults'", "set": {"hate": {"flag": 0.9}}}
    claim = "b flags or blocks everything that a flags"
    assert (
        two({"categories": HATE, "when": [kids]}, {"categories": HATE, "when": [kids, adults]})[claim].answer == "false"
    )
    strict = {"categories": {"hate": {"definition": "x", "flag": 0.9}}, "when": [kids]}
    assert two(strict, {"categories": HATE, "when": [kids, adults]})[claim].answer == "true"
    opaque = [
        {"if": "context.audience.startsWith('ki') && context.audience.endsWith('xx')", "set": {"hate": {"flag": 0.9}}}
    ]
    proof = two({"categories": HATE}, {"categories": HATE, "when": opaque})[claim]
    assert (proof.answer, proof.counterexample is not None) == ("unproved", True)
    assert "no event was found" in str(proof.because)


def test_a_laxer_fallback_and_other_words_are_said() -> None:
    """Step 7 is compared too, and a category that is scored by other words is named as an assumption."""
    other = {"categories": {"hate": {"definition": "y", "flag": 0.5}}, "otherwise": {"failed": "allow"}}
    proofs = two({"categories": HATE}, other)
    laxer = proofs["b is as strict as a with what cannot be judged"]
    assert (laxer.answer, laxer.because) == ("false", "otherwise.failed is allow and not flag")
    assert "hate differ in definition" in proofs[BLOCKS].assumes[0]


def test_the_shipped_childrens_policy_is_never_laxer_than_the_default() -> None:
    """The claim that a parent of a player would ask about, on the policies that ship."""
    found = gather(POLICIES, {})
    sides = [ready(found.resolved[name]) for name in ("default", "kids-game")]
    assert {proof.answer for proof in prove(*sides)} == {"true"}
