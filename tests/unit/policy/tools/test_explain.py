"""An explanation says what the evaluator does, and its changes bring about what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.policy.building import POLICIES, PathsOnly, findings, policy, source
from tests.unit.policy.tools.trees import EXACT, GRID, LAW, documents
from worker.core.decisions import Action, Findings, Hit
from worker.core.events import PartType
from worker.core.views import Evidence, empty_scores
from worker.policy.compile import compile_policy
from worker.policy.conditions import compile_conditions
from worker.policy.resolve import resolve
from worker.policy.tools.explain import Explanation, explain
from worker.policy.tools.standing import Tree
from worker.policy.tools.stored import findings_of


def told(tree: dict[str, Any], found: Findings) -> Explanation:
    resolved = resolve(source(tree), {})
    compiled = compile_policy(resolved, POLICIES, PathsOnly())
    made = Tree(resolved)
    return explain(made, compile_conditions(made.whens, resolved), found, compiled.decide([found])[0])


@LAW
@given(documents("p", EXACT), st.data())
def test_an_explanation_agrees_with_the_evaluator(tree: dict[str, Any], data: st.DataObject) -> None:
    """The nodes that act, by which score and threshold from where, are the verdict's reasons, shadow ones included."""
    size = len(Tree(resolve(source(tree), {})).nodes)
    found = Findings({"audience": data.draw(st.sampled_from(("kids", "x")))}, frozenset({"text", "audio"}))
    found.scores = empty_scores(size)
    for part, column in np.ndindex(3, size):
        found.scores[part, column] = data.draw(st.sampled_from((np.nan, 0.1, *GRID)))
    why = told(tree, found)
    reasons = {
        (r.category, r.type, r.action, r.score, r.threshold_from, r.scored_by)
        for r in (*why.verdict.reasons, *why.verdict.shadow)
    }
    acting = {
        (n.path, n.type, n.action, n.rolled, n.block_from if n.action is Action.BLOCK else n.flag_from, n.scored_by)
        for n in why.nodes
        if n.action is not Action.ALLOW
    }
    assert {r[:5] for r in reasons} == {n[:5] for n in acting}


@LAW
@given(documents("p", EXACT), st.lists(st.sampled_from((0.1, 0.4, 0.7, 0.9)), min_size=14, max_size=14))
def test_the_nearest_stricter_score_is_stricter(tree: dict[str, Any], scores: list[float]) -> None:
    """Raising the score that is named to the value that is named gives that action, and nothing nearer does."""
    resolved = resolve(source(tree), {})
    compiled = compile_policy(resolved, POLICIES, PathsOnly())
    given_scores = dict(zip(compiled.categories, scores, strict=False))
    why = told(tree, findings(compiled, given_scores))
    for change in why.changes:
        if change.to <= why.verdict.action:
            continue
        (step,) = change.scores
        path, raised = step.partition(" (")[0], float(step.rpartition(" ")[2])
        assert compiled.decide([findings(compiled, given_scores | {path: raised})])[0].action >= change.to
        assert change.distance is not None
        for other, score in given_scores.items():
            nearer = float(np.float32(score + change.distance - 1e-4))
            if nearer > score:
                assert compiled.decide([findings(compiled, given_scores | {other: nearer})])[0].action < change.to


TREE = {
    "categories": {
        "hate": {
            "flag": 0.5,
            "block": 0.9,
            "definition": "x",
            "children": {"threatening": {"definition": "y", "block": 0.7}},
        }
    },
    "terms": [{"words": ["foo"], "category": "hate", "action": "block"}],
}


def test_it_names_thresholds_margins_and_what_to_change() -> None:
    """A score that rolled up from a child, the threshold's own policy, the margin, and both ways to another action."""
    why = told(TREE, findings(policy(TREE), {"hate": 0.2, "hate/threatening": 0.6}))
    hate, threatening = why.nodes
    assert (hate.rolled, hate.scored_by, hate.action) == (0.6, "hate/threatening", Action.FLAG)
    assert (threatening.flag, threatening.flag_from) == (0.5, "p:hate")
    assert hate.margin == pytest.approx(0.1)
    assert hate.raw == pytest.approx(np.log(0.2 / 0.8))
    allow, block = why.changes
    assert allow.scores == ("hate/threatening (text) down from 0.6 below 0.5",)
    assert allow.thresholds == ("flag of hate/threatening above 0.6", "flag of hate above 0.6")
    assert block.scores == ("hate/threatening (text) up from 0.6 to 0.7",)
    assert block.thresholds == ("block of hate/threatening (p:hate/threatening) down to 0.6",)
    assert block.distance == pytest.approx(0.1)


def test_a_hit_stands_in_the_way_of_a_laxer_action() -> None:
    """No change of a score undoes a list's block."""
    compiled = policy(TREE)
    listed = compiled.lists[0]
    hit = Hit(listed.digest, listed.name, "hate", Action.BLOCK, PartType.TEXT, "parts/0", Evidence())
    why = told(TREE, findings(compiled, {"hate": 0.1}, hits=[hit]))
    assert [(change.hits, change.distance) for change in why.changes] == [(("no hit of terms[0] in hate",), None)] * 2


def test_a_stored_decision_gives_its_findings_back() -> None:
    """Scores by type in the policy's columns; what the policy does not have is left out."""
    hit = {
        "list": "l",
        "list_digest": "sha256:0",
        "category": "gone",
        "action": "flag",
        "type": "text",
        "view": "parts/0",
    }
    decision = {
        "types": ["audio", "text"],
        "context": {"audience": "kids"},
        "scores": {"hate": 0.7, "gone": 0.9},
        "scores_by_type": {"text": {"hate": 0.2}, "audio": {"hate": 0.7, "gone": 0.9}},
        "reasons": [{"category": "hate", "type": "audio", "score": 0.7, "view": "parts/1", "model": "m"}],
        "hits": [hit, hit | {"category": "hate"}],
    }
    found = findings_of(decision, policy(TREE))
    assert found.scores is not None
    assert np.array_equal(
        found.scores, np.array([[0.2, np.nan], [np.nan] * 2, [0.7, np.nan]], np.float32), equal_nan=True
    )
    assert [h.category for h in found.hits] == ["hate"]
    assert found.sources[PartType.AUDIO, 0][:2] == ("parts/1", "m")
