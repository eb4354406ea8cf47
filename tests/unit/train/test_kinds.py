"""Kinds of text: what is told of a row, what is denied, and what nobody knows."""

from __future__ import annotations

import math

import numpy as np
import torch

from train.asked import Course, loss
from train.kinds import Kind, Told, _Judge, read_kinds
from train.rows import CATEGORIES, Row, labels
from train.synthetic import read_grammar

KINDS = read_kinds()
PLACE = {kind.name: place for place, kind in enumerate(KINDS)}


def wanted(row: Row, *own: str, known: bool = True) -> dict[str, float]:
    """What is told of a row, by kind."""
    found = _Judge(KINDS).wanted(row, frozenset(own), known)
    return {name: float(found[place]) for name, place in PLACE.items()}


def test_every_kind_is_defined_and_none_is_what_measures_custom_categories() -> None:
    """By words of its own; EDOS's categories are for measuring alone."""
    assert len(KINDS) > 200
    assert len(PLACE) == len(KINDS)
    assert all(len(definition) > 3 for kind in KINDS for definition in kind.definitions)
    assert not any("edos" in kind.name or "sexist" in kind.name for kind in KINDS)


def test_functions_of_the_grammar_bring_their_own_categories() -> None:
    """A kind that is a function is about what the function's rows violate."""
    functions = {f"{f.subject}/{f.name}": f for f in read_grammar().functions}
    named = [kind for kind in KINDS if kind.name in functions]
    assert len(named) > 80
    for kind in named:
        np.testing.assert_array_equal(kind.about, functions[kind.name].labels == 1)
        assert kind.source == "synthetic"


def test_a_row_is_told_by_its_own_source_and_denied_what_it_cannot_violate() -> None:
    """A tweet that is offensive and no threat: other kinds of its source are denied, threats are, hate is left open."""
    row = Row("…", labels(no=("hate/threatening",)), "davidson")
    said = wanted(row, "davidson/offensive")
    assert said["davidson/offensive"] == 1
    assert said["davidson/neither"] == said["davidson/hate"] == 0
    assert said["hatemoji/type/threateninglanguage"] == 0
    assert math.isnan(said["hate/derogation"])
    assert math.isnan(said["everyday/chat"])


def test_kinds_that_may_overlap_deny_each_other_nothing() -> None:
    """Hate of gay men may be hate of gay people; hate of Jews it is not."""
    said = wanted(Row("…", labels(["hate"], no=()), "hatemoji"), "hatemoji/target/gayman", "hatemoji/type/derogation")
    assert said["hatemoji/target/gayman"] == 1
    assert math.isnan(said["hatemoji/target/gay"])
    assert said["hatemoji/target/jew"] == said["hatemoji/type/animosity"] == 0
    assert said["hate/identity praised"] == 0  # who hates does not praise


def test_functions_with_a_category_in_common_may_overlap() -> None:
    """A slur may be derogation; neither is small talk, nor is small talk about films talk about food."""
    said = wanted(Row("…", labels(["hate"]), "synthetic/hate/slur-against"), "hate/slur against")
    assert math.isnan(said["hate/derogation"])
    assert said["everyday/chat"] == said["selfharm/intent"] == 0
    calm = wanted(Row("…", labels(), "synthetic/everyday/books-and-films"), "everyday/books and films")
    assert calm["everyday/travel and food"] == 0


def test_where_a_source_knows_only_categories_its_kinds_are_left_open() -> None:
    """OpenAI's rows have labels, some of them missing."""
    row = Row("…", labels(["sexual"], no=("hate", "hate/threatening")), "openai")
    said = wanted(row, "openai/S", known=False)
    assert said["openai/S"] == 1
    assert said["openai/H"] == said["hate/derogation"] == 0
    assert math.isnan(said["openai/V"])


def test_a_course_asks_for_every_kind_that_has_rows_and_for_rare_ones_as_often() -> None:
    """The same batches for the same seed; each row's own kinds are among what is wanted."""
    about = np.zeros(len(CATEGORIES), np.bool_)
    kinds = [Kind(name, ("words",), about, frozenset()) for name in ("common", "rare", "empty")]
    rows = [Told(f"c{n}", np.array([1, 0, 0], np.float32)) for n in range(97)]
    rows += [Told(f"r{n}", np.array([0, 1, 0], np.float32)) for n in range(3)]
    embeddings = np.eye(len(rows), 384, dtype=np.float32)

    def course() -> Course:
        return Course(rows, kinds, embeddings, lambda texts: np.ones((len(texts), 384), np.float32) / 384**0.5, 7)

    batch, again = course().draw(300), course().draw(300)
    np.testing.assert_array_equal(batch.rows, again.rows)
    assert batch.asked.shape == (2, 384)
    torch.testing.assert_close(batch.asked.norm(dim=1), torch.ones(2))
    assert 60 < (batch.rows >= 97).sum() < 160  # a third of the rows, not three in a hundred
    assert torch.equal(batch.wanted[:, 1] == 1, torch.from_numpy(batch.rows >= 97))


def test_what_nobody_knows_moves_no_weight() -> None:
    """The loss of a batch does not depend on the log-odds where nothing is told."""
    told = torch.tensor([[1.0, math.nan], [0.0, 0.0]])
    odds = torch.tensor([[0.3, 5.0], [-1.0, 0.2]])
    other = torch.tensor([[0.3, -9.0], [-1.0, 0.2]])
    assert loss(odds, told) == loss(other, told)
