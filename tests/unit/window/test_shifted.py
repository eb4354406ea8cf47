"""Shifted alphabets, language games, fillers and lines read by turns are undone; other text stays."""

from __future__ import annotations

import re
import string
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.window import shifted
from worker.window.rewriting import Normalised, rewritten

SAID = "I will burn down your house tonight"


def read(text: str) -> Normalised:
    """All rules in their order, each behind its gate."""
    found = Normalised(text, np.arange(len(text), dtype=np.int32), np.arange(1, len(text) + 1, dtype=np.int32))
    for pattern, rule in (
        (shifted.LINES, shifted.from_rails),
        (shifted.TEXT, shifted.from_shift),
        (shifted.LINE, shifted.from_shift),
        (shifted.LINE, shifted.from_game),
    ):
        found = rewritten(found, pattern, rule) if shifted.may_be_shifted(found.text) else found
    step: Callable[[Normalised], Normalised] = shifted.without_fillers(rewritten)
    return step(found) if shifted.may_be_filled(found.text) else found


def caesar(text: str, by: int) -> str:
    low = string.ascii_lowercase
    table = str.maketrans(low + low.upper(), low[by:] + low[:by] + low[by:].upper() + low[:by].upper())
    return text.translate(table)


def with_syllable(text: str, syllable: str) -> str:
    return re.sub("[aeiouAEIOU]+", lambda m: syllable + m[0].lower(), text)


@pytest.mark.parametrize("by", range(1, 26))
def test_a_shift_by_any_number_is_undone_also_behind_an_announcement(by: int) -> None:
    """Each letter keeps its place."""
    assert read(caesar(SAID, by)).text == SAID
    found = read(f"caesar +{by}: {caesar(SAID, by)}")
    assert found.text == f"caesar +{by}: {SAID}"
    assert found.span(0, len(found.text)) == (0, len(found.text))


@pytest.mark.parametrize(
    "text",
    [
        SAID.translate(
            str.maketrans(string.ascii_letters, string.ascii_lowercase[::-1] + string.ascii_uppercase[::-1])
        ),
        "".join(chr(33 + (ord(c) + 14) % 94) if c != " " else c for c in SAID),
        f"The weather is fine today.\n{caesar(SAID, 4)}",
        *(with_syllable(SAID, syllable) for syllable in ("ub", "ob", "ag", "ib", "op", "idig")),
        re.sub("[bcdfghjklmnpqrstvwxz]", lambda m: f"{m[0]}o{m[0]}", SAID.lower()),
        re.sub("[aeiou]", lambda m: f"{m[0]}p{m[0]}", SAID.lower()),
        *(re.sub("([A-Za-z])", rf"\1{filler}", SAID) for filler in ("q", "x", "z", "*", "~")),
        "remove every second letter (q): " + re.sub("([A-Za-z])", r"\1q", SAID),
        f"zigzag:\n{SAID[::2]}\n{SAID[1::2]}".replace(" ", "_"),
    ],
)
def test_a_disguised_sentence_comes_out(text: str) -> None:
    """With what stands before it."""
    assert read(text).text.lower().replace("_", " ").endswith(SAID.lower())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "asdf jkl; qwer uiop",
        "Ich gehe heute Abend mit meinen Freunden ins Kino",
        "mañana vamos a la playa con los niños",
        "@user @user @user @user lol",
        "banana bandana Alabama",
        "Zbigniew Brzezinski, Grzegorz Brzeczyszczykiewicz",
        "xkcd qwrtz bcdfg hjklm npqrs",
        "hahahahaha lololol nonono",
        "good evening\nsee you soon!",
        "Kolmogorov, Chebyshev, Lobachevsky, Bernstein",
    ],
)
def test_names_laughter_and_other_languages_stay(text: str) -> None:
    """No alphabet makes words of them."""
    assert read(text).text == text


def test_a_word_without_its_filler_points_to_where_it_stood() -> None:
    """Letters keep their places."""
    text = "kqiqlqlq yqoquq nqoqwq"
    found = read(text)
    assert found.text == "kill you now"
    assert found.span(0, 4) == (0, 7)
    assert found.span(5, 8) == (9, 14)


@given(st.text(alphabet="abopqxzkAB:>\n _*'@\ud800éİ", max_size=60))
def test_any_text_at_all_is_read(text: str) -> None:
    """And every character of what comes out has its place."""
    found = read(text)
    assert len(found.starts) == len(found.ends) == len(found.text)
