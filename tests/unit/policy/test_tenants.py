"""tenants.json: who has which policy, and which is tried beside it on which events."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.errors import PolicyRejected
from worker.policy.tenants import falls_in_share, read_tenants

CANDIDATE = {"policy": "acme-next", "share": 0.1, "until": "2026-12-24T00:00:00Z"}


def read(value: object) -> str:
    """The policy of acme and its candidate, in words."""
    found = read_tenants(json.dumps({"*": "default", "acme": value}), "tenants.json")
    spec = found.candidates.get("acme")
    return found.policies["acme"] + (
        "" if spec is None else f", {spec.policy} on {spec.share} until {spec.until:%d %b}"
    )


def test_a_string_is_the_policy_alone() -> None:
    """As it was before there were candidates."""
    assert read("acme") == read({"policy": "acme"}) == "acme"


def test_an_object_may_name_a_candidate() -> None:
    """With its share, all when left out, and its end."""
    assert read({"policy": "acme", "candidate": CANDIDATE}) == "acme, acme-next on 0.1 until 24 Dec"
    without = {name: value for name, value in CANDIDATE.items() if name != "share"}
    assert read({"policy": "acme", "candidate": without}) == "acme, acme-next on 1.0 until 24 Dec"


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"share": 0}, "share"),
        ({"share": 1.5}, "share"),
        ({"share": "0.1"}, "share"),
        ({"until": "2026-12-24T00:00:00"}, "until"),
        ({"until": "soon"}, "until"),
        ({"until": None}, "until"),
        ({"policy": "a b"}, "policy"),
        ({"polcy": "x"}, "polcy"),
    ],
)
def test_a_mistake_is_named_with_its_place(changed: dict[str, object], where: str) -> None:
    """A bare time, a share of nothing, an unknown field."""
    with pytest.raises(PolicyRejected) as caught:
        read({"policy": "acme", "candidate": CANDIDATE | changed})
    assert caught.value.where == f"acme.candidate.{where}"


@given(st.text(max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_an_event_in_a_share_is_in_every_larger_one(event: str, one: float, other: float) -> None:
    """Raising the share keeps those that were tried already; all of it is everyone."""
    small, large = sorted((one, other))
    assert falls_in_share(event, large) or not falls_in_share(event, small)
    assert falls_in_share(event, 1.0)
    assert not falls_in_share(event, 0.0)


def test_a_share_is_about_that_share() -> None:
    """A tenth of ten thousand ids, within four standard deviations."""
    inside = sum(falls_in_share(f"event-{n}", 0.1) for n in range(10_000))
    assert abs(inside - 1_000) < 120
