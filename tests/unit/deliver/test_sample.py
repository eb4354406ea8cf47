"""Review samples: stable, nested, at the rate that the record says."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.decisions import Action
from worker.core.records import Outgoing, Position, Route
from worker.deliver.sample import ReviewSample, ReviewSettings, place_of

rates = st.floats(0, 1)
DECISION = Outgoing(Route.FLAG, b"k", b'{"id":"d-1"}', (("action", b"flag"),), Position("events", 3, 7))


def sample(**changes: float) -> ReviewSample:
    return ReviewSample(ReviewSettings.model_validate({"allow": 0, "flag": 0, "block": 0, "demoted": 0} | changes))


@given(st.text(max_size=40), rates, rates)
def test_a_higher_rate_draws_all_that_a_lower_one_did(decision_id: str, one: float, other: float) -> None:
    """And the same rate always draws the same: repeats and other workers agree."""
    low, high = sorted((one, other))
    drawn = [sample(flag=rate).draw(decision_id, DECISION, Action.FLAG) is not None for rate in (low, low, high)]
    assert drawn[0] == drawn[1]
    assert drawn[2] or not drawn[0]


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.5])
def test_the_share_drawn_is_the_probability_in_the_record(rate: float) -> None:
    """Within four standard errors over 20,000 ids, so that 1 / p weighs a sample rightly."""
    many = 20_000
    drawn = [one for i in range(many) if (one := sample(allow=rate).draw(f"d-{i}", DECISION, Action.ALLOW)) is not None]
    assert abs(len(drawn) / many - rate) <= 4 * (rate * (1 - rate) / many) ** 0.5
    assert {orjson.loads(one.value or b"")["review"]["probability"] for one in drawn} == {rate}


def test_a_sample_is_the_decision_and_its_probability() -> None:
    """Key, headers and place of the decision, on the route of reviews."""
    drawn = sample(flag=1).draw("d-1", DECISION, Action.FLAG)
    assert drawn is not None
    assert drawn._replace(value=b"") == DECISION._replace(route=Route.REVIEW, value=b"")
    assert orjson.loads(drawn.value or b"") == {"id": "d-1", "review": {"probability": 1.0}}


@given(st.text(max_size=40))
def test_nothing_is_drawn_at_rate_0_and_all_at_1(decision_id: str) -> None:
    """The ends hold exactly."""
    assert 0 <= place_of(decision_id) < 1
    assert sample().draw(decision_id, DECISION, Action.BLOCK, demoted=True) is None
    assert sample(block=1).draw(decision_id, DECISION, Action.BLOCK) is not None


def test_what_the_breaker_demoted_has_a_rate_of_its_own() -> None:
    """The probability said is the one used: the larger of the two rates."""
    one = sample(flag=0.25, demoted=1)
    assert (one.probability(Action.FLAG, demoted=True), one.probability(Action.FLAG, demoted=False)) == (1, 0.25)
