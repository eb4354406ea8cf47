"""What is read together with a message, how far the queue is read again, and the bounds of both."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.core.records import Partition, Position
from worker.core.streams import CallRules, Together
from worker.window.conversation import LONG, Conversations
from worker.window.trail import CallTrails, Trail

RULES = CallRules()
PARTITION = Partition("events", 0)
Line = tuple[str, str]


def say(talk: Conversations, lines: list[Line], *, rules: CallRules = RULES, every_ms: int = 1_000) -> Together | None:
    """Notes the lines in one stream; gives what is read with the last."""
    found = None
    for offset, (speaker, text) in enumerate(lines):
        found = talk.note(Position(*PARTITION, offset), ("acme", "room"), offset * every_ms, speaker, text, rules)
    return found


def test_the_last_messages_of_the_speaker_and_of_everyone() -> None:
    """The message itself last; others' between them only in the exchange."""
    found = say(Conversations(), [("ann", "kill"), ("bob", "hi"), ("ann", "your"), ("ann", "self")])
    assert found is not None
    assert found.own == ("kill", "your", "self")
    assert found.all == ("kill", "hi", "your", "self")
    assert (found.own_since, found.until) == (0.0, 3.0)


def test_one_speaker_alone_is_read_once() -> None:
    """The exchange would say the same."""
    found = say(Conversations(), [("ann", "kill"), ("ann", "your")])
    assert found is not None
    assert found.all == ()


def test_the_first_message_and_one_after_a_long_while_stand_alone() -> None:
    """Older ones than `messages_s` are left out."""
    assert say(Conversations(), [("ann", "kill")]) is None
    assert say(Conversations(), [("ann", "kill"), ("ann", "your")], every_ms=301_000) is None


def test_a_long_message_stands_alone_and_a_view_has_room_for_so_much() -> None:
    """What a long one says it says by itself; it is no part of what others complete."""
    assert say(Conversations(), [("ann", "kill"), ("ann", "x" * (LONG + 1))]) is None
    found = say(Conversations(), [("ann", "a" * 100), ("ann", "b" * 100), ("ann", "x" * 500), ("ann", "c" * 100)])
    assert found is not None
    assert found.own == ("b" * 100, "c" * 100)


@given(lines=st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.text("ab ", max_size=25)), max_size=30))
def test_what_is_read_together_depends_on_the_last_messages_alone(lines: list[Line]) -> None:
    """Someone who hears only the end of a conversation reads the same with its last message."""
    spoken = [line for line in lines if line[1].strip()]
    last = spoken[-(RULES.messages * 2 + RULES.exchange) :]
    if len(spoken) < 2 or not any(speaker != spoken[-1][0] for speaker, _ in last[-RULES.exchange :]):
        return
    heard_all, heard_end = say(Conversations(), spoken), say(Conversations(), last)
    assert heard_all is not None
    assert heard_end is not None
    assert heard_all.all == heard_end.all


def test_no_more_streams_than_are_allowed() -> None:
    """The one that has been silent longest goes; a partition that went takes its own."""
    talk = Conversations(most=3)
    for number in range(10):
        talk.note(Position(*PARTITION, number), ("acme", str(number)), number, "ann", "hi", RULES)
    assert len(talk) == 3
    talk.forget([PARTITION])
    assert len(talk) == 0


stamps = st.lists(st.integers(0, 3_000), min_size=1, max_size=60)


@given(steps=stamps, horizon=st.integers(0, 20_000), committed=st.integers(0, 60), asked=st.integers(0, 60))
def test_the_way_back_reaches_as_far_as_windows_look(
    steps: list[int], horizon: int, committed: int, asked: int
) -> None:
    """From any offset that is not committed yet, every record within the horizon before it is read again."""
    trail, at, found = Trail(), 0, []
    for offset, step in enumerate(steps):
        at += step
        found.append(at)
        trail.mark(Position(*PARTITION, offset), at, horizon)
    trail.settled(PARTITION, committed)
    asked = max(asked, committed)
    back = trail.needed_from(PARTITION, asked)
    needed = [o for o, stamp in enumerate(found) if o < asked and found[min(asked, len(found)) - 1] - stamp <= horizon]
    assert back <= min(needed, default=asked)


def test_without_windows_nothing_is_read_again() -> None:
    """A partition without conversations goes on where it is."""
    assert Trail().needed_from(PARTITION, 7) == 7


def test_sound_is_heard_again_by_the_calls_clock_however_long_the_sender_paused() -> None:
    """A minute between two chunks on the queue's clock, none on the call's: the window's sound lies before it."""
    trail = CallTrails()
    for offset in range(60):
        stamp = offset * 1_000 + (3_600_000 if offset >= 50 else 0)
        trail.mark(Position(*PARTITION, offset), "spk", offset * 1_000, stamp, horizon_ms=27_000, expire_ms=7_200_000)
    assert trail.needed_from(PARTITION, 50) <= 50 - 27
    trail.settled(PARTITION, 50)
    assert 10 <= trail.needed_from(PARTITION, 50) <= 50 - 27


def test_a_speaker_that_is_silent_for_long_holds_nothing_back() -> None:
    """Dropped after its expiry on the queue's clock."""
    trail = CallTrails()
    trail.mark(Position(*PARTITION, 0), "gone", 0, 0, horizon_ms=27_000, expire_ms=10_000)
    trail.mark(Position(*PARTITION, 9), "here", 0, 20_000, horizon_ms=27_000, expire_ms=10_000)
    assert trail.needed_from(PARTITION, 10) == 0
    trail.settled(PARTITION, 10)
    assert trail.needed_from(PARTITION, 10) == 9
