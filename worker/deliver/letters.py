"""Dead letters read back: what each says of itself, which ones wait, and the records that send one back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from worker.core.records import FIRST_POSITION, REDRIVES, Draft, Headers, Position, Record
from worker.deliver.deadletter import CONNECT, OURS

REDRIVEN = "tidegate-redriven"  # header of a marker in the dead-letter topic: the position whose letter went back
_MADE_BY_US = (CONNECT, OURS)


class Letter(NamedTuple):
    """One dead letter. `source` is where its record was read when it failed, `first` where it was first read."""

    at: Position  # in the dead-letter topic
    source: Position
    first: Position
    code: str
    stage: str
    reason: str
    attempts: int
    failures: tuple[str, ...]
    redrives: int  # before this letter
    tenant: str | None
    version: str
    timestamp_ms: int
    pointer: tuple[int, str] | None  # bytes and sha256 of a value that was left in the input topic
    size: int  # bytes of the value, wherever it is
    record: Record  # as it stands in the dead-letter topic


def as_text(position: Position) -> str:
    """`topic:partition:offset`, as headers and the command line have it."""
    return f"{position.topic}:{position.partition}:{position.offset}"


def parse_position(text: str, topic: str = "") -> Position | None:
    """The position of `topic:partition:offset`, or of `partition:offset` in `topic`; None for anything else."""
    *names, partition, offset = ("", "", *text.split(":"))[-3:]
    name = "".join(names) or topic
    if not (name and partition.isdecimal() and offset.isdecimal()):
        return None
    return Position(name, int(partition), int(offset))


def read_letter(record: Record) -> Letter | Position | None:
    """A record of the dead-letter topic: a letter, the position that a marker says went back, or None: not ours."""
    named = {name: content.decode("utf-8", "replace") for name, content in record.headers}
    if (marked := named.get(REDRIVEN)) is not None:
        return parse_position(marked)
    place = ":".join(named.get(CONNECT + name, "") for name in ("topic", "partition", "offset"))
    source, code = parse_position(place), named.get(OURS + "code")
    if source is None or code is None:
        return None
    left = named.get(OURS + "pointer-bytes")
    pointer = (int(left), named.get(OURS + "pointer-sha256", "")) if left is not None and left.isdecimal() else None
    redrives, attempts = named.get(REDRIVES, "0"), named.get(OURS + "attempts", "1")
    return Letter(
        record.position,
        source,
        parse_position(named.get(FIRST_POSITION, "")) or source,
        code,
        named.get(OURS + "stage", "envelope"),
        named.get(CONNECT + "exception.message", ""),
        int(attempts) if attempts.isdecimal() else 1,
        tuple(filter(None, named.get(OURS + "failures", "").split(","))),
        int(redrives) if redrives.isdecimal() else 0,
        named.get(OURS + "tenant"),
        named.get(OURS + "version", ""),
        record.timestamp_ms,
        pointer,
        len(record.value or b"") if pointer is None else pointer[0],
        record,
    )


def waiting(found: Iterable[Letter | Position | None]) -> tuple[list[Letter], set[Position]]:
    """Letters that were not sent back yet, in the topic's order, a repeat left out; and the positions that were."""
    letters: dict[Position, Letter] = {}
    gone: set[Position] = set()
    for one in found:
        match one:
            case Letter() as letter:
                letters.setdefault(letter.source, letter)
            case Position() as position:
                gone.add(position)
    return [letter for source, letter in letters.items() if source not in gone], gone


def own_headers(headers: Headers) -> Headers:
    """The headers that the record came with: without what the worker added."""
    return tuple((name, content) for name, content in headers if not name.startswith(_MADE_BY_US))


def send_back(letter: Letter, topic: str, original: Record | None = None) -> Draft:
    """
    The record as it came, for the partition it came from, with where it was first read and one redrive more.

    Args:
        topic: the input topic.
        original: what a pointer points at.
    """
    record = original or letter.record
    headers = (
        *own_headers(record.headers),
        (FIRST_POSITION, as_text(letter.first).encode()),
        (REDRIVES, b"%d" % (letter.redrives + 1)),
    )
    partition = letter.source.partition if letter.source.topic == topic else None
    return Draft(topic, record.key, record.value, headers, partition)


def marker(letter: Letter) -> Draft:
    """What says in the dead-letter topic that the letter was sent back; it stands behind it, so it lives as long."""
    place = as_text(letter.source).encode()
    return Draft(letter.at.topic, b"redriven:" + place, None, ((REDRIVEN, place),), letter.at.partition)
