"""The tree of errors: each says what the loop does with it, and none carries content."""

from __future__ import annotations

import inspect

import pytest

from worker.core import errors
from worker.core.errors import Disposition, NotAnEvent, OverLimit, PartUnreadable, PolicyRejected, TidegateError

OURS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, TidegateError) and kind is not TidegateError
]


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_error_has_a_disposition(kind: type[TidegateError]) -> None:
    """The loop never meets an error of ours that it has no answer for."""
    assert isinstance(kind.disposition, Disposition)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_the_docstring_names_every_error_with_its_disposition(kind: type[TidegateError]) -> None:
    """The table at the top of the file is the truth."""
    row = next(line for line in (errors.__doc__ or "").splitlines() if f"+ {kind.__name__} " in line)
    assert row.split()[2] == kind.disposition.name


def test_every_disposition_is_used() -> None:
    """No answer without a question."""
    assert {kind.disposition for kind in OURS} == set(Disposition)


def test_an_error_message_is_its_reason() -> None:
    """What is printed is what stands in headers and decisions."""
    for kind in (NotAnEvent, PartUnreadable, OverLimit):
        error = kind("some_code", "the thing, the place: the remedy")
        assert (str(error), error.code, error.reason) == (error.reason, "some_code", "the thing, the place: the remedy")


def test_over_limit_is_decided_like_an_unreadable_part() -> None:
    """Who handles the one handles the other."""
    assert issubclass(OverLimit, PartUnreadable)
    assert OverLimit.disposition is Disposition.DEGRADE


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "is not a number"),
        ({"file": "acme.json"}, "acme.json: is not a number"),
        ({"file": "acme.json", "line": 7}, "acme.json:7: is not a number"),
        (
            {"file": "acme.json", "line": 7, "where": "categories.hate.flag"},
            "acme.json:7: categories.hate.flag: is not a number",
        ),
        ({"where": "categories.hate.flag"}, "categories.hate.flag: is not a number"),
    ],
)
def test_a_rejected_policy_names_file_line_and_path(fields: dict[str, object], message: str) -> None:
    """In the form that editors jump to."""
    error = PolicyRejected("is not a number", **fields)  # type: ignore[arg-type]
    assert str(error) == message
