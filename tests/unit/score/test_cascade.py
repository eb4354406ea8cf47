"""What is clearly clean or clearly listed never reaches the guard; what has no bound always does."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import pytest

from worker.core.events import PartType
from worker.core.views import View, ViewKind
from worker.score.cascade import BAND_FILE, Band, Cascade
from worker.score.seen import Seen

LOW = 0.2


class Heads(NamedTuple):
    """Of the first model: which categories go by a trained head."""

    trained: np.ndarray


class Asked(NamedTuple):
    """Of the guard: which categories it is asked about."""

    covered: np.ndarray


ALL_TRAINED = Heads(np.array([0, 1, -1]))  # the third goes by its own words
TWO = Asked(np.array([True, True, False]))
THREE = Asked(np.array([True, True, True]))


def cascade(*, band: bool = True, reads: bool = True, says: bool = True) -> Cascade:
    chosen = Band("d", LOW, 0.05, 0.95) if band else None
    return Cascade("first", "guard", chosen, lambda ids: says, lambda text: reads)


def on(which: Cascade, scores: list[float], asked: Asked = TWO, *, listed: bool = False) -> bool:
    view = View("parts/0", ViewKind.TEXT, (PartType.TEXT,), np.zeros(1, np.int32), 1, text="x")
    return which.goes_on(view, np.array(scores, np.float32), ALL_TRAINED, asked, listed=listed)  # type: ignore[arg-type]


def test_the_band_begins_at_its_cut() -> None:
    """Every trained head below it: clean. One at it: on. A head of own words does not count here."""
    assert not on(cascade(), [0.19, 0.1, 0.9])
    assert on(cascade(), [0.2, 0.1, 0.0])
    assert on(cascade(), [0.0, 0.99, 0.0])


@pytest.mark.parametrize(
    ("which", "asked"),
    [
        (cascade(band=False), TWO),  # chosen for another model
        (cascade(), THREE),  # a category that was never measured
        (cascade(reads=False), TWO),  # a language it does not read
        (cascade(says=False), TWO),  # emoji, other scripts
    ],
)
def test_without_a_bound_all_goes_on(which: Cascade, asked: Asked) -> None:
    """The first model's low score says nothing there."""
    assert on(which, [0.0, 0.0, 0.0], asked)


def test_what_a_list_has_blocked_needs_no_guard() -> None:
    """Whatever the first model says."""
    assert not on(cascade(), [0.9, 0.9, 0.9], listed=True)
    assert not on(cascade(band=False), [0.9, 0.9, 0.9], listed=True)


def test_the_band_that_ships_is_for_the_model_that_ships() -> None:
    """Changed weights or heads have no band until one is measured; it says what it may miss, and what it did miss."""
    found = json.loads(BAND_FILE.read_text("utf-8"))
    assert Band.shipped("another") is None
    band = Band.shipped(found["digest"])
    assert band is not None
    assert 0 < band.low < 0.5
    assert found["missed"] / found["of"] <= band.bound
    assert found["missed_at_most"] < 2 * band.bound


@pytest.mark.models
def test_the_band_knows_the_heads_that_are_loaded() -> None:
    """Trained heads that change without `python -m train.band` are noticed here, not by the tenants."""
    from worker.score.models.minilm import MiniLM

    assert Band.shipped(MiniLM("cpu", 1).heads_digest) is not None


def test_a_tenants_memory_is_its_own_and_bounded() -> None:
    """By tenant, policy and text; the oldest leaves; nobody pushes another's out."""
    seen = Seen(2)
    one, two = np.array([0.1], np.float32), np.array([0.2], np.float32)
    seen.put("a", "p", "x", one)
    seen.put("b", "p", "x", two)
    assert seen.get("a", "p", "x") is one
    assert seen.get("a", "q", "x") is None
    assert seen.get("c", "p", "x") is None
    for text in "yz":
        seen.put("a", "p", text, one)
    assert seen.get("a", "p", "x") is None
    assert seen.get("b", "p", "x") is two
    assert len(seen) == 3
    nothing = Seen(0)
    nothing.put("a", "p", "x", one)
    assert nothing.get("a", "p", "x") is None
