"""Operating points: where they may stand, which number they become, and what the reason says."""

from __future__ import annotations

import pytest

from tests.unit.policy.building import action, findings, policy
from worker.core.events import PartType

# The made-up calibration: 0.1, 0.2, 0.3 for texts, 0.05 more for pictures, 0.1 more for sound.


def test_a_point_becomes_the_number_of_its_category_and_type() -> None:
    """The reason shows the number, the point and where it stands."""
    compiled = policy({"categories": {"a": {"definition": "x", "flag": "balanced", "block": "high_precision"}}})
    assert [action(compiled, {"a": s}) for s in (0.19, 0.2, 0.3)] == ["allow", "flag", "block"]
    assert [action(compiled, {"a": s}, part=PartType.IMAGE) for s in (0.24, 0.25, 0.35)] == ["allow", "flag", "block"]
    (verdict,) = compiled.decide([findings(compiled, {"a": 0.25}, part=PartType.IMAGE)])
    (reason,) = verdict.reasons
    assert (reason.threshold, reason.point, reason.threshold_from) == (0.25, "balanced", "p:a")


def test_a_plain_number_has_no_point() -> None:
    """Beside one that has."""
    compiled = policy({"categories": {"a": {"definition": "x", "flag": "high_recall", "block": 0.5}}})
    (verdict,) = compiled.decide([findings(compiled, {"a": 0.6})])
    assert (verdict.reasons[0].point, verdict.reasons[0].threshold) == (None, 0.5)


def test_a_point_is_inherited_as_a_point() -> None:
    """Each node turns it into its own number; one that no model scores never reaches it, whatever rolls up into it."""
    tree = {"a": {"flag": "balanced", "children": {"b": {"definition": "x"}, "c": {}}}}
    compiled = policy({"categories": tree})
    (verdict,) = compiled.decide([findings(compiled, {"a/b": 0.2, "a/c": 0.9})])
    assert [(r.category, r.threshold, r.threshold_from) for r in verdict.reasons] == [("a/b", 0.2, "p:a")]


@pytest.mark.parametrize("audience", ["kids", None])
def test_points_stand_in_on_and_in_when(audience: str | None) -> None:
    """Wherever a threshold may stand."""
    tree = {
        "categories": {"a": {"definition": "x", "flag": 0.9, "on": {"audio": {"flag": "high_precision"}}}},
        "when": [{"if": "context.audience == 'kids'", "set": {"a": {"flag": "high_recall"}}}],
    }
    compiled, context = policy(tree), {"audience": audience}
    assert action(compiled, {"a": 0.1}, context=context) == ("flag" if audience else "allow")
    assert action(compiled, {"a": 0.4}, part=PartType.AUDIO, context=context) == "flag"
    assert action(compiled, {"a": 0.39}, part=PartType.AUDIO, context=context) == "allow"


def test_the_stricter_side_of_a_failed_condition_is_taken_in_numbers() -> None:
    """A point and a number are compared as the numbers they are at the node."""
    when = [{"if": "context.attributes.x == 1", "set": {"a": {"flag": "high_recall"}}}]
    looser = policy({"categories": {"a": {"definition": "x", "flag": 0.5}}, "when": when})
    assert action(looser, {"a": 0.1}) == "flag"
    stricter = policy({"categories": {"a": {"definition": "x", "flag": 0.05}}, "when": when})
    assert [action(stricter, {"a": s}) for s in (0.06, 0.04)] == ["flag", "allow"]


def test_points_are_asked_for_only_where_they_stand() -> None:
    """A policy of plain numbers needs no calibration."""
    without, with_points = (
        policy({"categories": {"a": {"flag": 0.5}}}),
        policy({"categories": {"a": {"flag": "balanced"}}}),
    )
    assert (without._points is None, with_points._points is None) == (True, False)
