"""Golden cases for each line of the policy semantics (docs: the semantics table), and for lines that meet."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.unit.policy.building import action, findings, policy
from worker.core.decisions import Action, Hit
from worker.core.events import PartType
from worker.core.views import Evidence

TREE: dict[str, Any] = {
    "categories": {
        "hate": {
            "flag": 0.5,
            "block": 0.9,
            "children": {"threatening": {"flag": 0.4, "block": 0.7}, "mocking": {}},
        },
        "sexual": {"flag": 0.6},
    }
}


def hit(category: str, act: Action = Action.FLAG, part: PartType = PartType.TEXT) -> Hit:
    return Hit("sha256:0", "lists/x.txt", category, act, part, "parts/0", Evidence((0, 3)))


def test_extends_merges_by_path() -> None:
    """Step 1: a child names one field deep in the tree and keeps everything else of its parent."""
    child = {"id": "c", "extends": "p", "categories": {"hate": {"children": {"threatening": {"block": 0.99}}}}}
    compiled = policy(TREE, child)
    assert compiled.categories == ("hate", "hate/threatening", "hate/mocking", "sexual")
    assert action(compiled, {"hate/threatening": 0.8}) == "flag"
    assert action(compiled, {"hate": 0.9}) == "block"


def test_extends_replaces_lists_whole() -> None:
    """Step 1: a list in the child document replaces the parent's."""
    parent = TREE | {"terms": [{"words": ["foo"], "category": "sexual", "action": "flag"}]}
    child = {"id": "c", "extends": "p", "terms": [{"words": ["bar"], "category": "sexual", "action": "block"}]}
    assert [listed.entries for listed in policy(parent, child).lists] == [("bar",)]  # type: ignore[union-attr]


def test_a_null_removes_what_the_parent_has() -> None:
    """Step 1: null takes away a field, or a whole category with its children."""
    child = {"id": "c", "extends": "p", "categories": {"hate": {"block": None}, "sexual": None}}
    compiled = policy(TREE, child)
    assert compiled.categories == ("hate", "hate/threatening", "hate/mocking")
    assert action(compiled, {"hate": 1.0}) == "flag"


def test_extends_runs_over_several_generations() -> None:
    """Step 1: the nearest document wins, and a threshold says which document it stands in."""
    child = {"id": "c", "extends": "p", "categories": {"sexual": {"flag": 0.3}}}
    grandchild = {"id": "g", "extends": "c", "categories": {"hate": {"flag": 0.2}}}
    compiled = policy(TREE, child, grandchild)
    (verdict,) = compiled.decide([findings(compiled, {"hate": 0.25, "sexual": 0.35, "hate/threatening": 0.75})])
    assert {(r.category, r.threshold_from) for r in verdict.reasons} == {
        ("hate", "g:hate"),
        ("sexual", "c:sexual"),
        ("hate/threatening", "p:hate/threatening"),
    }


def test_a_true_condition_changes_only_the_fields_it_names() -> None:
    """Step 2: `set` lowers flag, block stays."""
    compiled = policy(TREE | {"when": [{"if": "context.audience == 'kids'", "set": {"hate": {"flag": 0.1}}}]})
    assert action(compiled, {"hate": 0.2}) == "allow"
    assert action(compiled, {"hate": 0.2}, context={"audience": "kids"}) == "flag"
    assert action(compiled, {"hate": 0.9}, context={"audience": "kids"}) == "block"


def test_the_later_condition_wins() -> None:
    """Step 2: conditions hold in document order."""
    when = [
        {"if": "context.audience == 'kids'", "set": {"sexual": {"flag": 0.1}}},
        {"if": "context.channel == 'clinic'", "set": {"sexual": {"flag": 0.8}}},
    ]
    compiled = policy(TREE | {"when": when})
    assert action(compiled, {"sexual": 0.5}, context={"audience": "kids"}) == "flag"
    assert action(compiled, {"sexual": 0.5}, context={"audience": "kids", "channel": "clinic"}) == "allow"


def test_fields_are_inherited_each_by_itself() -> None:
    """Step 3: a child with its own flag still has its parent's block."""
    compiled = policy(
        {"categories": {"a": {"flag": 0.5, "block": 0.9, "children": {"b": {"flag": 0.2, "rollup": False}}}}}
    )
    (verdict,) = compiled.decide([findings(compiled, {"a/b": 0.95})])
    assert (verdict.action, verdict.reasons[0].threshold_from) == (Action.BLOCK, "p:a")
    assert action(compiled, {"a/b": 0.3}) == "flag"


def test_mode_is_inherited() -> None:
    """Step 3: a shadow parent makes its children shadow, unless they say otherwise."""
    tree = {"a": {"mode": "shadow", "flag": 0.5, "children": {"b": {}, "c": {"mode": "enforce"}}}}
    compiled = policy({"categories": tree})
    (verdict,) = compiled.decide([findings(compiled, {"a/b": 0.6})])
    assert verdict.action is Action.ALLOW
    assert [r.category for r in verdict.shadow] == ["a/b"]
    assert action(compiled, {"a/c": 0.6}) == "flag"


