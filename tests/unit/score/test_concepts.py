"""Heads made from definitions and examples: deterministic, independent, and probabilities that mean something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pytest

from worker.score.concepts import NAME, Heads, TextConcepts
from worker.score.models.minilm import MiniLM

pytestmark = pytest.mark.models


@dataclass(frozen=True)
class Category:
    path: str
    definition: str | None = None
    violating: Sequence[str] = ()
    allowed: Sequence[str] = ()
    detectors: Sequence[str] = ()


TRADE = Category(
    "trade",
    "Offers to sell or buy game accounts or game money for real money.",
    (
        "selling maxed acct 50$ dm me",
        "cheap gold, paypal only, message me",
        "WTS level 80 account with rare skins, 100 euro",
        "buy my account, I take gift cards",
        "who wants to buy 10 million coins for 5 dollars",
        "trading my account for real cash",
        "I sell accounts, fast delivery, good price",
        "top up robux half price, pay by paypal",
    ),
    (
        "I sold my old console",
        "how do I earn gold faster in the desert level?",
        "the shop sells potions for 50 gold",
        "my account got locked, who can help?",
    ),
)
SPOILER = Category("spoiler", "Tells how a film or a series ends.")


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM("cpu")


@pytest.fixture(scope="module")
def concepts(model: MiniLM) -> TextConcepts:
    return TextConcepts(model)


def heads_of(concepts: TextConcepts, *categories: Category) -> Heads:
    heads = concepts.compile(categories)[NAME]
    assert isinstance(heads, Heads)
    return heads


def test_a_custom_category_separates_what_it_means_from_what_it_does_not(model: MiniLM, concepts: TextConcepts) -> None:
    """Eight examples and a definition are enough, on sentences that are none of them."""
    heads = heads_of(concepts, TRADE)
    violating = ["anyone want to buy my lvl 60 account? 30 bucks", "selling 5m coins cheap, paypal"]
    harmless = ["I spent all my coins on a new sword", "great match yesterday, see you on Friday"]
    scores = heads.probabilities(model.read_texts([*violating, *harmless]))[:, 0]
    assert scores[:2].min() > 0.6
    assert scores[2:].max() < 0.35


def test_everyday_lines_score_low(model: MiniLM, concepts: TextConcepts) -> None:
    """Nineteen of twenty harmless lines stay under a tenth."""
    lines = files("worker.score").joinpath("background.txt").read_text("utf-8").splitlines()
    scores = heads_of(concepts, TRADE).probabilities(model.read_texts(lines))[:, 0]
    assert np.quantile(scores, 0.95) < 0.1


def test_a_definition_alone_ranks_what_it_names_first(model: MiniLM, concepts: TextConcepts) -> None:
    """Without an example there is still a scorer."""
    texts = ["at the end of the film the butler turns out to be the murderer and dies", "pass me the salt, please"]
    scores = heads_of(concepts, SPOILER).probabilities(model.read_texts(texts))[:, 0]
    assert scores[0] > scores[1]


def test_a_category_never_moves_another(concepts: TextConcepts) -> None:
    """A head is the same whatever stands beside it in the policy."""
    alone, beside = heads_of(concepts, TRADE), heads_of(concepts, SPOILER, TRADE)
    np.testing.assert_array_equal(alone.weights[0], beside.weights[1])
    assert alone.bias[0] == beside.bias[1]


def test_compiling_again_gives_the_same_heads(model: MiniLM, concepts: TextConcepts) -> None:
    """In this process and in a fresh compiler, so decisions can be taken again."""
    assert heads_of(concepts, TRADE).digest == heads_of(TextConcepts(model), TRADE).digest
    assert concepts.digest == TextConcepts(model).digest


def test_a_category_of_detectors_alone_gets_no_opinion(model: MiniLM, concepts: TextConcepts) -> None:
    """NaN is "never scored", which is not 0; with no words in the whole policy there is nothing to look for."""
    picture = Category("nudity", detectors=("nsfw",))
    scores = heads_of(concepts, picture, TRADE).probabilities(model.read_texts(["selling my account"]))
    assert np.isnan(scores[0, 0])
    assert not np.isnan(scores[0, 1])
    assert concepts.compile([picture]) == {}


def test_no_text_of_a_policy_is_kept_on_disk(
    model: MiniLM, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache of embeddings knows texts by digest only, and gives the same vectors back."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TIDEGATE_CACHE", str(cache))
    first = heads_of(TextConcepts(model), TRADE)
    assert heads_of(TextConcepts(model), TRADE).digest == first.digest
    stored = (cache / "embeddings.sqlite").read_bytes()
    assert all(text.encode() not in stored for text in TRADE.violating)
