"""What a lane answers when its model fails, and how it learns the model's speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock import FakeClock
from worker.core.errors import ModelFailed
from worker.core.events import PartType
from worker.core.views import Floats, ModelRef, TextSource, View, ViewKind
from worker.score.batch import BatchLimits
from worker.score.lane import LATE, Ask, Lane


class Rule:
    """A scorer whose model is a function of a view's content."""

    ref = ModelRef("rule", "1", "sha256:0")
    kind = ViewKind.TEXT

    def __init__(self, rule: Callable[[Any], Floats]) -> None:
        self.rule = rule
        self.batches: list[int] = []

    def score(self, views: Sequence[View], concepts: Sequence[Any]) -> list[Floats]:
        self.batches.append(len(views))
        return [self.rule(view.content) for view in views]


class Echo:
    """An extractor that reads out what stands in the view."""

    ref = ModelRef("echo", "1", "sha256:0")
    kind = ViewKind.IMAGE

    def extract(self, views: Sequence[View]) -> list[TextSource]:
        return [TextSource(view.path + "/ocr", view.content, (PartType.IMAGE,)) for view in views]


def ask(content: Any, ticket: int = 0) -> Ask:
    return Ask(View("parts/0", ViewKind.TEXT, (PartType.TEXT,), content, 1), object(), ticket)


def lane(model: Any) -> Lane:
    return Lane("rule", model, BatchLimits(items=64, cost=64), FakeClock())


def half(content: Any) -> Floats:
    if content == "poison":
        raise RuntimeError("no such token")
    return np.array([0.5], np.float32)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_only_the_views_that_fail_are_failed(poisoned: list[bool]) -> None:
    """However many views of a batch break the model, their neighbours keep their scores and their places."""
    answers = lane(Rule(half)).judge([ask("poison" if bad else "fine", n) for n, bad in enumerate(poisoned)])
    assert [answer.ticket for answer in answers] == list(range(len(poisoned)))
    assert [isinstance(answer.result, ModelFailed) for answer in answers] == poisoned


def test_a_view_alone_is_tried_twice() -> None:
    """What failed once for no reason of its own gets its score."""
    model = Rule(half)
    tries = iter([True, False])

    def once(content: Any) -> Floats:
        if next(tries):
            raise RuntimeError("out of memory")
        return half(content)

    model.rule = once
    [answer] = lane(model).judge([ask("fine")])
    assert not isinstance(answer.result, ModelFailed)
    assert model.batches == [1, 1]


@pytest.mark.parametrize("broken", [[np.nan, np.nan], [np.inf, 0.1], [1.5, 0.1], [-0.1, 0.2]])
def test_what_is_no_probability_is_a_failure(broken: list[float]) -> None:
    """A model that answers nonsense has failed for that view, and for no other."""
    model = Rule(lambda content: np.array(content, np.float32))
    bad, good = lane(model).judge([ask(broken), ask([0.25, np.nan])])
    assert isinstance(bad.result, ModelFailed)
    np.testing.assert_array_equal(good.result, np.array([0.25, np.nan], np.float32))


def test_too_few_results_are_a_failure() -> None:
    """An answer is never given to the wrong view."""

    class Short(Rule):
        def score(self, views: Sequence[View], concepts: Sequence[Any]) -> list[Floats]:
            return []

    answers = lane(Short(half)).judge([ask("fine"), ask("fine")])
    assert all(isinstance(answer.result, ModelFailed) for answer in answers)


def test_failures_say_the_lane_and_never_the_content() -> None:
    """An error's message could hold what the model choked on."""

    def leak(content: Any) -> Floats:
        raise ValueError(f"cannot score {content}")

    [answer] = lane(Rule(leak)).judge([ask("a secret")])
    assert isinstance(answer.result, ModelFailed)
    assert "secret" not in str(answer.result)
    assert "rule" in str(answer.result)


def test_an_extractors_text_comes_back() -> None:
    """The lane serves both ports."""
    [answer] = lane(Echo()).judge([ask("stop")])
    assert isinstance(answer.result, TextSource)
    assert answer.result.text == "stop"


@given(st.lists(st.tuples(st.booleans(), st.floats(-5, 5)), min_size=1, max_size=30))
def test_only_expendable_asks_past_their_deadline_are_left_out(asks: list[tuple[bool, float]]) -> None:
    """Each is answered in its place; the model sees all the others, late or not, and nothing when there are none."""
    model = Rule(half)
    made = [ask("fine", i)._replace(expendable=expendable, deadline=at) for i, (expendable, at) in enumerate(asks)]
    answers = lane(model).judge(made)  # the clock stands at 0
    late = [expendable and at < 0 for expendable, at in asks]
    assert [answer.ticket for answer in answers] == list(range(len(asks)))
    assert [answer.result is LATE for answer in answers] == late
    assert sum(model.batches) == late.count(False)
