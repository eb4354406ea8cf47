"""Words in numbers, base85, Braille, drawn Morse, pieces of base64 and addresses are read; other text stays."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.window import ciphers
from worker.window.rewriting import Normalised, rewritten

SAID = "I will kill you tonight"

RULES = (
    (ciphers.may_be_numbers, ciphers.NUMBERS, ciphers.from_numbers),
    (ciphers.may_be_coded, ciphers.CODES, ciphers.from_codes),
    (ciphers.may_be_coded, ciphers.BLOB, ciphers.from_blob),
    (ciphers.may_be_coded, ciphers.BASE85, ciphers.from_base85),
    (ciphers.may_be_drawn, ciphers.BRAILLE, ciphers.from_braille),
    (ciphers.may_be_drawn, ciphers.MORSE, ciphers.from_drawn_morse),
    (ciphers.may_be_addressed, ciphers.ADDRESSED, ciphers.from_address),
)


def read(text: str) -> Normalised:
    """All rules in their order, each behind its gate."""
    found = Normalised(text, np.arange(len(text), dtype=np.int32), np.arange(1, len(text) + 1, dtype=np.int32))
    for gate, pattern, rule in RULES:
        found = rewritten(found, pattern, rule) if gate(found.text) else found
    step: Callable[[Normalised], Normalised] = ciphers.read_pieces(rewritten)
    return step(found) if ciphers.may_be_coded(found.text) else found


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalpha())


def places(text: str, between: str, apart: str) -> str:
    return apart.join(between.join(str(ord(c) - 96) for c in word) for word in text.lower().split())


MORSE = ".. / .-- .. .-.. .-.. / -.- .. .-.. .-.. / -.-- --- ..- / - --- -. .. --. .... -"  # the sentence above


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"{b:08b}" for b in SAID.encode()),
        "".join(f"{b:08b}" for b in SAID.encode()),
        " ".join(f"{b:07b}" for b in SAID.encode()),
        "".join(f"{b:07b}" for b in SAID.encode()),
        " ".join(str(b) for b in SAID.encode()),
        ", ".join(str(b) for b in SAID.encode()),
        "".join(str(b) for b in SAID.encode()),
        " ".join(f"{b:03o}" for b in SAID.encode()),
        places(SAID, "-", " / "),
        places(SAID, "-", " "),
        places(SAID, ".", "  "),
        places(SAID, " ", " / "),
        places("kill them all tonight", " ", " "),
        "".join(f"\\x{b:02x}" for b in SAID.encode()),
        "".join(f"\\{b:03o}" for b in SAID.encode()),
        " ".join(f"0x{b:02x}" for b in SAID.encode()),
        base64.a85encode(SAID.encode(), adobe=True).decode(),
        base64.a85encode(SAID.encode()).decode(),
        base64.b85encode(SAID.encode()).decode(),
        "⠊ ⠺⠊⠇⠇ ⠅⠊⠇⠇ ⠽⠕⠥ ⠞⠕⠝⠊⠛⠓⠞",
        "⠠⠊⠀⠺⠊⠇⠇⠀⠅⠊⠇⠇⠀⠽⠕⠥⠀⠞⠕⠝⠊⠛⠓⠞",
        MORSE.replace(".", "·").replace("-", "–").replace(" / ", "   "),
        MORSE.replace(".", "•").replace("-", "—"),
        MORSE.replace("-", "_"),
        MORSE.replace(" / ", "//").replace(" ", "/"),
        " ".join(b64(word) for word in SAID.split()),
        " ".join(b64(word).rstrip("=") for word in SAID.split()),
        f"I will {b64('kill')} you {b64('tonight')}",
        " ".join(base64.b32encode(word.encode()).decode() for word in SAID.split()),
        " ".join(word.encode().hex() for word in SAID.split()),
        "\n".join(b64(SAID)[i : i + 7] for i in range(0, 32, 7)),
        "\n".join(b64(SAID)[i : i + 16] for i in range(0, 32, 16)),
        " ".join(b64(SAID)[i : i + 4] for i in range(0, 32, 4)),
        b64(SAID[::-1]),
        b64(SAID)[::-1],
        b64(codecs.encode(SAID, "rot13")),
        codecs.encode(b64(SAID), "rot13"),
        b64(b64(SAID)),
        b64(SAID.encode().hex()),
        b64(SAID).encode().hex(),
    ],
)
def test_words_in_another_coding_are_read(text: str) -> None:
    """However their letters are grouped."""
    assert letters(read(text).text) in (letters(SAID), "killthemalltonight")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Call me on 555 0199 12 14 or 020 7946 0958",
        "We won 3-2, 1-4, 2-2 and 5-1 on 12.11.2024",
        "lottery numbers: 4 8 15 16 23 42",
        "85 90 77 104 66 71 kg over six weeks",
        "0101 0110 1101 0011 1010 0101 0110 1100 is the mask",
        "deadbeef cafebabe 0xdeadbeef 0x00ff00ff",
        "commit b0a2c09f3d1e4a5b6c7d8e9f00112233",
        "my iPhone and YouTube stay as they are",
        "key=AIzaSyD4x9QmLk3TtR7vBn2WcXz8PoYuHgFdSaE",
        "https://example.com/watch?v=dQw4w9WgXcQ&list=PL123+456",
        "https://example.com/search?q=weather&page=2",
        "⣿⣿⣿⡿⠟⠛⠛⠻⢿⣿⣿\n⣿⡿⠋⠀⠀⠀⠀⠀⠀⠙⢿",
        "one – two – three … four – five",
        "a · b · c — d",
        "* * * * *",
        "x = 41 = 42 = 43 = 44",
        "what on earth (this-is-not-base85!) {really} <ok>",
    ],
)
def test_numbers_keys_addresses_and_dashes_of_ordinary_text_stay(text: str) -> None:
    """They decode to no words."""
    assert read(text).text == text


def test_the_words_of_an_address_are_read_where_they_stand() -> None:
    """Evidence points to the word as it is written."""
    text = "see https://example.com/search?lang=en&q=how+to+%6bill+%73ome%62ody#top"
    found = read(text)
    assert found.text == "see how to kill somebody"
    at = found.text.index("kill")
    start, end = found.span(at, at + len("kill"))
    assert text[start:end] == "%6bill"[: end - start]
    assert start == text.index("%6b")


def test_a_braille_word_points_to_its_cells() -> None:
    """Cell for letter."""
    found = read("so ⠅⠊⠇⠇ ⠽⠕⠥⠗⠎⠑⠇⠋ now")
    assert found.text == "so kill yourself now"
    assert found.span(3, 7) == (3, 7)


def test_a_coded_word_points_to_itself_alone() -> None:
    """The words beside it are not its evidence."""
    found = read(f"I will {b64('kill')} you")
    assert found.text == "I will kill you"
    assert found.span(7, 11) == (7, 7 + len(b64("kill")))


def test_three_letters_are_read_beside_longer_words_only() -> None:
    """Four characters decode to a word by chance."""
    assert read("the bWFu").text == "the bWFu"
    assert read(f"bWFu {b64('killer')}").text == "man killer"


@given(st.text(alphabet="01 278aAkQx=%+/\\.-·–⠅⠊_*<~:\n\ud800é", max_size=60))
def test_any_text_at_all_is_read(text: str) -> None:
    """And every character of what comes out has its place."""
    found = read(text)
    assert len(found.starts) == len(found.ends) == len(found.text)
