"""What is read of the messages of a window."""

from __future__ import annotations

from worker.pipeline.together import Joined, joins


def test_a_speakers_last_two_and_three_are_read_as_they_are_and_all_of_them_with_a_discount() -> None:
    """Lists look in the whole alone, which holds the others."""
    assert joins("speaker", ["hi all", "i will", "hurt", "you"]) == [
        Joined("hi all i will hurt you", whole=True, close=False),
        Joined("hurt you", whole=False, close=True),
        Joined("i will hurt you", whole=False, close=True),
    ]
    assert joins("speaker", ["kill", "yourself"]) == [Joined("kill yourself", whole=True, close=True)]


def test_of_everyone_the_whole_is_read_with_a_discount() -> None:
    """What two people say is seldom one sentence."""
    assert joins("exchange", ["where", "at home"]) == [Joined("where at home", whole=True, close=False)]
    assert joins("exchange", ["alone"]) == []
