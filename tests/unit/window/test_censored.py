"""Letters under blocks, circles, crosses and other signs: read as what they hide, and left alone elsewhere."""

from __future__ import annotations

import time

import numpy as np
import pytest

from worker.window import censored
from worker.window.rewriting import Normalised, rewritten

STEP = censored.uncensor(rewritten)


def _found(text: str) -> Normalised:
    return Normalised(text, np.arange(len(text), dtype=np.int32), np.arange(1, len(text) + 1, dtype=np.int32))


@pytest.mark.parametrize("sign", "◼█▓▒░■●•○□◯✖✕▇⬛…_-=~.·")
def test_a_sign_in_place_of_a_letter_is_read(sign: str) -> None:
    """Whichever sign it is, where it stands for letters throughout a text."""
    written = "s*mebody sh*uld k*ll y*ur f*mily, you w*rthless pi*ce of sh*t".replace("*", sign)
    assert censored.may_be_censored(written)
    found = STEP(_found(written))
    assert found.text == "somebody should kill your family, you worthless piece of shit"
    assert found.starts.tolist() == list(range(len(written)))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("So◼ebody sh◼uld k◼ll all of th◼m", "Somebody should kill all of them"),
        ("I w░ll sh░█t you and your f░mily", "I will shoot you and your family"),
        ("y■u f■■king id■ot, go h■ng yours■lf", "you fucking idiot, go hang yourself"),
        ("f█ck", "fuck"),
        ("you f**king idiot", "you fucking idiot"),
    ],
)
def test_several_letters_and_consonants_are_read(written: str, meant: str) -> None:
    """One block is enough where one word is meant."""
    assert STEP(_found(written)).text == meant


def test_a_selector_belongs_to_its_sign() -> None:
    """A square that is drawn as an emoji is one letter, and places are those of what is seen."""
    written = "they sh◼️uld k◼️ll all wom◼️n"
    assert censored.may_be_blotted(written)
    found = STEP(_found(written))
    assert found.text == "they should kill all women"
    at = found.text.index("kill")
    assert found.span(at, at + 4) == (written.index("k◼"), written.index("k◼") + 5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ud800 a█b \udfff",
        "• apples • oranges • pears•plums",
        "•milk•eggs•bread and •butter",
        "well…and so I…am not sure…but hmm…sure, y…you know…I guess",
        "the ████ report names ██████ and Mr. B█████ of the ■ company",
        "◼️ first ◼️ second ◼️ third",
        "x=y a==b if i!=n and lang=en then q=foo&id=bar",
        "name=value type=text src=a.png width=100 class=btn",
        "col·lecció paral·lel il·lusió",
        "pros: ✔good ✖bad ✖ugly; A✖B 3✖4",
        "She typed: ok ~ fine~ yes~no maybe~so",
        "progress ███████░░░ 70% ●●●○○ rating",
        "some**thing** is **bold** and so**me**",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """Lists, pauses, whole words blacked out, code, bars and ratings are what they seem."""
    assert STEP(_found(text)).text == text


@pytest.mark.parametrize("unit", ["█", "a█", "k█ll ", "k◼️", "…", "a=", "•a ", "f■■king "])
def test_time_is_linear(unit: str) -> None:
    """A text of 100,000 characters is read in well under a second."""
    text = (unit * 100_000)[:100_000]
    STEP(_found("sh◼uld"))
    started = time.perf_counter()
    STEP(_found(text))
    assert time.perf_counter() - started < 1.0
