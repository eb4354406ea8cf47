"""Slips and pig latin: read where they lead to one known word, and left alone where a word or a name stands."""

from __future__ import annotations

import pytest

from worker.window.misspelt import intended
from worker.window.normalise import normalise


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("I will klil you", "I will kill you"),
        ("you are a wrthless person", "you are a worthless person"),
        ("go and shoto everyone", "go and shoot everyone"),
        ("ccantt trrustt those peoplle", "cant trust those people"),
        ("go and shoqot all of thejm", "go and shoot all of them"),
        ("I'm gona kil yur mothr", "I'm gonna kill your mother"),
        ("Iway illway illkay ouyay onighttay", "i will kill you tonight"),
        ("he said that ootshay them all onighttay", "he said that shoot them all tonight"),
    ],
)
def test_what_was_meant_is_read(written: str, meant: str) -> None:
    """Places are those of the whole word, and nobody is said to hide: everybody slips."""
    found = normalise(written)
    assert found is not None
    assert found.text == meant
    start = found.text.index(meant.split()[-1])
    a, b = found.span(start, len(found.text))
    assert written[a:b] == written.split()[-1]
    assert set(found.undone) <= {"pig_latin"}


@pytest.mark.parametrize("word", ["killing", "hates", "lol", "xyzzyq", "gg"])
def test_known_words_their_forms_and_noise_stay(word: str) -> None:
    """A form of a known word is known, and what leads to no word is not touched."""
    assert intended(word) is None


@pytest.mark.parametrize("line", ["Domani andiamo al mare con tutta la famiglia.", "cia nsa fbi gps lte", "il mne lke"])
def test_other_languages_and_short_names_stay(line: str) -> None:
    """Known words among the others, or slips almost alone: nothing else says that a text is English."""
    assert normalise(line) is None


def test_names_stay() -> None:
    """A capital within a line is a name, however near a word it is."""
    assert normalise("I met Jhon and Kilian at the station") is None
