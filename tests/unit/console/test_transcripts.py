"""What calls say is held in bounds, in order, and shown only where it was decided."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from worker.console.transcripts import Place, Transcripts, lines_of
from worker.core.clock import FakeClock
from worker.pipeline.calls import Heard
from worker.window.transcript import Word


def said(call: str, *words: str, speaker: str = "ann", since: float = 0.0) -> Heard:
    """A word a second."""
    spoken = tuple(Word(word, since + n, since + n + 0.5) for n, word in enumerate(words))
    return Heard(("acme", call), speaker, since, since + len(words), spoken)


def test_a_call_is_forgotten_an_hour_after_its_last_word_or_when_there_are_too_many() -> None:
    """The one that nothing was heard of for longest goes first; another tenant's of that name is another call."""
    clock = FakeClock()
    kept = Transcripts(clock, most_words=5)
    kept.heard(said("a", "one", "two"))
    kept.heard(said("b", "three", "four"))
    kept.heard(said("a", "five", since=10.0))
    assert kept.of(("other", "a")) is None
    kept.heard(said("c", "six"))
    assert (kept.of(("acme", "b")), list(kept.of(("acme", "a")) or ())) == (None, ["ann"])
    clock.advance(3_600)
    kept.heard(said("c", "seven", since=10.0))
    clock.advance(1)
    assert (kept.of(("acme", "a")), len((kept.of(("acme", "c")) or {})["ann"])) == (None, 2)


@pytest.mark.parametrize("until", [1.0, 10.0])
def test_only_words_of_decided_windows_stand_in_lines(until: float) -> None:
    """In the order of the call; marked by the strictest that acts there, for their speaker alone."""
    words: dict[str | None, Sequence[Word]] = {
        "ann": said("a", "hello", "you").words,
        "bob": said("a", "there", speaker="bob", since=0.6).words,
    }
    places = [
        Place("ann", 0.0, until),
        Place("bob", 0.0, until),
        Place("ann", 0.9, 2.0, "flag"),
        Place("ann", 1.1, 1.4, "block"),
    ]
    lines = lines_of(words, places[:2] if until == 1.0 else places)
    expected = [("ann", [["hello", None]]), ("bob", [["there", None]])]
    if until > 1.0:
        expected[0][1].append(["you", "block"])
    assert [(line["speaker"], line["words"]) for line in lines] == expected
