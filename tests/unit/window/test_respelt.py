"""Words spelt otherwise: read where a text is written so, and left alone where slang, names or other languages are."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from worker.window import censored, respelt, shapes
from worker.window.rewriting import Normalised, rewritten

Step = Callable[[Normalised], Normalised]
RESPELL, UNCENSOR = respelt.respell(rewritten), censored.uncensor(rewritten)
SHAPES, UNDRAW = shapes.read_shapes(rewritten), shapes.undraw(rewritten)
GATES = {
    RESPELL: respelt.may_be_respelt,
    UNCENSOR: censored.may_be_censored,
    SHAPES: shapes.may_be_shapes,
    UNDRAW: shapes.may_be_drawn,
}


def _found(text: str) -> Normalised:
    return Normalised(text, np.arange(len(text), dtype=np.int32), np.arange(1, len(text) + 1, dtype=np.int32))


@pytest.mark.parametrize(
    ("step", "written", "meant"),
    [
        (RESPELL, "Smbdy shld kll thm wrthlss ppl", "somebody should kill them worthless people"),
        (RESPELL, "smoeobdy solhud kill those wrolhsets poelpe", "somebody should kill those worthless people"),
        (
            RESPELL,
            "somebody shouod koll those worthlrss people tonighy",
            "somebody should kill those worthless people tonight",
        ),
        (RESPELL, "I hope they bufn yoyr hpuse down tknight", "I hope they burn your house down tonight"),
        (RESPELL, "we shud kyll dem wurthless peeple 2nite", "we should kill them worthless people tonight"),
        (RESPELL, "u r a stoopid wumman and i h8 yoor phamily", "you are a stupid woman and i hate your family"),
        (UNCENSOR, "S*m*b*dy should k*ll these w*rthl*ss p**pl*", "Somebody should kill these worthless people"),
        (UNCENSOR, "s#mebody should k-ll these w.rthless p_ople", "somebody should kill these worthless people"),
        (UNCENSOR, "he is a piece of s**t", "he is a piece of shit"),
        (SHAPES, r"|<1|_|_ `/()|_|2 |\/|()7|-|3|2", "kill your mother"),
        (SHAPES, "†h3y $#ou|d sh00+ §0me ßo¥$", "they should shoot some boys"),
        (SHAPES, "1 w1ll hürt y0ür f4m1ly", "i will hurt your family"),
        (UNDRAW, "IIII haaate youu annd yooour ddoogg", "I hate you and your dog"),
        (UNDRAW, "wwwwworthleess peeeople oof youur tooown", "worthless people of your town"),
    ],
)
def test_what_was_meant_is_read(step: Step, written: str, meant: str) -> None:
    """Its gate opens, places stay inside the text and in order, and reading again changes nothing."""
    assert GATES[step](written)
    found = step(_found(written))
    assert found.text == meant
    assert len(found.starts) == len(found.ends) == len(found.text)
    assert (np.diff(found.starts) >= 0).all()
    assert (found.starts < found.ends).all()
    assert found.ends[-1] <= len(written)
    assert step(found).text == meant


def test_places_are_those_of_the_letters() -> None:
    """A letter built of signs stands for all from its first one on, and a word read anew for the whole of it."""
    found = SHAPES(_found(r"you |<1|_|_ `/()|_|2 |\/|()7|-|3|2"))
    at = found.text.index("mother")
    assert found.span(at, at + 6)[0] == found.starts[at] == 21
    found = RESPELL(_found("smbdy shld kll thm wrthlss people"))
    at = found.text.index("kill")
    assert found.span(at, at + 4) == (11, 14)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ud800 a*b \udfff",
        "Domani andiamo al mare con tutta la famiglia.",
        "Wir gehen morgen mit der ganzen Familie ans Meer.",
        "Kowalski met Nguyen and Oyelaran at the Zwolle office near Utrecht yesterday.",
        "lol omg smh idk bruh tbh",
        "well-known e-mail and co-op, at 9 a.m. or 5 p.m. in the U.S.",
        "she *kisses right cheek* and *smiles*",
        "int main() { return x[i] | y[j]; } // ok <3 :)",
        r"¯\_(ツ)_/¯ that costs $5.99 or 3€ (about 10%)",
        "| name | age |\n|------|-----|\n| Ann  | 32  |",
        r" /\_/\ " + "\n( o.o )\n > ^ <",
        "call 555-0199 before 3pm, flat 4b, M25 and A4 paper",
        "sooo good, the book has all too many rooms",
        "my_variable_name = other_name.value",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """Other languages, names, compounds, code, tables, faces and prices are what they seem."""
    for step in GATES:
        assert step(_found(text)).text == text


def test_known_words_have_no_other_reading() -> None:
    """Slang that means itself has none either."""
    assert respelt.readings("house") == respelt.readings("finna") == ()
    assert ("vowels", "worthless") in {(way, meant) for _, way, meant in respelt.readings("wrthlss")}


@pytest.mark.parametrize(
    "unit", ["a", " ", "ab", "a ", "a*", "a.", "|<", "aaabbb ", "smbdy shld ", "A. ", "s**t k_ll ", "1|!7/"]
)
def test_time_is_linear(unit: str) -> None:
    """A text of 100,000 characters is read in well under a second by each step."""
    text = (unit * 100_000)[:100_000]
    RESPELL(_found("smbdy shld kll thm wrthlss people"))
    for step in GATES:
        started = time.perf_counter()
        step(_found(text))
        assert time.perf_counter() - started < 1.0
