"""Examples visibly help: a custom category by its definition, with 5 and with 20 examples, on rows held apart."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.unit.score.test_concepts import Category
from worker.core.views import Floats
from worker.score.concepts import NAME, TextConcepts
from worker.score.models.minilm import MiniLM

pytestmark = pytest.mark.models

FILE = Path(__file__).parents[2] / "data" / "text" / "edos_threats.csv"
DEFINITION = "Threatens or encourages harm to women."


def auroc(bad: Floats, good: Floats) -> float:
    """How often a violating row scores higher than one that is not; a tie is half."""
    pairs = bad[:, np.newaxis] - good
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)


def test_examples_rank_rows_held_apart_better() -> None:
    """AUROC .77 by a short definition alone, .87 with five examples of each kind, .88 with twenty."""
    rows = list(csv.DictReader(FILE.read_text("utf-8").splitlines()))
    violating, allowed = ([r["text"] for r in rows if r["use"] == "example" and r["violating"] == v] for v in "10")
    apart = [r for r in rows if r["use"] == "held apart"]
    assert not {r["text"] for r in apart} & {*violating, *allowed}
    bad = np.array([r["violating"] == "1" for r in apart])
    model = MiniLM("cpu")
    concepts, seen = TextConcepts(model), model.read_texts([r["text"] for r in apart])
    found = []
    for count in (0, 5, 20):
        category = Category("threats", DEFINITION, tuple(violating[:count]), tuple(allowed[:count]))
        scores = concepts.compile([category])[NAME].probabilities(seen)[:, 0]
        found.append(auroc(scores[bad], scores[~bad]))
    by_definition, with_five, with_twenty = found
    assert by_definition + 0.05 < with_five < with_twenty
    assert with_twenty > 0.8