def test_a_condition_is_inherited_like_a_written_field() -> None:
    """Steps 2 and 3: what a condition sets on a parent holds for children without their own."""
    compiled = policy(TREE | {"when": [{"if": "'text' in parts", "set": {"hate": {"flag": 0.05}}}]})
    (verdict,) = compiled.decide([findings(compiled, {"hate/mocking": 0.1})])
    assert verdict.reasons[0].category == "hate/mocking"
    assert verdict.reasons[0].threshold_from == "p:when[0].hate"
    assert action(compiled, {"hate/threatening": 0.3}) == "flag", "through roll-up, not through its own flag"


def test_on_overrides_one_type_of_part() -> None:
    """Step 4: audio needs more certainty; text does not."""
    compiled = policy({"categories": {"a": {"flag": 0.5, "on": {"audio": {"flag": 0.8}}}}})
    assert action(compiled, {"a": 0.6}) == "flag"
    assert action(compiled, {"a": 0.6}, part=PartType.AUDIO) == "allow"


def test_on_is_inherited_and_stands_over_a_plain_field() -> None:
    """Steps 3 and 4: an override is inherited like a field, and overrides the child's plain one."""
    tree = {"a": {"flag": 0.5, "on": {"image": {"flag": 0.8}}, "children": {"b": {"flag": 0.2, "rollup": False}}}}
    compiled = policy({"categories": tree})
    (verdict,) = compiled.decide([findings(compiled, {"a/b": 0.85}, part=PartType.IMAGE)])
    assert verdict.reasons[0].threshold_from == "p:a.on.image"
    assert action(compiled, {"a/b": 0.3}) == "flag"
    assert action(compiled, {"a/b": 0.3}, part=PartType.IMAGE) == "allow"


def test_a_condition_sets_an_override() -> None:
    """Steps 2 and 4: `set` may name a type of part; other types keep theirs."""
    when = [{"if": "context.region == 'DE'", "set": {"sexual": {"on": {"image": {"flag": 0.1}}}}}]
    compiled = policy(TREE | {"when": when})
    german = {"region": "DE"}
    assert action(compiled, {"sexual": 0.2}, part=PartType.IMAGE, context=german) == "flag"
    assert action(compiled, {"sexual": 0.2}, context=german) == "allow"


def test_a_plain_field_set_by_a_condition_does_not_undo_an_override() -> None:
    """Steps 2 and 4: `set` changes only the fields that it names."""
    tree = {"a": {"flag": 0.5, "on": {"audio": {"flag": 0.8}}}}
    compiled = policy({"categories": tree, "when": [{"if": "true", "set": {"a": {"flag": 0.1}}}]})
    assert action(compiled, {"a": 0.2}) == "flag"
    assert action(compiled, {"a": 0.2}, part=PartType.AUDIO) == "allow"


def test_a_parent_has_at_least_its_childrens_score() -> None:
    """Step 5: roll-up tightens the parent, and the reason says whose score it was."""
    compiled = policy({"categories": {"a": {"flag": 0.5, "children": {"b": {"flag": 0.9}}}}})
    (verdict,) = compiled.decide([findings(compiled, {"a": 0.1, "a/b": 0.6})])
    (reason,) = verdict.reasons
    assert (reason.category, reason.scored_by, reason.score) == ("a", "a/b", 0.6)
    assert (reason.view, reason.model, reason.evidence) == ("parts/0/a/b", "model", Evidence((0, 2)))


def test_roll_up_only_tightens() -> None:
    """Step 5: a low child never lowers its parent."""
    compiled = policy(TREE)
    assert action(compiled, {"hate": 0.6, "hate/threatening": 0.0}) == "flag"


def test_a_child_can_stay_out_of_its_parent() -> None:
    """Step 5: `"rollup": false`."""
    tree = {"a": {"flag": 0.5, "children": {"b": {"flag": 0.9, "rollup": False}}}}
    assert action(policy({"categories": tree}), {"a/b": 0.6}) == "allow"


def test_off_and_shadow_nodes_do_not_roll_up() -> None:
    """Step 5: nor does anything below them through them."""
    for mode in ("off", "shadow"):
        tree = {
            "a": {
                "flag": 0.5,
                "children": {"b": {"mode": mode, "children": {"c": {"mode": "enforce", "flag": 0.99}}}},
            }
        }
        compiled = policy({"categories": tree})
        assert action(compiled, {"a/b": 0.6}) == "allow", mode
        assert action(compiled, {"a/b/c": 0.6}) == "allow", mode


def test_types_do_not_mix_in_roll_up() -> None:
    """Steps 4 and 5: a mode for one type keeps only that type from rolling up."""
    tree = {"a": {"flag": 0.5, "children": {"b": {"flag": 0.9, "on": {"audio": {"mode": "off"}}}}}}
    compiled = policy({"categories": tree})
    assert action(compiled, {"a/b": 0.6}) == "flag"
    assert action(compiled, {"a/b": 0.6}, part=PartType.AUDIO) == "allow"


