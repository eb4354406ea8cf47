"""What an event said, read again: never what is restricted, and only ever the event that the decision is about."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.unit.policy.building import policy
from worker.core.records import Position, Record
from worker.originals import NotToBeHad, case_of, is_restricted, read_again

POLICY = policy({"categories": {"a": {"children": {"b": {"restricted": True}}}, "c": {}}})
DECISION = {"tenant": "acme", "event_id": "e-1"}
EVENT: dict[str, Any] = {"id": "e-1", "tenant": "acme", "parts": [{"type": "text", "text": "hello"}]}


def decided(**said: Any) -> dict[str, Any]:
    """A decision with these reasons and hits."""
    return {"reasons": [], "shadow": [], "hits": []} | said


@pytest.mark.parametrize(
    ("said", "restricted"),
    [
        ({}, False),
        ({"reasons": [{"category": "c"}]}, False),
        ({"reasons": [{"category": "a/b"}]}, True),
        ({"reasons": [{"category": "a", "scored_by": "a/b"}]}, True),
        ({"shadow": [{"category": "a/b"}]}, True),
        ({"hits": [{"category": "a/b"}]}, True),
        ({"reasons": [{"category": "gone-since"}]}, True),
    ],
)
def test_what_a_restricted_category_gave_is_shown_nowhere(said: dict[str, Any], restricted: bool) -> None:
    """By itself, through its parent, in shadow or by a list; and what the policy no longer has."""
    assert is_restricted(POLICY, decided(**said)) is restricted
    assert is_restricted(None, decided(**said))


def record(value: Any, **headers: str) -> Record:
    """At some place of the input topic."""
    raw = value if isinstance(value, bytes) or value is None else orjson.dumps(value)
    return Record(Position("events", 0, 3), None, raw, tuple((n, v.encode()) for n, v in headers.items()), 0)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (None, "gone from"),
        (record(None), "gone from"),
        (record(b"{"), "cannot be read"),
        (record(EVENT | {"id": "e-2"}), "another event"),
        (record(EVENT | {"tenant": "other"}), "another event"),
    ],
)
def test_only_the_event_itself_is_shown(found: Record | None, says: str) -> None:
    """A topic that was made anew has other events, and other tenants', at the same places."""
    with pytest.raises(NotToBeHad, match=says) as error:
        read_again(found, DECISION)
    assert error.value.code == "gone"


def test_content_that_is_the_record_itself_is_found() -> None:
    """CloudEvents in binary mode."""
    headers = {"ce_specversion": "1.0", "ce_id": "e-1", "ce_source": "s", "ce_type": "t", "ce_tenant": "acme"}
    event = read_again(record(b"\x89PNG", **headers, **{"content-type": "image/png"}), DECISION)
    assert (event.raw, event.body["parts"][0]["mime"]) == (b"\x89PNG", "image/png")


def test_a_case_leaves_out_who_wrote_it() -> None:
    """A policy's tests are read by many."""
    event = read_again(record(EVENT | {"context": {"actor": "u-17", "audience": "kids"}}), DECISION)
    case = case_of(event, "appeal d-1", "allow")
    assert case == {"name": "appeal d-1", "text": "hello", "expect": "allow", "context": {"audience": "kids"}}
    for parts in ([EVENT["parts"][0]] * 2, [{"type": "image", "data": ""}], [{"type": "text", "text": "x" * 4_001}]):
        with pytest.raises(NotToBeHad):
            case_of(read_again(record(EVENT | {"parts": parts}), DECISION), "n", "allow")
