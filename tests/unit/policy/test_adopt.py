"""Findings adopted by another policy of the same basis: as if it had looked itself."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.policy.building import policy
from tests.unit.policy.tools.test_retrial import documents, happenings, live
from worker.core.decisions import Action, Hit
from worker.core.events import Event, PartType
from worker.core.views import Evidence
from worker.policy.adopt import own_hits


@settings(max_examples=50, deadline=None)
@given(st.data(), documents(), happenings())
def test_what_is_adopted_is_what_it_would_have_found(
    data: st.DataObject, first: dict[str, Any], happened: tuple[Event, int]
) -> None:
    """Verdicts with all their places, also where its categories and lists stand in another order."""
    second = data.draw(documents(like=first))
    second["categories"] = dict(data.draw(st.permutations(list(second["categories"].items()))))
    second["terms"] = data.draw(st.permutations(second["terms"]))
    was, now = policy(first), policy(second)
    if was.basis.digest != now.basis.digest:
        return  # a condition's mode lets nodes be asked about that were off for good
    found, own = live(was, *happened), live(now, *happened)
    adopted = now.adopt(found, was.categories)
    assert now.decide([adopted]) == now.decide([own])
    assert adopted.hits == own.hits


def test_pictures_keep_the_order_of_the_lists() -> None:
    """Frames are places in one part: hits at them stand in the order of the lists."""
    trees = [{"words": ["x"], "category": "a", "action": action} for action in ("flag", "block")]
    trees[1]["words"] = ["y"]
    lists = policy({"categories": {"a": {}}, "terms": trees}).lists
    hits = [
        Hit(
            "d", "n", "b", Action.FLAG, PartType.IMAGE, f"parts/0/frame/{frame}", Evidence(frame=frame), lists[i].search
        )
        for frame, i in ((0, 1), (1, 0))
    ]
    assert [(hit.evidence.frame, hit.action) for hit in own_hits(hits, lists)] == [(1, Action.FLAG), (0, Action.BLOCK)]
    assert own_hits(hits, ()) == []
