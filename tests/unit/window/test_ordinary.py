"""Most messages are words and full stops: they are left alone at the first question."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.window.normalise import normalise
from worker.window.ordinary import ordinary
from worker.window.words import ranks

_MODULE = sys.modules[normalise.__module__]
_WORDS = [word for word in ranks() if word.isalpha()][:3_000]


@pytest.mark.parametrize(
    "text",
    [
        "good morning everyone, how was your weekend?",
        "I think we should meet at the library. It opens at nine.",
        "that's what she said, isn't it?",
        "has anybody seen Wojciechowski at the library today?",
    ],
)
def test_plain_sentences_are_ordinary(text: str) -> None:
    assert ordinary(text)


@pytest.mark.parametrize(
    "text",
    [
        "k1ll them", "k i l l them", "wrthlss people", "kill lol all haha of xd them", "kill, all, of, them, now,",
        "**ki**ll them", "SoMe CaSe", "kiiill them", "café", "love a love b love c love d love", "<b>hi</b>", "",
    ],
)  # fmt: skip
def test_whatever_a_rule_may_ask_for_is_not(text: str) -> None:
    assert not ordinary(text)


@given(
    st.lists(st.tuples(st.sampled_from(_WORDS), st.sampled_from(["", "", "", ",", ".", "?"])), min_size=1),
    st.text("abcdeilnorsty", max_size=12),
    st.lists(st.integers(0, 30), max_size=3),
)
def test_no_step_changes_what_is_ordinary(words: list[tuple[str, str]], name: str, at: list[int]) -> None:
    """Read the long way it comes out the same, with a word among them that nobody knows as well."""
    for place in at if name else ():
        words.insert(place, (name, ""))
    text = " ".join(word + stop for word, stop in words)
    if ordinary(text):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_MODULE, "ordinary", lambda text: False)
            assert normalise(text) is None
