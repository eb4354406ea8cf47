"""What reviewers said of decisions, as labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.unit.store.decisions import decision
from worker.core.schema_people import ReviewDocument
from worker.store.appeals import Joined
from worker.store.row import Row, found_in
from worker.store.verdicts import reviewed

BOTH = [{"category": name, "type": "text", "action": "flag"} for name in ("hate/threatening", "sexual")]
ALLOWED, FLAGGED = 0, 1


def said(number: int, *verdicts: tuple[str, str | None], **more: Any) -> Iterator[Joined]:
    """Verdicts of as many reviewers on one decision."""
    found = found_in(orjson.dumps(decision(number, **more)))
    assert found is not None
    for reviewer, (action, category) in enumerate(verdicts):
        named = {
            "decision": found.id,
            "tenant": found.tenant,
            "time": "2026-11-25T10:00:00Z",
            "reviewer": f"r-{reviewer}",
        }
        document = ReviewDocument.model_validate(named | {"action": action, "category": category})
        yield Joined(Row(1, 1, *found, b""), document)


@pytest.mark.parametrize(
    ("number", "verdicts", "labels"),
    [
        (FLAGGED, [("allow", None)], {"hate": False, "hate/threatening": False}),
        (FLAGGED, [("block", "sexual/minors")], {"sexual": True, "sexual/minors": True}),
        (FLAGGED, [("block", None)], {"hate": True, "hate/threatening": True}),  # the only category that acted
        (ALLOWED, [("flag", "hate")], {"hate": True}),  # its child was not named, so nobody knows
        (ALLOWED, [("flag", None)], None),
        (FLAGGED, [("allow", None), ("flag", "hate")], {"hate/threatening": False}),  # a tie says nothing
        (FLAGGED, [("allow", None), ("flag", "hate"), ("flag", "hate")], {"hate": True, "hate/threatening": False}),
    ],
)
def test_verdicts_label_what_they_speak_of(
    number: int, verdicts: list[tuple[str, str | None]], labels: dict[str, bool] | None
) -> None:
    """By the majority, category by category; what nobody spoke of has no label."""
    found = reviewed(said(number, *verdicts))
    assert found.labels == ({} if labels is None else {f"d-acme-{number}": labels})
    assert len(found.lines) == len(found.labels)


def test_one_that_names_no_category_where_two_acted_is_counted_as_left_out() -> None:
    """It says that the event violates something, and not what."""
    found = reviewed(said(FLAGGED, ("flag", None), reasons=BOTH))
    assert (found.labels, found.acted, found.left_out.total()) == ({}, 0, 1)
