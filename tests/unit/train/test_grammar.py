"""Synthetic rows: every line of the grammar can be drawn, labels are whole, and a seed gives the same rows again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from train.data import wordings
from train.rows import CATEGORIES, labels
from train.synthetic import Grammar, read_grammar
from worker.score.models.adapted import LABELS


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return read_grammar()


def test_every_wording_can_be_filled(grammar: Grammar) -> None:
    """No slot is left in any row, and no row is empty."""
    texts = [row.text for row in grammar.rows(3, 2)]
    assert len(texts) > 1_000
    assert not [text for text in texts if "{" in text or "}" in text or not text.strip()]


def test_a_seed_repeats_and_another_differs(grammar: Grammar) -> None:
    """Row for row."""
    first, again, other = ([row.text for row in grammar.rows(seed, 2)] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_labels_are_whole(grammar: Grammar) -> None:
    """A child that violates has a parent that does; harmless functions leave no harm; both sides are common."""
    for function in grammar.functions:
        for name, label in zip(CATEGORIES, function.labels, strict=True):
            if label == 1 and "/" in name:
                assert function.labels[CATEGORIES.index(name.split("/")[0])] == 1
        assert function.harmful == bool((function.labels == 1).any())
    share = np.mean([function.harmful for function in grammar.functions])
    assert 0.2 < share < 0.6


def test_what_is_unknown_is_masked() -> None:
    """Neither yes nor no."""
    found = labels(["hate/threatening"], unknown=["harassment"])
    by_name = dict(zip(CATEGORIES, found, strict=True))
    assert (by_name["hate"], by_name["hate/threatening"], by_name["sexual"]) == (1, 1, 0)
    assert np.isnan(by_name["harassment"])
    assert np.isnan(labels(["hate"], no=())).sum() == len(CATEGORIES) - 1


def test_held_wordings_are_apart(grammar: Grammar) -> None:
    """Each wording is on one side for good."""
    held, trained = ({w for f in wordings(grammar, held=side).functions for w in f.wordings} for side in (True, False))
    assert not held & trained
    assert held | trained == {w for f in grammar.functions for w in f.wordings}
    assert 0.05 < len(held) / len(trained) < 0.25


def test_a_slot_without_fillers_is_refused(tmp_path: Path) -> None:
    """The error names the file, the wording and the slot."""
    (tmp_path / "fillers.txt").write_text("@food\nbread\n")
    (tmp_path / "chat.txt").write_text("== chat | -\nI like {fod}\n")
    with pytest.raises(ValueError, match=r"chat: I like \{fod\}: there is no filler @fod"):
        read_grammar(tmp_path)


def test_training_and_worker_mean_the_same_categories() -> None:
    """In the same order: a head's column is its name."""
    assert CATEGORIES == LABELS
