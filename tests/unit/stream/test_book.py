"""Laws of the book of streams: repeats are answered and never folded twice, wherever a worker dies; expiry; bounds."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from worker.core.decisions import Action
from worker.core.records import Partition, Position
from worker.core.streams import CallRules
from worker.stream.book import StreamBook
from worker.stream.call import Answer, Heard
from worker.stream.track import Passed

ALLOW, FLAG, BLOCK = Action
PARTITION = Partition("events", 0)
RULES = CallRules(agree=2, of=3, cooldown_s=3, expire_s=60)
KEY = ("acme", "call-1")
Said = tuple[str, int, int, int]  # stream, speaker, what is asked for, and what is backed

said = st.tuples(st.sampled_from("xy"), st.integers(0, 1), st.integers(0, 2), st.integers(0, 2))


def fold(book: StreamBook, offset: int, what: Said, *, stamp_ms: int | None = None, kind: Any = "call") -> Answer:
    """One record a second, that closes one window."""
    stream, speaker, asked, backed = what
    found = {"a": Passed(Action(asked), Action(max(asked, backed)))} if asked or backed else {}
    heard = Heard(kind, f"s{speaker}", None, offset - 5.0, float(offset), found)
    stamp = offset * 1000 if stamp_ms is None else stamp_ms
    return book.fold(Position(*PARTITION, offset), ("acme", stream), stamp, [heard], RULES, frozenset())


def restored(log: dict[Any, bytes | None]) -> StreamBook:
    """A worker that has read the changelog."""
    book = StreamBook()
    for key, value in log.items():
        book.load(PARTITION, key, None if value is None else orjson.loads(value))
    return book


def write(book: StreamBook, log: dict[Any, bytes | None]) -> None:
    """What the changelog keeps, after compaction."""
    for key, value in book.stored(PARTITION):
        log[key] = None if value is None else orjson.dumps(value)


@given(
    records=st.lists(said, min_size=1, max_size=40),
    steps=st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["commit", "state only", "die"])), max_size=20),
)
def test_deaths_anywhere_change_no_answer(records: list[Said], steps: list[tuple[int, str]]) -> None:
    """State is written, then the offset; a worker that dies leaves either, and every answer is the same."""
    undisturbed = StreamBook()
    expected = [fold(undisturbed, offset, what) for offset, what in enumerate(records)]
    log: dict[Any, bytes | None] = {}
    book, committed, offset = StreamBook(), 0, 0
    for count, end in [*steps, (len(records), "commit")]:
        for _ in range(count):
            if offset < len(records):
                assert fold(book, offset, records[offset]) == expected[offset]
                offset += 1
        if end == "die":
            book, offset = restored(log), committed
            continue
        write(book, log)
        if end == "commit":
            committed = offset
            book.settled(PARTITION, committed)
    assert offset == len(records)


@given(records=st.lists(said, max_size=30))
def test_what_is_told_twice_is_folded_once(records: list[Said]) -> None:
    """Every record again at once, as after a batch that was halved: the same answers."""
    book = StreamBook()
    for offset, what in enumerate(records):
        first = fold(book, offset, what)
        assert fold(book, offset, what) == first
        for before in range(offset):
            fold(book, before, records[before])
    once = StreamBook()
    for offset, what in enumerate(records):
        fold(once, offset, what)
    assert dict(book.stored(PARTITION)) == dict(once.stored(PARTITION))


def test_a_stream_in_which_nothing_passes_costs_nothing() -> None:
    """Neither memory nor a record of the changelog."""
    book = StreamBook()
    for offset in range(100):
        assert fold(book, offset, ("x", 0, 0, 2)) == Answer()
    assert len(book) == 0
    assert list(book.stored(PARTITION)) == []


def test_a_stream_that_has_calmed_down_is_forgotten_and_the_changelog_told() -> None:
    """Only once nothing before its last change can come again."""
    book, log = StreamBook(), dict[Any, bytes | None]()
    for offset in range(2):
        fold(book, offset, ("x", 0, 1, 1))
    for offset in range(2, 12):
        fold(book, offset, ("x", 0, 0, 0))
    write(book, log)
    assert log[("acme", "x")] is not None
    book.settled(PARTITION, 12)
    write(book, log)
    assert log == {("acme", "x"): None}
    assert len(book) == 0


def test_a_silent_stream_expires() -> None:
    """Its state is not that of the next who uses its name; its memory is given back."""
    book = StreamBook()
    fold(book, 0, ("x", 0, 1, 1))
    assert fold(book, 1, ("x", 0, 1, 1)).level() is FLAG
    late = fold(book, 2, ("x", 0, 0, 0), stamp_ms=100_000)
    assert late.level() is ALLOW
    fold(book, 3, ("y", 0, 1, 1), stamp_ms=101_000)
    assert book.expire(PARTITION, 110_000) == 0
    assert book.expire(PARTITION, 300_000) == 2
    assert len(book) == 0


def test_no_more_streams_than_are_allowed() -> None:
    """Past the bound those go that would expire first, and it is counted."""
    book = StreamBook(most=10)
    for offset in range(25):
        fold(book, offset, (f"c{offset}", 0, 1, 1))
    assert len(book) == 10
    assert book.evicted == 15
    assert book.stands(Position(*PARTITION, 30), ("acme", "c24"))


def test_the_state_furthest_on_counts() -> None:
    """A worker that was given up for dead may write once more, after its heir."""
    book, old, new = StreamBook(), dict[Any, bytes | None](), dict[Any, bytes | None]()
    fold(book, 0, ("x", 0, 1, 1))
    write(book, old)
    fold(book, 1, ("x", 0, 1, 1))
    write(book, new)
    heir = restored(new)
    heir.load(PARTITION, ("acme", "x"), orjson.loads(old["acme", "x"] or b""))
    assert fold(heir, 2, ("x", 0, 0, 0)).level() is FLAG


def test_only_the_message_that_completes_is_new() -> None:
    """The window that passes first is; those after it, which hold the same words, are not."""
    book = StreamBook()
    newly = [fold(book, i, ("x", 0, asked, asked), kind="speaker").newly for i, asked in enumerate([0, 2, 2, 1, 0, 1])]
    assert newly == [ALLOW, BLOCK, ALLOW, ALLOW, ALLOW, FLAG]


def test_a_partition_that_went_is_dropped() -> None:
    """Its next owner has it."""
    book = StreamBook()
    fold(book, 0, ("x", 0, 1, 1))
    book.forget([PARTITION])
    assert len(book) == 0
    assert list(book.stored(PARTITION)) == []
