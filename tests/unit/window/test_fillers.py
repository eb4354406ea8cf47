"""Words strewn between words."""

from __future__ import annotations

import pytest

from worker.window.fillers import filled
from worker.window.normalise import normalise

_SAID = "you should leave this town and never come back"


def _between(*fillers: str) -> str:
    return " ".join(f"{word} {fillers[i % len(fillers)]}" for i, word in enumerate(_SAID.split()))


@pytest.mark.parametrize(
    "fillers",
    [
        ("lol", "haha", "xD"),
        (":)", ":D", "(:", "<3"),
        ("@sam", "@mike_22"),
        ("love",),
        ("bueno", "pues", "siempre"),
    ],
)
def test_what_stands_between_the_words_is_taken_out(fillers: tuple[str, ...]) -> None:
    found = normalise(_between(*fillers))
    assert found is not None
    assert found.text.strip() == _SAID
    at = found.text.index("town")
    assert _between(*fillers)[slice(*found.span(at, at + 4))] == "town"


@pytest.mark.parametrize(
    "text",
    [
        "lol that was so good, haha, see you at the game tomorrow then",
        "the cat and the dog and the bird and the fish live in the house",
        "no no no no, I said no, we are not going there again",
        "thanks @anna and @mike for the help with the move yesterday",
        "les livres et les disques et les affiches et les lampes sont dans les cartons",
        "ich weiss nicht ob du kommst, aber ich weiss dass wir nicht ohne dich fahren wollen",
        "",
    ],
)
def test_ordinary_talk_stays(text: str) -> None:
    assert normalise(text) is None


def test_strewn_words_are_no_disguise_by_name() -> None:
    found = normalise(_between("lol", "haha"))
    assert found is not None
    assert found.undone == ()


def test_few_words_are_never_filled() -> None:
    assert not filled("lol haha xd :)")
