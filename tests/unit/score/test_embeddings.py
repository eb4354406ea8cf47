"""The cache on disk: what was computed once is not computed again, in this process or the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from worker.core.views import Floats, Thresholds
from worker.policy.compile import CategoryConcept
from worker.score.asked import WIDTH as SLOTS
from worker.score.concepts import NAME, TextConcepts
from worker.score.embeddings import EmbeddingCache
from worker.score.features import Reading, features
from worker.score.models.adapted import LABELS, silent


class Counting:
    """A text model that counts what it is asked for."""

    digest = "d1"
    trained: Mapping[str, Thresholds] = {}
    asked = silent()

    def __init__(self) -> None:
        self.texts = 0

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """float32 [N, 384] of unit length, the same for the same text."""
        self.texts += len(texts)
        rows = np.stack([np.random.default_rng(len(t) * 131 + sum(map(ord, t))).normal(size=384) for t in texts])
        found: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return found

    def read_texts(self, texts: Sequence[str]) -> Reading:
        """The same, and trained heads and slots that say nothing."""
        embeddings = self.embed_texts(texts)
        odds, slots = (np.zeros((len(texts), width), np.float32) for width in (len(LABELS), SLOTS))
        return Reading(embeddings, odds, features(embeddings, odds, slots))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own."""
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path))
    return tmp_path


def test_a_text_is_embedded_once_for_each_model() -> None:
    """Also by another process; another model's embedding is another one."""
    model = Counting()
    first = EmbeddingCache("d1", model.embed_texts).embed(["a", "b", "a"])
    again = EmbeddingCache("d1", model.embed_texts).embed(["b", "a"])
    assert model.texts == 2
    assert np.array_equal(first[:2], again[::-1])
    EmbeddingCache("d2", model.embed_texts).embed(["a"])
    assert model.texts == 3


def test_a_start_makes_no_head_again() -> None:
    """The scores of the next start are those of the first, to the bit, and nothing is embedded for them."""
    category = CategoryConcept("trade", "Offers to sell accounts.", ("selling acct",), ("I sold my bike",), ())
    model = Counting()
    first = TextConcepts(model).compile([category])[NAME]
    before = model.texts
    second = TextConcepts(model).compile([category])[NAME]
    assert model.texts == before
    assert first.digest == second.digest


def test_a_damaged_file_is_begun_anew(cache: Path) -> None:
    """It is a cache: losing it costs time and nothing else."""
    model = Counting()
    EmbeddingCache("d1", model.embed_texts).embed(["a"])
    (cache / "embeddings.sqlite").write_bytes(b"no database " * 1_000)
    EmbeddingCache("d1", model.embed_texts).embed(["a"])
    EmbeddingCache("d1", model.embed_texts).embed(["a"])
    assert model.texts == 2
