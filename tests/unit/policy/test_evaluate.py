"""Deciding in batches: equal to a plain reading of the semantics, on any tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.policy.building import findings, policy
from tests.unit.policy.recursive import RecursiveEvaluator
from worker.core.decisions import Action, Findings, Verdict
from worker.core.events import PART_TYPES
from worker.policy.compile import CompiledPolicy, decide_each
from worker.policy.evaluate import ALLOW

LEVELS = (0.0, 0.1, 0.25, 0.5, 0.7, 0.9, 1.0)  # few, so that scores often stand exactly at a threshold
level = st.sampled_from(LEVELS)
mode = st.sampled_from(["enforce", "shadow", "off"])
fields = st.fixed_dictionaries({}, optional={"flag": level, "block": level, "mode": mode})
overridden = st.dictionaries(st.sampled_from(["text", "image", "audio"]), fields, max_size=2)
node = st.fixed_dictionaries(
    {}, optional={"flag": level, "block": level, "mode": mode, "on": overridden, "rollup": st.booleans()}
)


def _with_children(children: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    family = st.dictionaries(st.sampled_from("abc"), children, max_size=3)
    return st.tuples(node, family).map(lambda pair: pair[0] | {"children": pair[1]})


tree = st.dictionaries(st.sampled_from("xyz"), st.recursive(node, _with_children, max_leaves=8), min_size=1, max_size=3)


def paths(children: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name, spec in children.items():
        found += [prefix + name, *paths(spec.get("children", {}), f"{prefix}{name}/")]
    return found


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], list[tuple[dict[str, Any], np.ndarray[Any, Any]]]]:
    """A policy with conditions on two attributes, and events with contexts and scores."""
    categories = draw(tree)
    known = paths(categories)
    setting = st.fixed_dictionaries({}, optional={"flag": level, "block": level, "mode": mode, "on": overridden})
    when = draw(
        st.lists(
            st.tuples(st.sampled_from(["p", "q"]), st.dictionaries(st.sampled_from(known), setting, max_size=3)),
            max_size=4,
        )
    )
    document = {
        "categories": categories,
        "when": [{"if": f"context.attributes.{name} == 1", "set": changed} for name, changed in when],
    }
    score = st.sampled_from([*LEVELS, float("nan")])
    row = st.lists(score, min_size=3 * len(known), max_size=3 * len(known))
    context = st.fixed_dictionaries({"p": st.integers(0, 1), "q": st.integers(0, 1)})
    events = draw(st.lists(st.tuples(context, row), min_size=1, max_size=5))
    shaped = [(attributes, np.array(row, np.float32).reshape(3, -1)) for attributes, row in events]
    return document, shaped


class Reference:
    """The semantics table read aloud, one node at a time."""

    def __init__(self, document: dict[str, Any], attributes: dict[str, Any], scores: np.ndarray[Any, Any]) -> None:
        self.order = paths(document["categories"])
        self.scores = scores
        self.nodes: dict[str, dict[str, Any]] = {}
        self._flatten(document["categories"], "")
        for when in document["when"]:
            if attributes[when["if"].split(".")[2].split()[0]] == 1:
                for path, changed in when["set"].items():
                    self._set(self.nodes[path], changed)

    def _flatten(self, children: Mapping[str, Any], prefix: str) -> None:
        for name, spec in children.items():
            on = {part: dict(override) for part, override in spec.get("on", {}).items()}
            self.nodes[prefix + name] = dict(spec) | {"on": on}
            self._flatten(spec.get("children", {}), f"{prefix}{name}/")

    def _set(self, spec: dict[str, Any], changed: Mapping[str, Any]) -> None:
        spec.update((name, value) for name, value in changed.items() if name != "on")
        for part, override in changed.get("on", {}).items():
            spec["on"].setdefault(part, {}).update(override)

    def effective(self, path: str, field: str, part: str) -> Any:
        line = ["/".join(path.split("/")[:end]) for end in range(path.count("/") + 1, 0, -1)]
        for ancestor in line:
            if field in self.nodes[ancestor]["on"].get(part, {}):
                return self.nodes[ancestor]["on"][part][field]
        for ancestor in line:
            if field in self.nodes[ancestor]:
                return self.nodes[ancestor][field]
        return "enforce" if field == "mode" else None

    def score(self, path: str, part: int) -> float:
        best = float(self.scores[part, self.order.index(path)])
        for child in self.order:
            if child.rpartition("/")[0] == path and self.nodes[child].get("rollup", True):
                if self.effective(child, "mode", PART_TYPES[part].label) != "enforce":
                    continue
                theirs = self.score(child, part)
                if not theirs <= best and theirs == theirs:
                    best = theirs
        return best

    def matched(self) -> dict[tuple[str, str], tuple[str, str, float]]:
        found = {}
        for path in self.order:
            for part in PART_TYPES:
                state = self.effective(path, "mode", part.label)
                score = np.float32(self.score(path, part))
                for action in ("block", "flag"):
                    threshold = self.effective(path, action, part.label)
                    if state != "off" and threshold is not None and score >= np.float32(threshold):
                        found[path, part.label] = (action, state, threshold)
                        break
        return found


def told(verdict: Verdict) -> dict[tuple[str, str], tuple[str, str, float | None]]:
    both = [(reason, "enforce") for reason in verdict.reasons] + [(reason, "shadow") for reason in verdict.shadow]
    return {(r.category, r.type): (r.action.label, state, r.threshold) for r, state in both}


def given_scores(attributes: dict[str, Any], scores: np.ndarray[Any, Any]) -> Findings:
    return Findings({"attributes": attributes}, frozenset({"text"}), scores=scores)


@settings(max_examples=150, deadline=None)
@given(cases())
def test_a_batch_is_decided_as_the_semantics_say(
    case: tuple[dict[str, Any], list[tuple[dict[str, Any], np.ndarray[Any, Any]]]],
) -> None:
    """Every matched node with its action and threshold, and the strictest as the verdict."""
    document, events = case
    compiled = policy(document)
    verdicts = compiled.decide([given_scores(*event) for event in events])
    for event, verdict in zip(events, verdicts, strict=True):
        expected = Reference(document, *event).matched()
        assert told(verdict) == expected
        acted = [Action.parse(action) for action, state, _ in expected.values() if state == "enforce"]
        assert verdict.action is max(acted, default=Action.ALLOW)


batches = st.lists(cases(), min_size=1, max_size=3)
Batch = list[tuple[dict[str, Any], list[tuple[dict[str, Any], np.ndarray[Any, Any]]]]]


def agree(batch: Batch) -> None:
    """The law of the next test, which the bench `ops/bench/policy.py` holds on many more cases."""
    pairs = [
        (compiled, given_scores(*event))
        for document, events in batch
        for compiled in [policy(document)]
        for event in events
    ]
    walked = RecursiveEvaluator()
    verdicts = decide_each([compiled for compiled, _ in pairs], [found for _, found in pairs])
    assert verdicts == [walked.decide(compiled, found) for compiled, found in pairs]


@settings(max_examples=100, deadline=None)
@given(batches)
def test_a_batch_over_several_policies_is_decided_as_by_recursion(batch: Batch) -> None:
    """Verdicts with all their reasons, in one comparison, equal a walk through each tree."""
    agree(batch)


@settings(max_examples=50, deadline=None)
@given(cases())
def test_neighbours_change_nothing(
    case: tuple[dict[str, Any], list[tuple[dict[str, Any], np.ndarray[Any, Any]]]],
) -> None:
    """I8: an event alone, in a batch, twice, or in another order has the same verdict."""
    document, events = case
    compiled, fresh = policy(document), policy(document)
    batch = [given_scores(*event) for event in events]
    assert compiled.decide(batch) == [fresh.decide([found])[0] for found in batch]
    assert compiled.decide(batch[::-1]) == compiled.decide(batch)[::-1]


@settings(max_examples=50, deadline=None)
@given(cases())
def test_the_giver_of_a_score_is_told(
    case: tuple[dict[str, Any], list[tuple[dict[str, Any], np.ndarray[Any, Any]]]],
) -> None:
    """`scored_by`, or the node itself, has that very score of its own."""
    document, events = case
    compiled = policy(document)
    for event, verdict in zip(events, compiled.decide([given_scores(*e) for e in events]), strict=True):
        for reason in (*verdict.reasons, *verdict.shadow):
            giver = compiled.categories.index(reason.scored_by or reason.category)
            part = next(part for part in PART_TYPES if part.label == reason.type)
            assert np.float32(reason.score) == event[1][part, giver]


def test_deciding_changes_no_score() -> None:
    """The decision publishes scores before roll-up, from the same array."""
    compiled = policy({"categories": {"a": {"flag": 0.5, "children": {"b": {}}}}})
    found = findings(compiled, {"a": 0.1, "a/b": 0.9})
    compiled.decide([found])
    assert found.scores is not None
    assert found.scores[0].tolist() == [np.float32(0.1), np.float32(0.9)]


def test_an_event_without_scores_or_hits_is_allowed_at_no_cost() -> None:
    """Words-only traffic: one verdict shared by all."""
    compiled = policy({"categories": {"a": {"flag": 0.0}}, "when": [{"if": "true", "set": {}}]})
    verdicts = compiled.decide([findings(compiled), findings(compiled)])
    assert all(verdict is ALLOW for verdict in verdicts)
    assert compiled.decide([]) == []


def test_a_policy_without_categories_allows() -> None:
    """Nothing to match: nothing matches."""
    compiled: CompiledPolicy = policy({})
    assert compiled.decide([findings(compiled, {})])[0].action is Action.ALLOW
