"""A head of a category's own words: the sum of what is fitted and what is asked for, and fair to its own examples."""

from __future__ import annotations

import numpy as np
import pytest

from worker.core.views import Floats
from worker.score import heads
from worker.score.asked import KEPT, SLOTS, Asked, together
from worker.score.asked import WIDTH as OF_SLOTS
from worker.score.features import FITTED, MEANING, WIDTH
from worker.score.heads import Background, Head
from worker.score.models.adapted import silent

DICE = np.random.default_rng(3)


def texts(count: int) -> Floats:
    """float32 [count, 589] as readings have them."""
    rows = DICE.normal(size=(count, WIDTH)).astype(np.float32)
    rows[:, :MEANING] /= np.linalg.norm(rows[:, :MEANING], axis=1, keepdims=True)
    return rows


LINES = texts(200)
NOTHING = LINES[:0]


def numbers(*shape: int) -> Floats:
    return DICE.normal(size=shape).astype(np.float32)


SPEAKING = Asked(
    restores=np.eye(384, dtype=np.float32),
    looks=numbers(SLOTS, 384),
    keeps=numbers(SLOTS * KEPT, 384),
    wants=numbers(OF_SLOTS, 384),
    whole=numbers(8, 384),
    wholly=numbers(8, 384),
    easily=numbers(385),
)


def values(head: Head, rows: Floats) -> Floats:
    return np.asarray(rows @ head.weights + head.bias, np.float32)


def test_a_head_without_examples_is_the_fitted_one_and_half_of_what_its_words_ask_for() -> None:
    """In log-odds, on any text; what is asked for is nothing in the mean of the everyday lines."""
    definition, some = texts(2), texts(50)
    fitted = Background(LINES, silent()).head(definition, NOTHING, NOTHING)
    both = Background(LINES, SPEAKING).head(definition, NOTHING, NOTHING)
    meant = definition[:, :MEANING].sum(0)
    of_meaning, of_slots, always = SPEAKING.weights((meant / np.linalg.norm(meant))[None])

    def asked(rows: Floats) -> Floats:
        said = rows[:, :MEANING] @ of_meaning[0] + rows[:, FITTED:] @ of_slots[0] + always[0]
        return np.asarray(said, np.float32)

    expected = values(fitted, some) + 0.5 * (asked(some) - asked(LINES).mean())
    np.testing.assert_allclose(values(both, some), expected, atol=1e-2)


def test_examples_take_over_from_what_is_asked_for() -> None:
    """Its share falls with their number: twenty leave a fifth of what none leave."""
    background = Background(LINES, SPEAKING)
    shares = []
    for count in (0, 5, 20):
        weights, _ = background._conditioned(texts(1), texts(count), NOTHING)
        shares.append(float(np.linalg.norm(weights[FITTED:-1])))
    none, five, twenty = shares
    assert five < 0.75 * none
    assert twenty < 0.3 * none


def test_each_word_is_judged_as_if_it_were_not_among_what_asks() -> None:
    """Else every example would find itself."""
    definition, examples = texts(1)[:, :MEANING], texts(3)[:, :MEANING]
    found = heads._asking(definition, examples)
    assert len(found) == 5
    np.testing.assert_allclose(found[0], together(definition[0], examples.sum(0)), atol=1e-5)
    np.testing.assert_allclose(found[1], together(None, examples.sum(0)), atol=1e-5)
    for place in range(3):
        others = np.delete(examples, place, 0).mean(0)
        np.testing.assert_allclose(found[2 + place], together(definition[0], others), atol=1e-5)


@pytest.mark.parametrize(("sentences", "examples"), [(2, 0), (1, 1), (0, 1), (0, 4)])
def test_what_asks_is_of_unit_length_whatever_there_is(sentences: int, examples: int) -> None:
    """With one example and no definition it is that example: something must ask."""
    found = heads._asking(texts(sentences)[:, :MEANING], texts(examples)[:, :MEANING])
    assert found.shape == (1 + sentences + examples, MEANING)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
