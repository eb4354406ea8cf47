"""Dead letters read back: what was written is what is read, and what goes back is what came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.core.errors import NotAnEvent, Parked
from worker.core.records import Draft, Headers, Outgoing, Position, Record
from worker.deliver.deadletter import dead_letter
from worker.deliver.letters import Letter, as_text, marker, parse_position, read_letter, send_back, waiting

SOURCE = Position("events", 3, 91822)
BROKEN = Parked("breaks_pipeline", "it broke", stage="event", failures=("ValueError", "KeyError"))


def stored(letter: Outgoing | Draft, offset: int = 5) -> Record:
    """As it stands in the dead-letter topic."""
    return Record(Position("dead", 3, offset), letter.key, letter.value, letter.headers, 1_800_000_000_000)


def read(record: Record, error: NotAnEvent | Parked = BROKEN, *, max_bytes: int = 10_000, offset: int = 5) -> Letter:
    found = read_letter(stored(dead_letter(record, error, max_bytes=max_bytes, tenant="acme"), offset))
    assert isinstance(found, Letter)
    return found


@given(
    st.none() | st.binary(max_size=50),
    st.binary(max_size=200),
    st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=20)), max_size=4),
)
def test_what_goes_back_is_what_came(key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    """Key, value, own headers and partition; two headers more say where it was first read and how often it went."""
    letter = read(Record(SOURCE, key, value, tuple(headers), 0))
    draft = send_back(letter, "events")
    assert (draft.topic, draft.partition, draft.key, draft.value) == ("events", 3, key, value)
    assert draft.headers[:-2] == tuple(headers)
    assert dict(draft.headers[-2:]) == {"tidegate-first-position": b"events:3:91822", "tidegate-redrives": b"1"}


def test_a_letter_says_what_happened() -> None:
    """Stage, attempts, kinds of error, tenant."""
    letter = read(Record(SOURCE, b"k", b"v", (), 0))
    assert (letter.code, letter.stage, letter.attempts) == ("breaks_pipeline", "event", 2)
    assert (letter.failures, letter.tenant, letter.size) == (("ValueError", "KeyError"), "acme", 1)
    assert (letter.source, letter.first, letter.redrives) == (SOURCE, SOURCE, 0)


def test_a_record_that_fails_again_keeps_its_first_position_and_counts_its_rounds() -> None:
    """However often it goes round, and when only a pointer is left of it."""
    headers: Headers = (("theirs", b"1"),)
    source = SOURCE
    for round in range(1, 4):
        draft = send_back(
            read(Record(source, b"k", b"v" * 300, headers, 0), max_bytes=10 if round == 2 else 10_000),
            "events",
            Record(source, b"k", b"v" * 300, headers, 0),
        )
        source = source._replace(offset=source.offset + 1000)
        headers = draft.headers
        named = dict(headers)
        assert (named["tidegate-first-position"], named["tidegate-redrives"]) == (b"events:3:91822", b"%d" % round)
        assert len(headers) == 3
    again = read(Record(source, b"k", b"v", headers, 0))
    assert (again.first, again.redrives) == (SOURCE, 3)


def test_what_was_sent_back_waits_no_more_nor_does_its_repeat() -> None:
    """A crash may leave two letters of one record; its marker speaks for both."""
    one, twice, other = (read(Record(SOURCE, b"k", b"v", (), 0), offset=i) for i in range(3))
    other = other._replace(source=SOURCE._replace(offset=7))
    assert waiting([one, twice, other])[0] == [one, other]
    back = read_letter(stored(marker(one)))
    assert back == SOURCE
    assert waiting([one, back, twice, other]) == ([other], {SOURCE})


@given(st.text(max_size=20), st.lists(st.tuples(st.text(max_size=30), st.binary(max_size=10)), max_size=3))
def test_what_others_put_into_the_topic_is_no_letter(text: str, headers: list[tuple[str, bytes]]) -> None:
    """Nor does it break the reading."""
    assert read_letter(Record(Position("dead", 0, 0), None, b"", tuple(headers), 0)) is None
    position = parse_position(text, "events")
    assert position is None or parse_position(as_text(position)) == position


def test_positions_are_read_as_people_write_them() -> None:
    """With the topic, or without it."""
    assert parse_position("events:3:91822") == SOURCE
    assert parse_position("3:91822", "events") == SOURCE
    assert [parse_position(text, "t") for text in ("", "3", "a:b", "x:3:-1", "3:4:", ":", "::")] == [None] * 7
