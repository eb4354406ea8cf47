"""Step 7: the breaker and the caps only make a block a flag, never for a list or a severe category, and say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.deliver.test_decision import Rules, event, findings
from worker.core.clock import FakeClock
from worker.core.decisions import Action, Reason, Verdict
from worker.core.events import Degradation
from worker.core.metrics import Metrics
from worker.core.records import Route
from worker.core.schema_decision import DecisionDocument
from worker.core.views import empty_scores
from worker.deliver.afterwards import Afterwards
from worker.deliver.breaker import BreakerSettings
from worker.deliver.decision import DecisionWriter
from worker.deliver.sample import ReviewSample, ReviewSettings

SETTINGS = BreakerSettings(min_events=100, min_blocks=10)
BLOCK = Verdict(Action.BLOCK, (Reason("hate", "text", Action.BLOCK, 0.95, 0.9, "p:hate"),))
ALLOW = Verdict(Action.ALLOW)


@dataclass
class Bench:
    afterwards: Afterwards
    clock: FakeClock
    metrics: Metrics


def bench(**changes: Any) -> Bench:
    clock, metrics = FakeClock(), Metrics()
    return Bench(Afterwards(SETTINGS.model_copy(update=changes), clock, metrics), clock, metrics)


def scored(actor: str) -> Any:
    one = event(context={"actor": actor})
    return one, findings(one, scores=empty_scores(3)), 0.0


def opened(**changes: Any) -> Bench:
    """After a calm baseline and a jump to three blocks in four."""
    one = bench(**changes)
    for second in range(90):
        batch = [scored(f"u{second}-{i}") for i in range(100)]
        one.clock.advance(1)
        one.afterwards.observe(Rules(), batch, [BLOCK, *[ALLOW] * 99])
    for second in range(4):
        batch = [scored(f"v{second}-{i}") for i in range(100)]
        one.clock.advance(1)
        one.afterwards.observe(Rules(), batch, [BLOCK] * 75 + [ALLOW] * 25)
    return one


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_a_demoted_category_flags_and_the_alert_stands_in_metrics_and_status() -> None:
    """The verdict itself is untouched; the override says why."""
    one = opened()
    action, overrides = one.afterwards.loosen(Rules(), event(), BLOCK)
    assert (action, [(o.cause, o.action) for o in overrides]) == (Action.FLAG, [("breaker", Action.FLAG)])
    assert BLOCK.action is Action.BLOCK
    assert value(one.metrics, "tidegate_breaker_open_nodes") == 1
    assert value(one.metrics, "tidegate_breaker_trips_total") == 1
    assert value(one.metrics, "tidegate_demoted_total", cause="breaker") == 1
    (row,) = one.afterwards.status()
    assert (row["policy"], row["category"], row["phase"]) == ("acme", "hate", "open")


@pytest.mark.parametrize(
    "firm",
    [
        Reason("hate", "text", Action.BLOCK, list="lists/known.txt"),
        Reason("sexual", "text", Action.BLOCK, 0.99, 0.9, "p:sexual"),
        Reason("hate", "text", Action.BLOCK, 0.99, 0.9, "p:hate", scored_by="sexual"),
    ],
    ids=["list", "severe", "severe child"],
)
def test_lists_and_severe_categories_block_whatever_is_demoted(firm: Reason) -> None:
    """Beside a demoted category as well as alone."""
    one = opened(actor_blocks_per_hour=1)
    rules = Rules(severe=frozenset({"sexual"}))
    for _ in range(3):
        verdict = Verdict(Action.BLOCK, (*BLOCK.reasons, firm))
        assert one.afterwards.loosen(rules, event(context={"actor": "u"}), verdict) == (Action.BLOCK, [])


def test_a_block_of_another_category_stands() -> None:
    """Only when all that asks for the block is demoted does it become a flag."""
    one = opened()
    other = Reason("sexual", "text", Action.BLOCK, 0.99, 0.9, "p:sexual")
    assert one.afterwards.loosen(Rules(), event(), Verdict(Action.BLOCK, (*BLOCK.reasons, other)))[0] is Action.BLOCK
    child = Reason("violence", "text", Action.BLOCK, 0.99, 0.9, "p:violence", scored_by="hate")
    assert one.afterwards.loosen(Rules(), event(), Verdict(Action.BLOCK, (*BLOCK.reasons, child)))[0] is Action.FLAG


def test_switched_off_it_changes_nothing() -> None:
    """`breaker.enabled = false`."""
    one = opened(enabled=False)
    assert one.afterwards.loosen(Rules(), event(), BLOCK) == (Action.BLOCK, [])
    assert one.afterwards.status() == []


def test_past_the_cap_an_actors_blocks_are_flags_until_the_hour_is_over() -> None:
    """Another actor's stand, and so do those of events that name nobody."""
    one = bench(actor_blocks_per_hour=2)
    actions = [one.afterwards.loosen(Rules(), event(context={"actor": "u"}), BLOCK) for _ in range(3)]
    assert [action for action, _ in actions] == [Action.BLOCK, Action.BLOCK, Action.FLAG]
    assert actions[2][1][0].cause == "cap"
    assert one.afterwards.loosen(Rules(), event(context={"actor": "w"}), BLOCK)[0] is Action.BLOCK
    assert one.afterwards.loosen(Rules(), event(), BLOCK)[0] is Action.BLOCK
    one.clock.advance(3_600)
    assert one.afterwards.loosen(Rules(), event(context={"actor": "u"}), BLOCK)[0] is Action.BLOCK


