"""MiniLM as it runs here: faithful to fp32, blind to neighbours, and made from the pinned weights."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from worker.core.errors import ConfigError, WeightsRejected
from worker.core.events import PartType
from worker.core.views import View, ViewKind
from worker.score.concepts import Heads, TextConcepts
from worker.score.features import WIDTH
from worker.score.models import minilm_encoders
from worker.score.models.adapted import LABELS, Adaptation, adaptation, published
from worker.score.models.minilm import MiniLM
from worker.score.models.minilm_scorer import EXCERPT, LOW, OWN, SURELY_LOW, MiniLMScorer, read_views, trained_alone

pytestmark = pytest.mark.models

TEXTS = ["hello", "", "how do I kill a Python process?", "The quick brown fox " * 40, "naïve café, 東京 👍", "x " * 300]


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM("cpu")


@pytest.mark.parametrize("adapted", [adaptation(), published()], ids=["adapted", "published"])
def test_embeddings_are_those_of_the_fp32_model(adapted: Adaptation) -> None:
    """What another engine computes is the same to four digits, with the deltas merged and without any."""
    import torch

    model = MiniLM(encoder=minilm_encoders.CpuEncoder(1, adapted=adapted))
    plain = minilm_encoders.merged(adapted)
    found = model.read_texts(TEXTS)
    for text, embedding, log_odds, features in zip(TEXTS, *found, strict=True):
        ids = [101, *model.encode([text])[0][0][: model.window_tokens].tolist(), 102]
        with torch.inference_mode():
            tokens = plain(input_ids=torch.tensor([ids])).last_hidden_state.numpy()
        mean = tokens[0].mean(0)
        assert float(embedding @ mean / np.linalg.norm(mean)) > 0.9999
        exact = adapted.reading(tokens, np.array([len(ids)], np.int32), tokens.sum(1))
        np.testing.assert_allclose(log_odds, exact.log_odds[0], atol=1e-3)
        np.testing.assert_allclose(features, exact.features[0], atol=1e-3)


def test_a_text_has_the_same_embedding_whatever_its_neighbours(model: MiniLM) -> None:
    """Beyond float rounding, a score does not depend on the batch."""
    together = model.read_texts(TEXTS * 3).embeddings
    alone = np.concatenate([model.read_texts([text]).embeddings for text in TEXTS * 3])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)


def test_tokens_know_where_they_stand(model: MiniLM) -> None:
    """Offsets are characters of the text as it was given, and no special token is among them."""
    text = "Héllo  wörld"
    [(ids, offsets)] = model.encode([text])
    assert [text[start:end] for start, end in offsets.tolist()] == ["Héllo", "wörld"]
    assert ids.dtype == offsets.dtype == np.int32
    assert not {101, 102} & set(ids.tolist())
    [(none, places)] = model.encode([""])
    assert none.shape == (0,)
    assert places.shape == (0, 2)


def test_a_text_that_says_nothing_to_it_has_no_tokens(model: MiniLM) -> None:
    """A greeting in Chinese scored as hate; with a word or an emoji beside them, which are read, it is read too."""
    texts = ["!!", "?!...", "你好", "", "😀 ok", "你好 ❤️", "7"]
    assert [len(ids) > 0 for ids, _ in model.encode(texts)] == [False] * 4 + [True] * 3


def test_each_view_is_scored_by_its_own_policy(model: MiniLM) -> None:
    """A batch mixes tenants; the same text under two policies is embedded once, and where scores are high, exactly."""
    draws = np.random.default_rng(3)

    def heads(count: int) -> Heads:
        weights = draws.normal(size=(count, WIDTH)).astype(np.float32)
        trained = np.full(count, -1)
        trained[0] = 4
        balanced = np.full(count, np.nan, np.float32)
        return Heads(weights, np.full(count, 6.0, np.float32), np.ones(count, np.bool_), "", trained, balanced)

    one, two = heads(2), heads(5)
    contents = [model.encode([text])[0][0][:200] for text in ("hello", "goodbye", "hello")]
    views = [View("parts/0", ViewKind.TEXT, (PartType.TEXT,), content, len(content)) for content in contents]
    scorer = MiniLMScorer(model, TextConcepts(model))
    scores = scorer.score(views, [one, two, two])
    assert [row.shape for row in scores] == [(2,), (5,), (5,)]
    seen = model.read(contents)
    np.testing.assert_allclose(scores[0], one.probabilities(seen)[0], atol=1e-4)
    np.testing.assert_allclose(scores[1], two.probabilities(seen)[1], atol=1e-4)
    np.testing.assert_allclose(scores[2], two.probabilities(seen)[2], atol=1e-4)


def test_a_sentence_counts_whole_among_foreign_ones_and_less_at_home(model: MiniLM) -> None:
    """Harm hidden in a tale of gardens is read as if alone; a fight in a tale of fights is read in its company."""
    gardens = ["She planted beans in spring and tomatoes in May.", "The roses by the fence need water twice a week."]
    fights = ["He swung the axe and split the orc's skull.", "Blood ran down the blade as the goblins fell."]
    threat = "I will cut your throat, and your blood will run down my blade."

    def excerpt(text: str, neighbours: list[str]) -> View:
        content, *beside = (ids for ids, _ in model.encode([text, *neighbours]))
        view = View("parts/0", ViewKind.TEXT, (PartType.TEXT,), content, len(content))
        view.excerpt, view.beside = True, tuple(beside)
        return view

    views = [excerpt(threat, gardens), excerpt(threat, fights), excerpt(threat, []), excerpt(threat, gardens)]
    views[-1].excerpt = False
    seen, less = read_views(model, views, trained_alone)
    assert (less[0], less[2], less[3]) == (0, EXCERPT, 0)
    assert 0 < less[1] <= OWN
    np.testing.assert_array_equal(seen.log_odds, seen.log_odds[[0]].repeat(4, 0))
    scorer = MiniLMScorer(model, TextConcepts(model))
    trained = np.arange(len(LABELS))
    weights, nothing = np.zeros((13, WIDTH), np.float32), np.zeros(13, np.float32)
    heads = Heads(weights, nothing, np.ones(13, np.bool_), "", trained, nothing)
    told = np.array(scorer.score(views, [heads] * 4), np.float64)
    odds = np.log(told / (1 - told))
    np.testing.assert_allclose(odds[3] - odds, np.repeat(less[:, None], 13, 1), atol=0.01)


def test_only_what_may_decide_is_read_exactly(model: MiniLM) -> None:
    """A greeting is glanced at; a threat has the log-odds of the exact model to the last digit that they share."""
    texts = ["good morning, see you at the library", "I will cut your throat and watch you bleed"]
    contents = [ids for ids, _ in model.encode(texts)]
    views = [View("parts/0", ViewKind.TEXT, (PartType.TEXT,), ids, len(ids)) for ids in contents]
    seen, _ = read_views(model, views, trained_alone)
    np.testing.assert_array_equal(seen.log_odds[0], model.glance(contents[:1]).log_odds[0])
    np.testing.assert_allclose(seen.log_odds[1], model.read(contents[1:]).log_odds[0], atol=1e-4)


def test_where_a_category_is_low_by_nature_its_texts_are_read_all_the_same(model: MiniLM) -> None:
    """A score of 0.01 decides nothing, unless the category's balanced point is as low."""
    [(ids, _)] = model.encode(["good morning, see you at the library"])
    view = View("parts/0", ViewKind.TEXT, (PartType.TEXT,), ids, len(ids))
    scorer = MiniLMScorer(model, TextConcepts(model))
    draws = np.random.default_rng(5).normal(size=(1, WIDTH), scale=0.3).astype(np.float32)

    def score(balanced: float) -> float:
        at = -4.6 - float(draws[0] @ model.read([ids]).features[0])
        alone = (np.full(1, at, np.float32), np.ones(1, np.bool_), "", np.array([-1]), np.full(1, balanced, np.float32))
        return float(scorer.score([view], [Heads(draws, *alone)])[0][0])

    assert score(-4.6) == pytest.approx(0.01, abs=1e-4)
    assert score(np.nan) != pytest.approx(0.01, abs=1e-4)


