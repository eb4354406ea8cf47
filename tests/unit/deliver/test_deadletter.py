"""Dead letters: bytes untouched, the reason in headers, and never too large to publish."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from worker.core.errors import NotAnEvent
from worker.core.records import Headers, Position, Record, Route
from worker.deliver.deadletter import dead_letter

ERROR = NotAnEvent("not_json", "the value is not JSON: unexpected end at byte 7")
AT = Position("moderation.events", 3, 91822)


def record(value: bytes, *, key: bytes | None = b"k", headers: Headers = ()) -> Record:
    return Record(AT, key, value, headers, 1_800_000_000_000)


@given(st.binary(max_size=300), st.none() | st.binary(max_size=20))
def test_value_key_and_headers_come_through_untouched(value: bytes, key: bytes | None) -> None:
    """Whatever the bytes are, they are the same in the dead letter; our headers stand after theirs."""
    theirs: Headers = (("trace", b"\xff\x00"), ("trace", b"twice"))
    letter = dead_letter(record(value, key=key, headers=theirs), ERROR, max_bytes=1000)
    assert (letter.value, letter.key, letter.headers[:2]) == (value, key, theirs)
    assert (letter.route, letter.source) == (Route.DEAD_LETTER, AT)


def test_headers_say_where_it_was_and_why() -> None:
    """Kafka Connect's names, so that existing tools read them, and our code for the reason."""
    headers = dict(dead_letter(record(b"{"), ERROR, max_bytes=1000).headers)
    assert headers["__connect.errors.topic"] == b"moderation.events"
    assert headers["__connect.errors.partition"] == b"3"
    assert headers["__connect.errors.offset"] == b"91822"
    assert headers["__connect.errors.exception.message"] == ERROR.reason.encode()
    assert headers["tidegate-code"] == b"not_json"
    assert "tidegate-pointer-bytes" not in headers


def test_a_value_over_the_limit_becomes_a_pointer() -> None:
    """Position, size and digest stand in headers; the value is empty."""
    value = b"x" * 1001
    letter = dead_letter(record(value), ERROR, max_bytes=1000)
    headers = dict(letter.headers)
    assert letter.value == b""
    assert headers["tidegate-pointer-bytes"] == b"1001"
    assert headers["tidegate-pointer-sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert headers["__connect.errors.offset"] == b"91822"


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 2000))
def test_a_dead_letter_always_fits(value: int, key: int, header: int) -> None:
    """Value, key and their headers together stay under the limit: a letter too large would be refused for ever."""
    letter = dead_letter(record(b"v" * value, key=b"k" * key, headers=(("h", b"x" * header),)), ERROR, max_bytes=1000)
    theirs = sum(len(content) for name, content in letter.headers if name == "h")
    assert len(letter.value or b"") + len(letter.key or b"") + theirs <= 1000
    assert (len(letter.value or b"") == value) or dict(letter.headers)["tidegate-pointer-bytes"] == b"%d" % value
