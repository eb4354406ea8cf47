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


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (
            "Somebody (so to speak) should kill (as they say) all of (ahem) them, those (lol) worthless people",
            "Somebody should kill all of them, those worthless people",
        ),
        (
            "nobody (you see) cares about you (sorry) so just go (no really) and die",
            "nobody cares about you so just go and die",
        ),
        ("We [apple tree] will [green lamp] burn [chair] your [blue shoe] house down", "We will burn your house down"),
        ("I (banana) will (banana) find (banana) you", "I will find you"),
        ("You *cough* should *cough* kill *ahem* all of them", "You should kill all of them"),
        ("You *looks around* should go *sips tea* and kill *rolls eyes* them all", "You should go and kill them all"),
        ("You -- so to speak -- should kill -- as they say -- all of -- ahem -- them", "You should kill all of them"),
        ("You—ha—should—you know—kill them—I mean—all of them", "You should kill them all of them"),
        ("ki(banana)ll the(apple)m all, we(pear) will", "kill them all, we will"),
    ],
)
def test_asides_throughout_are_left_out(written: str, read: str) -> None:
    found = normalise(written)
    assert found is not None
    assert found.text == read
    at = found.text.rindex(read.split()[-1])
    assert written[slice(*found.span(at, at + 3))] == read.split()[-1][:3]


@pytest.mark.parametrize(
    "text",
    [
        "She was (and is) a friend (of mine) to all of us",
        "See the results (1), as shown in (2) and by (Smith et al.), that it is (3) true (a) and (b)",
        "[He] said that [the company] would [not] pay for it",
        "Dear [name], your [product] from [company] will be here, and [name] will call you",
        "the cat (black) and the dog (brown) and the bird (blue) are here",
        "butter (softened), sugar (white), and eggs (large) go into the bowl",
        "I (Bob) and you (Ann) and we (the team) are (all) here",
        "I *really* do *not* want *any* of it",
        "The *cats* and *dogs* are *boys* of mine",
        "*sighs* I told you that he is *rolls eyes* an idiot",
        "{ (" * 9,
    ],
)
def test_ordinary_asides_and_citations_stay(text: str) -> None:
    assert normalise(text) is None


def test_strewn_words_are_no_disguise_by_name() -> None:
    found = normalise(_between("lol", "haha"))
    assert found is not None
    assert found.undone == ()


def test_few_words_are_never_filled() -> None:
    assert not filled("lol haha xd :)")
