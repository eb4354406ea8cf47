"""Tuning: curves that can be counted by hand, three points, and a refusal where there is too little to tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.policy.building import policy
from tests.unit.policy.tools.test_retrial import TEXT_EVENT, stored
from worker.core.decisions import Findings
from worker.core.errors import ConfigError
from worker.core.views import Floats, empty_scores
from worker.policy.tools.labels import label_of, read_labels, unknown_categories
from worker.policy.tools.tune import Scored, Traffic, merge_patch, tune

CATEGORIES = ("a", "a/x", "b")
rows = st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=60, max_size=120)


def events(pairs: list[tuple[int, bool]]) -> tuple[dict[str, dict[str, bool]], Mapping[str, Floats]]:
    """Labels and scores of category a."""
    labels = {f"e{n}": {"a": label} for n, (_, label) in enumerate(pairs)}
    scores = {f"e{n}": np.array([score / 100, np.nan, np.nan], np.float32) for n, (score, _) in enumerate(pairs)}
    return labels, scores


@settings(max_examples=25, deadline=None)
@given(rows)
def test_every_threshold_is_counted(pairs: list[tuple[int, bool]]) -> None:
    """Precision and recall at each score that occurs, as one would count them."""
    (one,) = tune(CATEGORIES, *events(pairs), None)
    positives = sum(label for _, label in pairs)
    assert (one.positives, one.negatives) == (positives, len(pairs) - positives)
    if positives < 30 or positives == len(pairs):
        assert one.refused
        assert not one.curve
        return
    assert [point.threshold for point in one.curve] == sorted({score / 100 for score, _ in pairs})
    for point in one.curve:
        over = [label for score, label in pairs if score / 100 >= point.threshold]
        assert (point.precision.count, point.precision.of) == (sum(over), len(over))
        assert (point.recall.count, point.recall.of) == (sum(over), positives)


@settings(max_examples=25, deadline=None)
@given(rows)
def test_the_three_points_are_what_they_say(pairs: list[tuple[int, bool]]) -> None:
    """In order; the first finds enough; the second has the best F1; the third is precise, or says that none is."""
    (one,) = tune(CATEGORIES, *events(pairs), None, recall=0.8, precision=0.7)
    if one.refused:
        return
    low, middle, high = (one.points[name] for name in ("high_recall", "balanced", "high_precision"))
    assert low.threshold <= middle.threshold <= high.threshold
    assert low.recall.value >= 0.8
    assert middle.f1 == max(point.f1 for point in one.curve)
    assert one.reached["high_precision"] == (high.precision.value >= 0.7)


def test_too_few_positives_are_refused_with_the_reason() -> None:
    """29 say nothing, 30 do; without negatives everything would look precise."""
    few = events([(90, True)] * 29 + [(10, False)] * 50)
    (one,) = tune(CATEGORIES, *few, None)
    assert one.refused == "only 29 labelled as violating: at least 30 are needed"
    assert merge_patch([one]) == {}
    (other,) = tune(CATEGORIES, *events([(90, True)] * 30), None)
    assert "no negatives" in str(other.refused)
    unscored = events([(90, True)] * 40)
    nothing = {event: np.full(3, np.nan, np.float32) for event in unscored[1]}
    (third,) = tune(CATEGORIES, unscored[0], nothing, None)
    assert "40 labelled events have no score" in str(third.refused)


def test_the_patch_holds_nodes_where_they_stand() -> None:
    """A document that a child policy may hold: a path becomes `children`; no block where nothing is precise enough."""
    labels, scores = events([(90, True)] * 40 + [(50, False)] * 40 + [(10, False)] * 40)
    labels = {event: {"a/x": said["a"]} for event, said in labels.items()}
    scores = {event: row[[1, 0, 2]] for event, row in scores.items()}
    tuned = tune(CATEGORIES, labels, scores, None)
    assert merge_patch([one for one in tuned if one.category == "a/x"]) == {
        "categories": {"a": {"children": {"x": {"flag": 0.9}}}}
    }
    mixed = events([(90, True)] * 20 + [(60, True)] * 20 + [(60, False)] * 20 + [(10, False)] * 40)
    assert merge_patch(tune(CATEGORIES, *mixed, None)) == {"categories": {"a": {"flag": 0.6, "block": 0.9}}}
    noisy = events([(90, True)] * 40 + [(90, False)] * 40)
    assert merge_patch(tune(CATEGORIES, *noisy, None)) == {"categories": {"a": {"flag": 0.9}}}


def test_the_traffic_says_what_a_day_brings() -> None:
    """Decisions at or over a threshold, on an average day."""
    traffic = Traffic(1)
    days = [{"time": f"2026-11-{day}T00:00:00Z"} for day in (23, 23, 24, 24)]
    traffic.add(days, np.array([[0.1], [0.5], [0.9], [np.nan]], np.float32))
    assert [traffic.a_day(0, at) for at in (0.0, 0.1, 0.5, 0.5001, 1.0)] == [1.5, 1.5, 1.0, 0.5, 0.0]


def test_a_nodes_score_is_what_its_threshold_meets() -> None:
    """The highest over types and rolling children, as stored decisions have them."""
    tree = {
        "a": {"definition": "one", "children": {"x": {"definition": "x"}, "y": {"definition": "y", "rollup": False}}}
    }
    compiled = policy({"categories": tree})
    found = Findings({}, frozenset({"text"}), scores=empty_scores(3))
    assert found.scores is not None
    found.scores[0] = [0.2, 0.7, 0.9]
    body = json.dumps(stored(compiled, TEXT_EVENT, found)).encode() + b"\n"
    ((decisions, scores),) = Scored(compiled, {}).read([body])
    assert [said["event_id"] for said in decisions] == ["e"]
    assert scores.tolist() == [[np.float32(0.7), np.float32(0.7), np.float32(0.9)]]


def test_labels_are_read_from_events_too(tmp_path: Path) -> None:
    """`id` or `event_id`; a later line adds and wins; a child's 1 is its parents'."""
    path = tmp_path / "labels.jsonl"
    path.write_text(
        '{"event_id": "e1", "labels": {"a/x": 1}}\n\n'
        '{"id": "e2", "tenant": "t", "parts": [], "labels": {"a": 0}}\n{"id": "e2", "labels": {"b": true}}\n'
    )
    found = read_labels(path)
    assert found == {"e1": {"a/x": True}, "e2": {"a": False, "b": True}}
    assert [label_of(found["e1"], category) for category in ("a", "a/x", "b")] == [True, True, None]
    assert label_of({"a/x": False}, "a") is None  # another child may be violated
    assert unknown_categories(found, ["a", "a/x"]) == ["b"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "labels.jsonl:1: not JSON"),
        ("[]", "labels.jsonl:1: a line has `event_id`"),
        ('{"event_id": 3, "labels": {}}', "a line has `event_id`"),
        ('{"event_id": "e", "labels": {"a": 0.5}}', "labels.a: a label is 0 or 1"),
    ],
)
def test_a_bad_label_is_named(tmp_path: Path, line: str, says: str) -> None:
    """With file and line, and what is expected."""
    path = tmp_path / "labels.jsonl"
    path.write_text(line)
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")):
        read_labels(path)
