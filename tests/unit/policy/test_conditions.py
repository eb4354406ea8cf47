"""`when`: what conditions may read, how they fail, and what stands in the decision."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.policy.building import action, findings, policy
from worker.core.errors import PolicyRejected
from worker.policy import conditions


def with_when(condition: str, **setting: Any) -> dict[str, Any]:
    return {
        "categories": {"a": {"flag": 0.5, "block": 0.9}, "b": {}},
        "when": [{"if": condition, "set": {"a": setting or {"flag": 0.1}}}],
    }


@pytest.mark.parametrize(
    "condition",
    [
        "context.audience == 'kids'",
        "context.attributes.level < 5",
        "has(context.attributes.level) && context.attributes.level == 3",
        "context.region == null",
        "stream.id == null",
        "parts.exists(p, p == 'text')",
        "parts.size() == 1",
        "context.audience.startsWith('ki') || 'context.nothing' == context.channel",
    ],
)
def test_conditions_that_hold(condition: str) -> None:
    """Known fields are null when absent, own ones stand in `context.attributes`."""
    compiled = policy(with_when(condition))
    (verdict,) = compiled.decide(
        [findings(compiled, {"a": 0.2}, context={"audience": "kids", "attributes": {"level": 3}})]
    )
    assert (verdict.action.label, verdict.notes) == ("flag", ())


@pytest.mark.parametrize("condition", ["context.audience == 'kids'", "stream.final == true", "'image' in parts"])
def test_conditions_that_do_not_hold(condition: str) -> None:
    """An event without a context or a stream is not an error."""
    compiled = policy(with_when(condition))
    assert action(compiled, {"a": 0.2}) == "allow"


@pytest.mark.parametrize(
    "condition",
    [
        "context.attributes.level > 2",
        "context.audience > 3",
        "1 / (parts.size() - 1) == 1",
        "parts.size()",
        "9223372036854775807 + parts.size() > 0",
        "parts[7] == 'text'",
        "parts[0].matches('(')",
        "int(parts[0]) == 1",
        "parts.filter(p, 1 / 0 > 1).size() == 0",
    ],
)
def test_a_condition_that_fails_takes_its_stricter_side(condition: str) -> None:
    """Whether that is to hold or not to hold; the verdict says which condition it was."""
    tighter, looser = policy(with_when(condition, flag=0.1)), policy(with_when(condition, flag=0.8))
    (verdict,) = tighter.decide([findings(tighter, {"a": 0.2})])
    assert (verdict.action.label, verdict.notes) == ("flag", ("when[0] failed and took its stricter side",))
    assert action(looser, {"a": 0.6}) == "flag"


def test_the_stricter_side_is_taken_field_by_field() -> None:
    """A condition that tightens one field and loosens another fails to the strictest of each."""
    compiled = policy(with_when("context.attributes.x == 1", flag=0.1, block=0.99))
    assert [action(compiled, {"a": s}) for s in (0.2, 0.95)] == ["flag", "block"]


def test_a_failed_condition_never_turns_a_node_off() -> None:
    """No `mode` anywhere is `enforce`, which is stricter than the `off` that the condition would set."""
    whens = [{"if": "context.attributes.level > 3", "set": {"a": {"mode": "off"}}}]
    compiled = policy({"categories": {"a": {"flag": 0.5}}, "when": whens})
    assert action(compiled, {"a": 0.9}) == "flag"
    assert action(compiled, {"a": 0.9}, context={"attributes": {"level": 4}}) == "allow"


def test_the_stricter_side_of_an_inherited_field() -> None:
    """A failed condition that would loosen a child leaves it under what its parent gives it."""
    tree = {
        "categories": {"a": {"flag": 0.5, "children": {"b": {"rollup": False}}}},
        "when": [
            {"if": "context.attributes.x == 1", "set": {"a/b": {"flag": 0.4}}},
            {"if": "true", "set": {"a": {"flag": 0.1}}},
        ],
    }
    compiled = policy(tree)
    assert action(compiled, {"a/b": 0.2}) == "flag"
    assert action(compiled, {"a/b": 0.2}, context={"attributes": {"x": 1}}) == "allow"


def test_an_answer_is_kept_for_events_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the condition reads: another actor asks nothing anew, another audience does."""
    ran: list[Any] = []
    run = conditions._run

    def counted(program: Any, given: dict[str, Any]) -> conditions.Outcome:
        ran.append(given)
        return run(program, given)

    monkeypatch.setattr(conditions, "_run", counted)
    compiled = policy(with_when("context.audience == 'never seen before'"))
    for audience, actor in (("kids", "u-1"), ("kids", "u-2"), ("adults", "u-1"), ("kids", "u-3")):
        action(compiled, {"a": 0.2}, context={"audience": audience, "actor": actor})
    assert [given["context"]["audience"] for given in ran] == ["kids", "adults"]