def test_a_glance_that_finds_nothing_overlooks_nothing(model: MiniLM) -> None:
    """Of the harmless lines that ship, none that is surely low at a glance is as much as low when it is read."""
    lines = files("worker.score").joinpath("background.txt").read_text("utf-8").splitlines()[:300]
    contents = [ids for ids, _ in model.encode(lines)]
    glanced, exact = (read(contents).log_odds.max(1) for read in (model.glance, model.read))
    assert np.mean(glanced < SURELY_LOW) > 0.5
    assert exact[glanced < SURELY_LOW].max() < LOW


def test_a_damaged_copy_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The converted weights are checked on every start like those they were made of."""
    whole = minilm_encoders.converted("float32", adaptation())
    monkeypatch.setenv("TIDEGATE_CACHE", str(tmp_path))
    copy = tmp_path / whole.name
    copy.mkdir()
    for file in whole.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "model.bin").write_bytes((whole / "model.bin").read_bytes()[:-1])
    with pytest.raises(WeightsRejected, match=r"model\.bin"):
        MiniLM("cpu")


def test_int8_is_a_choice_that_stays_near(model: MiniLM) -> None:
    """Twice as fast, and a few hundredths off at worst; it is named in the digest."""
    small = MiniLM(encoder=minilm_encoders.CpuEncoder(2, "int8"))
    cosines = (small.read_texts(TEXTS).embeddings * model.read_texts(TEXTS).embeddings).sum(1)
    assert cosines.min() > 0.97
    assert small.digest != model.digest
    with pytest.raises(ConfigError, match="int8"):
        minilm_encoders.CpuEncoder(2, "int3")


def test_a_device_that_is_not_there_is_refused() -> None:
    """The error says what to set."""
    with pytest.raises(ConfigError, match="set it to"):
        MiniLM("tpu")