@given(st.sampled_from(list(Action)), st.booleans())
def test_it_never_tightens_and_touches_no_flag_and_no_allow(action: Action, capped: bool) -> None:
    """Whatever is open."""
    one = OPENED if not capped else bench(actor_blocks_per_hour=1)
    reasons = (Reason("hate", "text", action, 0.95, 0.9, "p:hate"),) if action else ()
    now, overrides = one.afterwards.loosen(Rules(), event(context={"actor": "u"}), Verdict(action, reasons))
    assert now <= action
    assert now is action or (action, now) == (Action.BLOCK, Action.FLAG)
    assert bool(overrides) is (now is not action)


OPENED = opened()


def test_otherwise_comes_last_and_may_tighten_again() -> None:
    """A demoted block of an event that could not be read whole, under `failed: block`, is a block: both are said."""
    one = opened()
    broken = event(degraded=[Degradation("model_failed", "failed", "parts/0", "it failed")])
    writer = DecisionWriter(one.clock, afterwards=one.afterwards)
    rules = Rules(fallback={"failed": "block"})
    (decided,) = writer.write(rules, [(broken, findings(broken), 0.0)], [BLOCK])
    body = orjson.loads(decided.outgoing.value or b"")
    assert decided.action is Action.BLOCK
    assert [(o["cause"], o["action"]) for o in body["overrides"]] == [("breaker", "flag"), ("degraded", "block")]


def test_a_demoted_decision_keeps_its_verdict_and_goes_to_review() -> None:
    """The reasons still say block; the record and its sample go out together, and are decision.v1."""
    one = opened()
    sample = ReviewSample(ReviewSettings(allow=0, flag=0, block=0, demoted=1))
    writer = DecisionWriter(one.clock, afterwards=one.afterwards, sample=sample)
    first = event()
    (decided,) = writer.write(Rules(), [(first, findings(first), 0.0)], [BLOCK])
    assert (decided.outgoing.route, decided.review and decided.review.route) == (Route.FLAG, Route.REVIEW)
    body = orjson.loads((decided.review and decided.review.value) or b"")
    DecisionDocument.model_validate(body)
    assert (body["action"], body["reasons"][0]["action"], body["review"]) == ("flag", "block", {"probability": 1.0})


def test_a_plain_allow_is_sampled_by_its_own_id() -> None:
    """The short way of writing draws as the long one does."""
    writer = DecisionWriter(FakeClock(), sample=ReviewSample(ReviewSettings(allow=1)))
    first = event()
    (decided,) = writer.write(Rules(), [(first, findings(first), 0.0)], [ALLOW])
    sampled, body = (orjson.loads((one and one.value) or b"") for one in (decided.review, decided.outgoing))
    assert sampled == body | {"review": {"probability": 1.0}}
