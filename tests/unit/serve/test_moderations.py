"""OpenAI's request becomes events and decisions become OpenAI's results; what is neither is refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.types import ModerationCreateResponse

from worker.serve.moderations import THEIRS, events_of, parts_of, response_of
from worker.serve.problems import Refused

DECISION = {
    "id": "d-1",
    "action": "block",
    "types": ["image", "text"],
    "reasons": [{"category": "trade", "type": "text", "action": "block"}],
    "scores": {"hate": 0.2, "hate/threatening": 0.9},
    "scores_by_type": {"text": {"hate": 0.2, "hate/threatening": 0.9}, "image": {"hate": 0.1}},
    "policy": {"id": "default"},
    "degraded": [{"code": "image_truncated"}],
}


def events(asked: Any, *, remote: bool = False) -> list[dict[str, Any]]:
    found = events_of(parts_of({"input": asked}, most=4, remote=remote), request_id="r", tenant="acme")
    return [orjson.loads(one) for one in found]


def test_each_string_is_an_event_and_parts_are_one() -> None:
    """As OpenAI gives a result for each string, and one for a list of parts."""
    assert [one["id"] for one in events(["a", "b"])] == ["r-0", "r-1"]
    (one,) = events(
        [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUI="}}]
    )
    assert one["parts"] == [{"type": "text", "text": "a"}, {"type": "image", "data": "QUI="}]
    (plain,) = events([{"type": "image_url", "image_url": {"url": "data:image/png,AB%43"}}])
    assert plain["parts"][0]["data"] == "QUJD"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, "must be a string"),
        ([], "not empty"),
        (7, "must be a string"),
        (["a", {"type": "text", "text": "b"}], "mixes"),
        (["a"] * 5, "more than the 4"),
        ([{"type": "text"}], r"input\[0\] must be"),
        ([{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}], "fetches nothing"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64"}}], "no comma"),
    ],
)
def test_what_it_cannot_mean_is_refused(asked: Any, said: str) -> None:
    """With the place."""
    with pytest.raises(Refused, match=said) as caught:
        events(asked)
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "url", ["http://media.example/a.png", "file:///srv/media/a.png", "//media.example/a.png", "a.png"]
)
def test_only_https_addresses_are_fetched_where_any_are(url: str) -> None:
    """A file could be looked into without knowing it; http would show who is judged to everybody on the way."""
    with pytest.raises(Refused, match="only https") as caught:
        events([{"type": "image_url", "image_url": {"url": url}}], remote=True)
    assert (caught.value.status, caught.value.code) == (422, "url_not_fetched")


def test_a_result_says_what_acts_what_was_scored_and_in_what() -> None:
    """OpenAI's thirteen names are always there; a policy's own stand beside them."""
    said = response_of([DECISION], request_id="modr-1")
    parsed = ModerationCreateResponse.construct(**said)  # as its client does: a type too many is no error there
    assert parsed.results[0].flagged
    (result,) = said["results"]
    assert set(THEIRS) < set(result["categories"]) == set(result["category_scores"])
    assert [name for name, acts in result["categories"].items() if acts] == ["trade"]
    assert result["category_scores"]["hate/threatening"] == 0.9
    assert result["category_applied_input_types"]["hate"] == ["text", "image"]
    assert result["category_applied_input_types"]["trade"] == ["text"]
    assert result["category_applied_input_types"]["sexual"] == []
    assert result["tidegate"]["degraded"] == ["image_truncated"]
