"""`calls`: inherited field by field, refused where two values make no sense together, and thresholds a margin lower."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.policy.building import findings, policy
from worker.core.decisions import Action
from worker.core.errors import PolicyRejected
from worker.core.streams import CallRules

ROOT: dict[str, Any] = {"id": "root", "calls": {"agree": 3, "of": 5, "escalate": 2}}


def test_what_is_left_out_has_its_default() -> None:
    """A policy that says nothing of calls watches them all the same."""
    assert policy({}).calls == CallRules()


def test_each_field_is_inherited_by_itself() -> None:
    """A child's value replaces, a null takes away, anything else stays."""
    child = policy(ROOT, {"id": "child", "extends": "root", "calls": {"of": 4, "escalate": None}})
    assert child.calls == CallRules(agree=3, of=4, escalate=None)


@pytest.mark.parametrize(
    ("calls", "where", "says"),
    [
        ({"agree": 5}, "calls.agree", "can never be"),
        ({"of": 1}, "calls.of", "can never be"),
        ({"hop_s": 4}, "calls.hop_s", "no whole number of hops"),
        ({"window_s": 2}, "calls.window_s", "no whole number of hops"),
    ],
)
def test_values_that_do_not_go_together_are_refused_where_they_stand(
    calls: dict[str, Any], where: str, says: str
) -> None:
    """Inherited values count too: the error names what the author wrote."""
    with pytest.raises(PolicyRejected, match=says) as refused:
        policy({"calls": calls})
    assert refused.value.where == where


def test_the_digest_tells_one_set_of_rules_from_another() -> None:
    """A decision made under other rules has another digest."""
    assert policy({"calls": {"agree": 1}}).digest != policy({}).digest


@given(
    threshold=st.integers(1, 100).map(lambda hundredths: hundredths / 100),
    margin=st.floats(0, 1, width=32),
    score=st.floats(0, 1, width=32),
)
def test_a_margin_lowers_a_threshold_by_at_most_half(threshold: float, margin: float, score: float) -> None:
    """What passes backs; what is under half of the threshold never does."""
    compiled = policy({"categories": {"a": {"flag": threshold}}, "calls": {"clear_margin": margin}})
    found = [findings(compiled, {"a": score})]
    (strict,), (lenient,) = compiled.decide(found), compiled.decide_below(found)
    if strict.action is Action.FLAG:
        assert lenient.action is Action.FLAG
    if score < threshold * 0.49:
        assert lenient.action is Action.ALLOW
