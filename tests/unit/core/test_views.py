"""Views: evidence is a place, and a derived text knows where each of its characters was seen or heard."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.core.decisions import Action
from worker.core.events import PartType
from worker.core.records import Route
from worker.core.views import Evidence, Segment, TextSource, empty_scores, widest


def test_unset_places_are_left_out() -> None:
    """A decision holds only the places that are known."""
    assert Evidence().as_json() == {}
    assert Evidence(span=(0, 4), t=(0.0, 1.5), frame=0).as_json() == {"span": [0, 4], "t": [0.0, 1.5], "frame": 0}


def test_a_derived_text_points_back_to_where_it_was_read() -> None:
    """The box of the segment that the characters touch, else the span alone."""
    source = TextSource(
        "parts/1/ocr",
        "stop right there",
        (PartType.IMAGE,),
        (Segment(0, 4, Evidence(box=(1, 2, 3, 4))), Segment(5, 16, Evidence(box=(5, 6, 7, 8)))),
    )
    assert source.evidence(5, 10) == Evidence((5, 10), box=(5, 6, 7, 8))
    assert source.evidence(4, 5) == Evidence((4, 5))


@given(st.integers(0, 100))
def test_what_was_never_scored_is_not_zero(categories: int) -> None:
    """NaN for every type and category, in float32."""
    scores = empty_scores(categories)
    assert scores.shape == (3, categories)
    assert scores.dtype == np.float32
    assert np.isnan(scores).all()


def test_a_joint_text_counts_for_all_its_sources() -> None:
    """Each type once, in the order of the rows."""
    sources = [
        TextSource("c", "", (PartType.AUDIO,)),
        TextSource("a", "", (PartType.TEXT,)),
        TextSource("b", "", (PartType.TEXT,)),
    ]
    assert widest(sources) == (PartType.TEXT, PartType.AUDIO)


def test_the_strictest_action_is_the_maximum() -> None:
    """Order of strictness, names and topics belong together."""
    assert max(Action.ALLOW, Action.BLOCK, Action.FLAG) is Action.BLOCK
    assert [(a.label, a.route) for a in Action] == [
        ("allow", Route.ALLOW),
        ("flag", Route.FLAG),
        ("block", Route.BLOCK),
    ]
    assert all(Action.parse(a.label) is a for a in Action)
