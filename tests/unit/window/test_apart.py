"""Letters and words pulled apart, joined or cut elsewhere are read again; ordinary writing keeps its borders."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.window import apart, joined
from worker.window.rewriting import Normalised, rewritten

RULES = (
    (joined.LINES, joined.one_line),
    (joined.TAGS, joined.untag),
    (joined.TAG, joined.split_tag),
    (joined.JOINED_WORDS, joined.part_words),
    (joined.LEET_RUN, joined.part_leet),
)


def read(text: str) -> Normalised:
    """The text after the rules of both files, with the places of its characters."""
    size = len(text)
    found = Normalised(text, np.arange(size, dtype=np.int32), np.arange(1, size + 1, dtype=np.int32))
    found = rewritten(found, apart.PASSAGE, apart.read_apart) if apart.may_be_apart(found.text) else found
    for pattern, rule in RULES if joined.may_be_joined(found.text) else ():
        found = rewritten(found, pattern, rule)
    return found


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("k  i  l  l     a  l  l", "kill all"),
        ("k ~ i ~ l ~ l    t ~ h ~ e ~ m", "kill them"),
        ("k\u2009i\u2009l\u2009l  h\u2009e\u2009r", "kill her"),
        ("k i l l a l l o f t h e m", "kill all of them"),
        ("k.i.l.l.t.h.e.m.a.l.l", "kill them all"),
        ("k\ni\nl\nl\n\nt\nh\ne\nm", "kill them"),
        ("(k)(i)(l)(l) (h)(e)(r)", "(kill her)"),
        ("[k] [i] [l] [l]", "[kill]"),
        ("'k' 'i' 'l' 'l'", "'kill'"),
        ("k💀i💀l💀l t💀h💀e💀m", "kill them"),
        ("k 💀 i 🔥 l l   t 👍 h e m", "kill them"),
        ("y·o'u a r_e a w+o+r/t.h·l|e·s-s p_i-e/c/e", "you are a worthless piece"),
        ("5.h.0.0.t t.h.3.m 4.l.l", "5h00t th3m 4ll"),
        ("I want to k ~ i ~ l ~ l you", "I want to kill you"),
        ("yo,u a^re a worthle.ss pi'ece of tr,ash", "you are a worthless piece of trash"),
        ("ki💀ll thei✨r children", "kill their children"),
        ("I will ki\nll you and all of your frien-\nds", "I will kill you and all of your friends"),
        ("w e shou ld k ill th em al l", "we should kill them all"),
        ("yshoul dkil lal lo fthem", "y should kill all of them"),
        ("tho sepeopl eshoul db eburne daliv e", "those people should be burned alive"),
    ],
)
def test_what_was_pulled_apart_is_read(written: str, meant: str) -> None:
    """Whatever stands between, letters make the words that are likeliest."""
    assert re.sub(r"\s+", " ", read(written).text) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("kill_all_of_them", "kill all of them"),
        ("kill-all-of-them", "kill all of them"),
        ("kill•all•of•them", "kill all of them"),
        ("kill/all/of/them", "kill all of them"),
        ("#kill #all #of #them", "kill all of them"),
        ("#KillAllOfThem", "Kill All Of Them"),
        ("#killallofthemnow", "kill all of them now"),
        ("kill\n\nall\n\nof\n\nthem", "kill all of them"),
        ("1w1llk!ll@ll0fth3m", "1 w1ll k!ll @ll 0f th3m"),
    ],
)
def test_what_was_joined_is_parted(written: str, meant: str) -> None:
    """Sentences without spaces get them."""
    assert read(written).text == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\ud800",
        "A well-known, state-of-the-art e-mail and/or rock'n'roll, don't you think? Version 3.5, e.g. in the U.S.A.",
        "Write to anna.smith@example.com or see https://example.com/kill_all/of/them.html",
        "open my_long_file_name.txt and call read_all_of_it(x) in src/main/all/of/this.py",
        "Q. What is 2 + 2? A. 4, i.e. x = 1, y = 2, z = 3",
        "Eenie, meenie, miney, mo: Kowalski and Szczepanska met Wojciechowski at Przemysl.",
        "Domani andiamo al mare con tutta la famiglia e poi mangiamo una pizza.",
        "Der Hund läuft heute morgen durch den Garten und bellt die Katze an.",
        "#love #cats #dogs #nofilter",
        "#BlackLivesMatter is trending again today on every page",
        "eggs\nmilk\nflour\nbutter",
        "red/green/blue and left-right-left",
        "ha! ha! ha! ha!",
        "He said the node's value isn't o'clock; the gov't won't mind, y'all.",
        "dQw4w9WgXcQ3kLm8 and aG93IGRvIEkga2lsbA",
        "call 555-123-4567 or 12.5.2020",
        "a b c d e f g",
    ],
)
def test_ordinary_writing_stays(text: str) -> None:
    """Compounds, contractions, addresses, files, lists, names, numbers and other languages keep their borders."""
    assert read(text).text == text


def test_places_point_into_the_original() -> None:
    """What is kept stands where it stood."""
    written = "I said k ~ i ~ l ~ l her no,w and the~m to_o"
    found = read(written)
    start = found.text.index("kill")
    assert found.span(start, start + 4) == (7, 20)
    for i, c in enumerate(found.text):
        if c.isalpha():
            assert written[found.starts[i] : found.ends[i]] == c


@given(st.text(alphabet=st.sampled_from("kil thema.-_'\n#1@💀\ud800é"), max_size=60))
@example("k i l l #")
@example("'" * 40)
def test_any_text_will_do(text: str) -> None:
    """Nothing raises, and letters are neither lost nor made."""
    assert re.sub(r"[^A-Za-z]", "", read(text).text) == re.sub(r"[^A-Za-z]", "", text)
