"""Emoji as words: what is said, and where it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.score.models.emoji import has_emoji, spoken
from worker.score.models.minilm import MiniLM


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM("cpu")


_PIECES = st.lists(st.sampled_from(["a", " ", "é", "🐀", "🐀", "👳🏽\u200d♂️", "❤️", "🇮🇱", "ok", "\u200d", "好"])).map(
    "".join
)


def test_a_picture_is_its_name_with_skin_and_sex() -> None:
    assert spoken("👳🏽\u200d♂️ = 🐀")[0].split() == ["man", "with", "turban", "brown", "skin", "man", "=", "rat"]


def test_the_same_picture_over_and_over_is_said_twice() -> None:
    assert spoken("🐀" * 9 + " and 🐀")[0].split() == ["rat", "rat", "and", "rat"]


def test_letters_in_squares_and_flags_are_left_to_the_normaliser() -> None:
    assert not has_emoji("🅺🅸🅻🅻 🇮🇱")


@given(_PIECES)
def test_what_is_no_emoji_stays_and_every_place_is_in_the_text(text: str) -> None:
    said, places = spoken(text)
    assert len(said) == len(places)
    for character, (start, end) in zip(said, places.tolist(), strict=True):
        assert 0 <= start < end <= len(text)
        assert text[start:end] == character or has_emoji(text[start:end])


def test_a_word_that_touches_an_emoji_is_read_and_evidence_points_at_the_emoji(model: MiniLM) -> None:
    text = "I hate rats🐀"
    ((ids, offsets),) = model.encode([text])
    ((without, _),) = model.encode(["I hate rats"])
    assert ids[: len(without)].tolist() == without.tolist()
    assert [text[start:end] for start, end in offsets.tolist()][len(without) :] == ["🐀"]