def test_values_that_python_calls_equal_are_not_mixed_up() -> None:
    """The outcome cache tells true from 1, as CEL does."""
    compiled = policy(with_when("context.attributes.x == true"))
    assert action(compiled, {"a": 0.2}, context={"attributes": {"x": True}}) == "flag"
    assert action(compiled, {"a": 0.2}, context={"attributes": {"x": 1}}) != "block"
    (one,) = compiled.decide([findings(compiled, {"a": 0.2}, context={"attributes": {"x": 1}})])
    (again,) = policy(with_when("context.attributes.x == true")).decide(
        [findings(compiled, {"a": 0.2}, context={"attributes": {"x": 1}})]
    )
    assert one == again


def test_attributes_that_are_lists_can_be_read() -> None:
    """What cannot be cached is evaluated each time."""
    compiled = policy(with_when("'vip' in context.attributes.roles"))
    assert action(compiled, {"a": 0.2}, context={"attributes": {"roles": ["vip"]}}) == "flag"
    assert action(compiled, {"a": 0.2}, context={"attributes": {"roles": []}}) == "allow"


def test_identities_can_be_read() -> None:
    """A condition on the actor or the call is evaluated for each event."""
    compiled = policy(with_when("context.actor == 'u-1' || stream.id == 'call-9'"))
    assert action(compiled, {"a": 0.2}, context={"actor": "u-1"}) == "flag"
    assert action(compiled, {"a": 0.2}, context={"actor": "u-2"}) == "allow"
    assert action(compiled, {"a": 0.2}, stream={"id": "call-9"}) == "flag"


def test_a_policy_knows_what_its_conditions_read() -> None:
    """These fields stand in the decision, so that it can be taken again; a string is no field."""
    compiled = policy(with_when("context.audience == 'context.channel' && context.attributes.level > 1"))
    assert compiled.context_fields == ("attributes.level", "audience")


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("context.audience ==", "not a CEL condition"),
        ("context.audiense == 'x'", "did you mean `audience`"),
        ("context.level == 1", "own fields stand in context.attributes"),
        ("context['audience'] == 'x'", "write context.NAME"),
        ("size(context.attributes) > 0", "write context.attributes.NAME"),
        ("event.id == 'x'", "`event` is not known"),
        ("stream.nope == 1", "stream has no `nope`"),
    ],
)
def test_conditions_that_cannot_be_are_refused(condition: str, says: str) -> None:
    """With the line of the condition, when the policy is compiled and not when it runs."""
    with pytest.raises(PolicyRejected, match=r"when\[0\]\.if") as caught:
        policy(with_when(condition))
    assert says in caught.value.reason
    assert caught.value.line is not None
    assert caught.value.line > 5


def test_policies_with_the_same_conditions_share_them() -> None:
    """Compiled once for a thousand tenants; what they set is each policy's own."""
    one, other = (policy(with_when("context.audience == 'kids'", flag=flag)) for flag in (0.1, 0.3))
    assert one._conditions is other._conditions
    kids = {"audience": "kids"}
    assert [action(compiled, {"a": 0.2}, context=kids) for compiled in (one, other)] == ["flag", "allow"]