def test_at_a_threshold_is_over_it() -> None:
    """Step 6: at or over block is block, at or over flag is flag."""
    compiled = policy(TREE)
    assert [action(compiled, {"hate": s}) for s in (0.49, 0.5, 0.89, 0.9)] == ["allow", "flag", "flag", "block"]


def test_thresholds_and_scores_are_compared_as_float32() -> None:
    """Step 6: a float32 0.7 meets a threshold written 0.7, which as float64 it would not."""
    compiled = policy({"categories": {"a": {"flag": 0.7}}})
    assert float(np.float32(0.7)) < 0.7
    (verdict,) = compiled.decide([findings(compiled, {"a": 0.7})])
    assert (verdict.action, verdict.reasons[0].threshold, verdict.reasons[0].score) == (Action.FLAG, 0.7, 0.7)


def test_a_score_that_is_not_there_matches_nothing() -> None:
    """Step 6: NaN is "never scored": not even a threshold of 0 matches it."""
    compiled = policy({"categories": {"a": {"block": 0.0}, "b": {"flag": 0.5}}})
    assert action(compiled, {"b": 0.1}) == "allow"
    assert action(compiled, {"a": 0.0}) == "block"


def test_a_hit_has_the_action_of_its_list() -> None:
    """Step 6: whatever the thresholds are, and without a score."""
    compiled = policy(TREE)
    (verdict,) = compiled.decide([findings(compiled, hits=[hit("sexual", Action.BLOCK)])])
    assert verdict.action is Action.BLOCK
    assert (verdict.reasons[0].list, verdict.reasons[0].score) == ("lists/x.txt", None)


def test_hits_follow_the_mode_of_their_category() -> None:
    """Steps 3 and 6: off is ignored, shadow is recorded."""
    compiled = policy({"categories": {"a": {"mode": "off"}, "b": {"mode": "shadow"}}})
    off, shadow = compiled.decide([findings(compiled, hits=[hit("a")]), findings(compiled, hits=[hit("b")])])
    assert (off.action, off.reasons, off.shadow) == (Action.ALLOW, (), ())
    assert (shadow.action, shadow.reasons, [r.list for r in shadow.shadow]) == (Action.ALLOW, (), ["lists/x.txt"])


def test_a_condition_can_switch_a_category_on() -> None:
    """Steps 2 and 6: an off category that a condition enforces counts hits and scores."""
    tree = {"categories": {"a": {"mode": "off", "flag": 0.5}}}
    compiled = policy(tree | {"when": [{"if": "context.audience == 'kids'", "set": {"a": {"mode": "enforce"}}}]})
    plain, kids = compiled.decide(
        [findings(compiled, {"a": 0.6}, hits=[hit("a")], context=c) for c in ({}, {"audience": "kids"})]
    )
    assert (plain.action, kids.action, len(kids.reasons)) == (Action.ALLOW, Action.FLAG, 2)


def test_the_strictest_counts_and_stands_first() -> None:
    """Step 6: all that matched is told, the strictest and the most direct first."""
    compiled = policy(TREE)
    (verdict,) = compiled.decide(
        [findings(compiled, {"hate": 0.1, "hate/threatening": 0.75, "sexual": 0.7}, hits=[hit("sexual")])]
    )
    assert verdict.action is Action.BLOCK
    assert [(r.category, r.action.label, r.scored_by) for r in verdict.reasons] == [
        ("hate/threatening", "block", None),
        ("sexual", "flag", None),
        ("sexual", "flag", None),
        ("hate", "flag", "hate/threatening"),
    ]


def test_a_shadow_node_never_changes_the_action() -> None:
    """Steps 3 and 6: what it would have done stands beside the verdict."""
    compiled = policy({"categories": {"a": {"mode": "shadow", "block": 0.1}, "b": {"flag": 0.5}}})
    (verdict,) = compiled.decide([findings(compiled, {"a": 0.9, "b": 0.6})])
    assert (verdict.action, [r.category for r in verdict.reasons]) == (Action.FLAG, ["b"])
    assert [(r.category, r.action) for r in verdict.shadow] == [("a", Action.BLOCK)]


def test_otherwise_says_what_decides_the_rest() -> None:
    """Step 7: the policy's own fallbacks, defaults where it has none."""
    compiled = policy(TREE | {"otherwise": {"failed": "block"}})
    assert [compiled.otherwise(rule) for rule in ("failed", "too_long", "late", "language")] == [
        "block",
        "flag",
        "score",
        "score",
    ]


def test_severe_and_restricted_hold_for_children() -> None:
    """A child of a restricted category is restricted unless it says that it is not."""
    tree = {"a": {"restricted": True, "severe": True, "children": {"b": {}, "c": {"severe": False}}}, "d": {}}
    compiled = policy({"categories": tree})
    assert compiled.restricted == {"a", "a/b", "a/c"}
    assert compiled.severe == {"a", "a/b"}
