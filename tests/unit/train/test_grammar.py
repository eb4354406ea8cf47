"""Synthetic rows: every line of the grammar can be drawn, labels are whole, and a seed gives the same rows again."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from train.data import wordings
from train.identities import Identities
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
    sides = [wordings(grammar, held=side) for side in (True, False)]
    held, trained = ({w for f in side.functions for w in f.wordings} for side in sides)
    both = held & trained
    assert held | trained == {w for f in grammar.functions for w in f.wordings}
    assert all(f.subject == "composed" for f in grammar.functions for w in f.wordings if w in both)
    assert 0.05 < len(held - both) / len(trained - both) < 0.25
    for name in grammar.parts:
        apart, known = (set(side.fillers[name]) - {("{_}",)} for side in sides)
        assert not apart & known
        assert apart | known == set(grammar.fillers[name]) - {("{_}",)}


def test_a_claim_stands_in_a_frame_about_whom_it_is_told(tmp_path: Path) -> None:
    """The same frame and claim of an identity, of others, and as often as it is asked for."""
    (tmp_path / "fillers.txt").write_text("@identity\nmoles | a mole | mole\n@trade\nbakers | a baker | baking\n")
    (tmp_path / "parts.txt").write_text("@@frame\nthey say {_}\n@@claim\n{identity} dig, says {identity.one}\n")
    (tmp_path / "talk.txt").write_text("== said | -\n{frame>claim}\n*2 {frame>claim@trade}\n")
    found = read_grammar(tmp_path)
    own, others = found.functions[0].wordings
    assert found.filled(own, random.Random(1)) == "they say moles dig, says a mole"
    assert found.filled(others, random.Random(1)) == "they say bakers dig, says a baker"
    texts = [row.text for row in found.rows(1, 5)]
    assert sum("moles" in text.lower() for text in texts) < sum("bakers" in text.lower() for text in texts)


def test_groups_are_exchanged_one_for_one(grammar: Grammar) -> None:
    """A line about another group, in the same form, and nothing else changed; no line without a group."""
    identities = Identities(grammar.fillers["identity"])
    swapped = identities.swapped("Muslims and a jew met other muslims", random.Random(2))
    assert swapped is not None
    first, rest = swapped.split(" and ", 1)
    assert rest.endswith(f" met other {first}")
    assert "muslims" not in swapped.lower()
    assert identities.swapped("black coffee for the poles", random.Random(2)) is None


def test_a_slot_without_fillers_is_refused(tmp_path: Path) -> None:
    """The error names the file, the wording and the slot."""
    (tmp_path / "fillers.txt").write_text("@food\nbread\n")
    (tmp_path / "chat.txt").write_text("== chat | -\nI like {fod}\n")
    with pytest.raises(ValueError, match=r"chat: I like \{fod\}: there is no filler @fod"):
        read_grammar(tmp_path)


def test_training_and_worker_mean_the_same_categories() -> None:
    """In the same order: a head's column is its name."""
    assert CATEGORIES == LABELS
