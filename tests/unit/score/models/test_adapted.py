"""What training added: heads that look at tokens, scores taken by name, an artefact that is checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.score.test_concepts import TRADE, Category
from worker.core.errors import WeightsRejected
from worker.core.events import PartType
from worker.core.views import View, ViewKind
from worker.score.asked import KEPT, SLOTS
from worker.score.concepts import NAME, TextConcepts
from worker.score.features import FITTED, WIDTH, features
from worker.score.models import adapted
from worker.score.models.adapted import DETECTORS, FILE, LABELS, adaptation, published
from worker.score.models.minilm import MiniLM
from worker.score.models.minilm_encoders import CpuEncoder
from worker.score.models.minilm_scorer import MiniLMScorer

pytestmark = pytest.mark.models

HATE = Category("hate", detectors=("hate",))


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM("cpu")


def test_a_head_is_its_formula() -> None:
    """Attention over the tokens that are there, by the plain loop; padding changes nothing."""
    heads = adaptation()
    tokens = np.random.default_rng(1).normal(size=(3, 7, 384)).astype(np.float32)
    lengths = np.array([7, 4, 1], np.int32)
    sums = np.stack([row[:n].sum(0) for row, n in zip(tokens, lengths, strict=True)])
    found = heads.log_odds(tokens, lengths, sums)
    for row, length, odds in zip(tokens, lengths, found, strict=True):
        own = row[:length]
        for column in range(len(LABELS)):
            looks = np.exp(own @ heads.looks[column])
            seen = looks @ (own @ heads.seen[column]) / looks.sum()
            raw = seen + own.mean(0) @ heads.whole[column] + (own @ heads.peak[column]).max() + heads.bias[column]
            assert odds[column] == pytest.approx(raw * heads.slope[column] + heads.shift[column], abs=1e-3)


def test_a_category_takes_the_trained_score_it_asks_for(model: MiniLM) -> None:
    """By the detector's name, whatever its words; the others go by their words, and a name nobody has by nothing."""
    concepts = TextConcepts(model)
    worded = Category("hate", TRADE.definition, TRADE.violating, TRADE.allowed, ("hate",))
    categories = [HATE, worded, TRADE, Category("odd", detectors=("no-such-head",))]
    text = "all muslims are vermin and should leave"
    content = model.encode([text])[0][0]
    view = View("parts/0", ViewKind.TEXT, (PartType.TEXT,), content, len(content))
    [scores] = MiniLMScorer(model, concepts).score([view], [concepts.compile(categories)[NAME]])
    trained = 1 / (1 + np.exp(-model.read_texts([text]).log_odds[0, LABELS.index("hate")]))
    assert scores[0] == scores[1] == pytest.approx(trained, abs=1e-5)
    assert scores[0] > 0.5 > scores[2]
    assert np.isnan(scores[3])


def test_trained_heads_bring_their_operating_points(model: MiniLM) -> None:
    """From the artefact, stricter from point to point, beside those of custom categories."""
    found = TextConcepts(model, ["hello", "good morning"] * 20).points([HATE, TRADE])
    assert found is not None
    np.testing.assert_allclose(found[:, 0, 0], adaptation().points[:, LABELS.index("hate")])
    assert (np.diff(adaptation().points, axis=0) >= 0).all()
    assert not np.isnan(adaptation().points).any()


def test_names_are_names_that_policies_may_use() -> None:
    """Lower case and dashes, one a category."""
    assert len(set(DETECTORS)) == len(LABELS) == 13
    assert all(name.replace("-", "").isalpha() and name.islower() for name in DETECTORS)


def test_the_artefact_is_small_and_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """12 MB at most in git; another file is refused."""
    assert FILE.stat().st_size < 12_000_000
    damaged = tmp_path / FILE.name
    damaged.write_bytes(FILE.read_bytes()[:-1])
    monkeypatch.setattr(adapted, "FILE", damaged)
    adaptation.cache_clear()
    with pytest.raises(WeightsRejected, match="minilm_adapted"):
        adaptation()
    adaptation.cache_clear()


def test_digests_cover_what_scores_depend_on(model: MiniLM) -> None:
    """Other deltas or heads, other scores."""
    plain = MiniLM(encoder=CpuEncoder(1, adapted=published()))
    assert plain.digest != model.digest
    assert TextConcepts(plain, ["hello"]).digest != TextConcepts(model, ["hello"]).digest


def test_custom_categories_hear_the_trained_heads(model: MiniLM) -> None:
    """They look at the restored embedding, scaled, at what the heads say, and at slots; six log-odds are the most."""
    seen = model.read_texts(["all muslims are vermin and should leave"])
    assert seen.features.shape == (1, WIDTH)
    restored = model.asked.restored(seen.embeddings)
    np.testing.assert_allclose(seen.features[:, :384], restored, atol=1e-5)
    assert np.linalg.norm(restored) == pytest.approx(1, abs=1e-5)
    slots = np.zeros((1, WIDTH - FITTED), np.float32)
    loud, most = features(restored, np.full((1, 13), 9.0, np.float32), slots), np.full((1, 13), 6.0, np.float32)
    np.testing.assert_array_equal(loud, features(restored, most, slots))


def test_slots_are_their_formula(model: MiniLM) -> None:
    """Attention over the tokens that are there, by the plain loop; padding changes nothing."""
    asked = model.asked
    tokens = np.random.default_rng(2).normal(size=(3, 6, 384)).astype(np.float32)
    lengths = np.array([6, 3, 1], np.int32)
    for row, length, found in zip(tokens, lengths, asked.slots(tokens, lengths), strict=True):
        own = row[:length]
        for slot in range(SLOTS):
            shares = np.exp(own @ asked.looks[slot])
            kept = asked.keeps[slot * KEPT : (slot + 1) * KEPT] @ (shares @ own / shares.sum())
            np.testing.assert_allclose(found[slot * KEPT : (slot + 1) * KEPT], kept, atol=1e-3)


def test_embeddings_are_restored(model: MiniLM) -> None:
    """What the published model sees comes back from the adapted one's tokens, though its own embeddings moved."""
    texts = ["a cup of tea in the garden", "selling my account, dm me", "he is buried in the churchyard"]
    was = MiniLM(encoder=CpuEncoder(1, adapted=published())).read_texts(texts).embeddings
    seen = model.read_texts(texts)
    moved = np.einsum("nd,nd->n", seen.embeddings, was).mean()
    restored = np.einsum("nd,nd->n", seen.features[:, :384], was).mean()
    assert restored > max(moved, 0.9)
