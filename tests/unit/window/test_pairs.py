"""Letters written as pairs and capitals that look like them: read where a text becomes words by it, else left alone."""

from __future__ import annotations

import time

import numpy as np
import pytest

from worker.window import pairs
from worker.window.ordinary import ordinary
from worker.window.rewriting import Normalised, rewritten

STEP = pairs.unpair(rewritten)


def _found(text: str) -> Normalised:
    return Normalised(text, np.arange(len(text), dtype=np.int32), np.arange(1, len(text) + 1, dtype=np.int32))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (
            "Somebocly shouId kilI aII of thern, those vvorthIess people",
            "Somebody should kill all of them, those worthless people",
        ),
        ("I vvill rnurder your farnily and burn your horne", "I will murder your family and burn your home"),
        ("he is a cornplete rnoron and I hate hirn", "he is a complete moron and I hate him"),
        ("clie you clisgusting clogs, you cleserve to clie", "die you disgusting dogs, you deserve to die"),
        ("sonnebody shoot those imnnigrants in the heacl", "somebody shoot those immigrants in the head"),
        ("KlLL ALL THE JEVVS, KlLL THEM", "KILL ALL THE JEWS, KILL THEM"),
        ("burninq their houses and killinq thern toniqht", "burning their houses and killing them tonight"),
        ("tlie fuckinq Jews wlio run tlie world", "the fucking Jews who run the world"),
        ("Klll all of thls filth, wlth a knlfe", "Kill all of this filth, with a knife"),
        ("l hope aIl Muslirns burn, they are idiots", "I hope all Muslims burn, they are idiots"),
        ("I'II cut your tliroat", "I'll cut your throat"),
        ("k1II yourseIf, nobocly l0ves you", "kill yourself, nobody loves you"),
        ("uuorthless uuomen, AII of you", "worthless women, All of you"),
    ],
)
def test_what_it_looks_like_is_read(written: str, meant: str) -> None:
    """Its gate opens, nobody takes it for ordinary, places stay in order, and reading again changes nothing."""
    assert pairs.may_be_paired(written)
    assert not ordinary(written)
    found = STEP(_found(written))
    assert found.text == meant
    assert len(found.starts) == len(found.ends) == len(found.text)
    assert (np.diff(found.starts) >= 0).all()
    assert (found.starts < found.ends).all()
    assert STEP(found).text == meant


def test_places_are_those_of_the_word() -> None:
    """A letter for a letter keeps its place; a word with pairs stands for the whole of what was written."""
    written = "they kilI aII of thern, those vvomen"
    found = STEP(_found(written))
    assert found.text == "they kill all of them, those women"
    at = found.text.index("kill")
    assert found.span(at + 1, at + 3) == (written.index("kilI") + 1, written.index("kilI") + 3)
    at = found.text.index("them")
    assert found.span(at, at + 4) == (written.index("thern"), written.index("thern") + 5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ud800 vvorn kilI \udfff",
        "modern barn with a vacuum, skiing in March; my iPhone and McDonald met AI in part II",
        "The clump of fern by the inn had clover and a clove of garlic.",
        "const iid = vvec[ii]; for (ii = 0; ii < nn; ii++) { clk(rn); }",
        "Class II and III, Henry VIII, the WWII memorial, in Q1 and FAQ, an ICU nurse",
        "Iran, Iraq, Ireland, Ida, Ivan, Ike and Iggy met at IKEA with Illya",
        "Carlo Iovino and DiIorio from OpenAI and GenAI labs",
        "x = cl + nn; y = rn*vv; ll = lt",
        "SELECT IId FROM TblItems WHERE lId = 3",
        "Siis niin, muuten kiitos ja suuri nauru",
        "lernen und turnen in Bern mit Arnold, Ernst und Werner",
        "the annual banner was worn by Ernie and Connor Flannery",
        "somebody wrote thern once",
        "an airline from Qatar and Iraqi niqab shops in Qom",
        "add 5 l of water and 10 cl of cream, then 1 l more",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """Real words with such letters, names, numerals, measures, code and other languages are what they seem."""
    assert STEP(_found(text)).text == text


@pytest.mark.parametrize("unit", ["rn", "vv ", "clie ", "kilI ", "lili", "l ", "I", "lI1i ", "qz thern ", "rnclvvii'"])
def test_time_is_linear(unit: str) -> None:
    """A text of 100,000 characters is read in well under a second."""
    text = (unit * 100_000)[:100_000]
    STEP(_found("somebocly shouId"))
    started = time.perf_counter()
    STEP(_found(text))
    assert time.perf_counter() - started < 1.0
