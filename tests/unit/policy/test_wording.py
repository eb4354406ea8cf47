"""Mistakes in a policy are said in words that name what stands there and what may."""

from __future__ import annotations

from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.policy.building import policy
from worker.core.errors import PolicyRejected
from worker.policy.reading import read_policy
from worker.policy.tenants import read_tenants


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ({"mode": "enforced"}, "`enforced` is not enforce, shadow or off: did you mean `enforce`?"),
        ({"mode": 1}, "1 is not enforce, shadow or off"),
        ({"examples": {"violating": "he dies"}}, "a list is expected, in [ ]"),
        ({"examples": []}, "an object is expected, in { }"),
        ({"definition": 3}, "a text in quotes is expected"),
        ({"rollup": "no"}, "true or false is expected, without quotes"),
    ],
)
def test_a_wrong_value_is_said_with_what_may_stand_there(field: dict[str, object], says: str) -> None:
    """With the nearest of the values allowed; the path and the line come with it."""
    with pytest.raises(PolicyRejected) as caught:
        read_policy(orjson.dumps({"id": "a", "version": "1", "categories": {"hate": field}}), "a.json")
    assert caught.value.reason == says


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ({"flagg": 0.5}, "unknown field `flagg`: did you mean `flag`?"),
        ({"terms": []}, "unknown field `terms`: it stands at the top of the policy"),
        ({"words": ["x"]}, "unknown field `words`: it stands under `terms`"),
        ({"on": {"audio": {"severe": True}}}, "unknown field `severe`: it stands under `categories`"),
        ({"examples": {"positive": ["x"]}}, "unknown field `positive`: there are violating, allowed"),
        ({"colour": "red"}, "unknown field `colour`"),
    ],
)
def test_an_unknown_field_is_said_with_those_of_its_place(field: dict[str, object], says: str) -> None:
    """A field that exists elsewhere is no misspelling: `terms` in a category was "did you mean `terms`?"."""
    with pytest.raises(PolicyRejected) as caught:
        read_policy(orjson.dumps({"id": "a", "version": "1", "categories": {"hate": field}}), "a.json")
    assert caught.value.reason == says


@pytest.mark.parametrize(
    ("candidate", "says"),
    [
        ({"policy": "b", "share": 25, "until": "2026-12-24T00:00:00Z"}, "25 is more than 1"),
        ({"policy": "b", "share": 0.0, "until": "2026-12-24T00:00:00Z"}, "0.0 is not above 0"),
        ({"policy": "b", "until": "2026-12-24T00:00:00"}, "a time needs its zone, as in 2026-12-24T00:00:00Z"),
        ({"policy": "b", "until": "at Christmas"}, "a time is expected, as in 2026-12-24T00:00:00Z"),
        ({"policy": "b"}, "`until` is missing"),
    ],
)
def test_a_wrong_candidate_is_said_so(candidate: dict[str, object], says: str) -> None:
    """In tenants.json as in a policy."""
    with pytest.raises(PolicyRejected) as caught:
        read_tenants(orjson.dumps({"acme": {"policy": "a", "candidate": candidate}}).decode(), "tenants.json")
    assert caught.value.reason == says


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("context.audience = 'kids'", "write `==` for `=`"),
        ("context.audience === 'kids'", "write `==` for `===`"),
        ("context.audience is 'kids'", "write `==` for `is`"),
        ("context.audience <> 'kids'", "write `!=` for `<>`"),
        ("context.audience == 'kids' and stream.final", "write `&&` for `and`"),
        ("not stream.final", "write `!` for `not`"),
        ("context.audience == ‘kids’", "`‘` at character 21 is no quote of CEL: write '"),
        ("context.audience == 'kids", "a text that begins at character 21 does not end: close it with '"),
        ("stream.final || (stream.final", "a ) is missing at its end"),
        ("stream.final &&", "it ends too early"),
        (" ", "it is empty"),
        ("if stream.final", "it stops making sense at character 1, `if`"),
    ],
)
def test_a_condition_that_does_not_parse_says_what_to_write(condition: str, says: str) -> None:
    """Other languages' operators by name; otherwise the character at which it stops making sense."""
    with pytest.raises(PolicyRejected) as caught:
        read_condition(condition)
    assert caught.value.reason == f"not a CEL condition: {says}"


@given(st.text("ct'\"()=&<>! \n‘x1.", max_size=12))
def test_every_mistake_of_a_condition_can_be_said(condition: str) -> None:
    """Whatever is written: it is compiled, or refused in words."""
    with suppress(PolicyRejected):
        read_condition(condition)


def read_condition(condition: str) -> None:
    """Compile a policy with this one condition."""
    set_ = {"hate": {"flag": 0.1}}
    policy({"categories": {"hate": {"definition": "Hate", "flag": 0.5}}, "when": [{"if": condition, "set": set_}]})
