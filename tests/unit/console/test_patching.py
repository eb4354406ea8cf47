"""A policy file under changed thresholds: what was not touched stays as its author wrote it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.console.patching import merged, next_version, patch_of, patched, thresholds_in
from worker.core.errors import PolicyRejected
from worker.policy.reading import read_policy

TEXT = """{"id": "acme", "version": "1",
  "categories": {
    "hate":   {"flag": 0.5,   "block": 0.9,
               "children": {"threatening": {"flag": 0.4}}}}}
"""
numbers = st.floats(0, 1, allow_nan=False).map(lambda x: round(x, 3))
paths = st.sampled_from(["hate", "hate/threatening", "spam", "spam/links", "spam/links/paid"])
changes = st.dictionaries(
    paths, st.dictionaries(st.sampled_from(["flag", "block"]), st.none() | numbers, min_size=1), max_size=4
)


def test_a_value_that_stands_there_is_replaced_in_place() -> None:
    """Layout and order stay."""
    source = read_policy(TEXT.encode(), "acme.json")
    text = patched(source, patch_of({"hate": {"flag": 0.35}, "hate/threatening": {"flag": 0.3}}))
    assert text == TEXT.replace("0.5,", "0.35,").replace("0.4", "0.3")


@given(changes)
def test_the_text_says_what_the_merge_patch_says(thresholds: dict[str, dict[str, float | None]]) -> None:
    """Whether it was edited in place or written anew."""
    source = read_policy(TEXT.encode(), "acme.json")
    patch = patch_of(thresholds)
    assert json.loads(patched(source, patch)) == merged(source.tree, patch)


@pytest.mark.parametrize(
    "said", [[], {"hate": 1}, {"hate": {"mode": "off"}}, {"hate": {"flag": 2}}, {"hate": {"flag": True}}, {"": {}}]
)
def test_only_thresholds_are_taken_from_a_page(said: object) -> None:
    """Numbers from 0 to 1, or null to take one out."""
    with pytest.raises(PolicyRejected, match="thresholds"):
        thresholds_in(said)


def test_versions_count_up_within_a_day() -> None:
    """And begin anew with each day, whatever stood before."""
    now = datetime(2026, 11, 26, 3, tzinfo=UTC)
    assert next_version("2026-11-26.4", now) == "2026-11-26.5"
    assert next_version("2026-11-25.4", now) == next_version("final-v2", now) == "2026-11-26.1"
