"""Telling words apart from letters: the quick way says what the plain one says."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from worker.window.words import _TOKEN, odd_words, ranks

_pieces = st.one_of(
    st.sampled_from(["the", "game", "don't", "ki", "ll", "kil", "harbour", "zq", "xqzzt", "to", "night", "HATE", "a"]),
    st.text("abcz' .,-\n1é", max_size=6),
)
_texts = st.one_of(st.text(max_size=60), st.lists(_pieces, max_size=12).map(" ".join))


def plainly(text: str) -> bool:
    """The rule, token by token: a token unknown that makes a word with its neighbour, or mostly unknown letters."""
    known = ranks()
    before, letters, unknown = "", 0, 0
    for token in _TOKEN.findall(text.lower()):
        letters += len(token)
        if token not in known:
            unknown += len(token)
            if before and before + token in known:
                return True
        elif before and before not in known and before + token in known:
            return True
        before = token
    return letters >= 8 and unknown > 0.65 * letters


@given(_texts)
@example("ki ll")
@example("İİ ki ll")
@example("kill\x1fhim")
@example("jvyy lbh xvyy")
def test_odd_words_are_those_of_the_plain_rule(text: str) -> None:
    """For any text at all."""
    assert odd_words(text) == plainly(text)
