"""Stitching: words that two readings have, and words cut where a reading ends, stand once and whole."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.window.transcript import Transcript, Word


def words(text: str, start: float, *, each: float = 0.3) -> list[Word]:
    return [Word(one, start + k * each, start + (k + 1) * each) for k, one in enumerate(text.split())]


def stitched(*readings: tuple[list[Word], float]) -> str:
    transcript = Transcript()
    for reading, since in readings:
        transcript.read(reading, since)
    return " ".join(word.text for word in transcript.words(-1.0, 1e9))


def test_a_word_cut_at_the_end_of_a_reading_comes_out_once_and_whole() -> None:
    """The next reading begins in the pause before it."""
    first = words("I will find you and hu-", 0.0)
    assert stitched((first, 0.0), (words("hurt you tomorrow", 1.5), 1.45)) == "I will find you and hurt you tomorrow"


def test_words_that_both_readings_have_stand_once() -> None:
    """Even when their times differ a little."""
    first = words("and so my fellow Americans, ask", 0.0)
    second = words("Americans ask not what", 1.0)
    assert stitched((first, 0.0), (second, 1.2)) == "and so my fellow Americans ask not what"


def test_a_word_just_before_the_cut_is_kept() -> None:
    """The later reading does not have it."""
    assert stitched((words("one two three", 0.0), 0.0), (words("four five", 1.0), 0.95)) == "one two three four five"


def test_a_later_reading_stands_for_the_earlier_one() -> None:
    """It heard the words to their end."""
    assert stitched((words("that is a grate", 0.0), 0.0), (words("great idea", 0.9), 0.88)) == "that is a great idea"


def test_a_window_has_only_what_was_said_in_it_and_when() -> None:
    """Its text points back to the second and the speaker of each word."""
    transcript = Transcript()
    transcript.read(words("a b c d e", 10.0, each=1.0), 10.0)
    source = transcript.source("window/2/transcript", 11.0, 14.0, "spk-1")
    assert source.text == "b c d"
    assert source.evidence(2, 3).as_json() == {"span": [2, 3], "t": [12.0, 13.0], "speaker": "spk-1"}
    assert [word.text for word in transcript.forget(12.0)] == ["a", "b"]


def test_a_long_pause_ends_a_line() -> None:
    """So that two sentences are not read as one."""
    transcript = Transcript()
    transcript.read([Word("stop", 0.0, 0.4), Word("go", 4.0, 4.3)], 0.0)
    assert transcript.source("w", 0.0, 9.0, None).text == "stop\ngo"


@settings(deadline=None, max_examples=50)
@given(
    said=st.lists(st.sampled_from(["a", "be", "see", "did", "even", "of", "gone", "here"]), min_size=1, max_size=40),
    cuts=st.lists(st.tuples(st.integers(1, 39), st.integers(0, 4)), max_size=8),
)
def test_readings_that_begin_at_a_cut_give_back_what_was_said(said: list[str], cuts: list[tuple[int, int]]) -> None:
    """Wherever they begin, and however many words the one before had already."""
    told = [Word(text, k * 0.4, k * 0.4 + 0.3) for k, text in enumerate(said)]
    begins = sorted({0, *(place for place, _ in cuts if place < len(said))})
    ahead = dict(cuts)
    readings = []
    for place, begin in enumerate(begins):
        end = begins[place + 1] + ahead.get(begins[place + 1], 0) if place + 1 < len(begins) else len(said)
        readings.append((told[begin:end], begin * 0.4 - 0.05 if begin else 0.0))
    assert stitched(*readings) == " ".join(said)
