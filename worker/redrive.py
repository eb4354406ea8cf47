"""Reading again what the queue keeps, for commands and the console: events of decisions, dead letters to send back."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from worker.app import make_sender, make_tail
from worker.core.clock import Clock
from worker.core.errors import TransportUnavailable
from worker.core.records import Position, Record
from worker.decode.envelope import EventEnvelope
from worker.deliver.letters import Letter, marker, read_letter, send_back, waiting
from worker.originals import read_again
from worker.settings import Settings

_PATIENCE = 10  # reads of a second without a record before the topic is said not to answer


class Box(NamedTuple):
    """The dead-letter topic as it stood."""

    letters: list[Letter]  # waiting, in the topic's order
    redriven: int  # positions that were sent back before


async def read_box(settings: Settings, *, content: bool) -> Box:
    """
    Every letter of the dead-letter topic as it stands now.

    Args:
        content: keep the values, which take memory.

    Raises:
        TransportUnavailable: it cannot be read to its end.
    """
    tail = make_tail(settings, (settings.topics.dead_letter,), from_beginning=True)
    all_of_it: list[Letter | Position | None] = []
    await tail.start()
    try:
        quiet = 0
        while not await tail.caught_up():
            found = await tail.read(max_records=5_000, timeout_s=1.0)
            all_of_it += [_read(record, content) for record in found]
            quiet = 0 if found else quiet + 1
            if quiet >= _PATIENCE:
                raise TransportUnavailable(f"{settings.topics.dead_letter} stopped answering before its end: try again")
    finally:
        await tail.stop()
    letters, gone = waiting(all_of_it)
    return Box(letters, len(gone))


def _read(record: Record, content: bool) -> Letter | Position | None:
    found = read_letter(record)
    return found if content or not isinstance(found, Letter) else found._replace(record=record._replace(value=None))


async def fetch_event(settings: Settings, decision: Mapping[str, Any]) -> EventEnvelope:
    """The event that a decision is about. Raises NotToBeHad: `gone`; TransportUnavailable."""
    source = Position(**decision["source"])
    here = source.topic == settings.topics.events  # what was asked by HTTP is kept nowhere
    return read_again(await fetch_record(settings, source) if here else None, decision)


async def fetch_record(settings: Settings, position: Position) -> Record | None:
    """The record at a position, when its topic still holds it."""
    tail = make_tail(settings, (position.topic,), from_beginning=True, starts={position.of: position.offset})
    await tail.start()
    try:
        found: Sequence[Record] = []
        while not found and not await tail.caught_up():
            found = await tail.read(max_records=1, timeout_s=1.0)
    finally:
        await tail.stop()
    return found[0] if found and found[0].position == position else None


async def fetch_original(settings: Settings, letter: Letter) -> Record | None:
    """The record that a pointer points at, when it is still there and still the same."""
    found = await fetch_record(settings, letter.source)
    if found is None or letter.pointer is None:
        return None
    return found if hashlib.sha256(found.value or b"").hexdigest() == letter.pointer[1] else None


class Redriven(NamedTuple):
    """What became of a redrive."""

    sent: int
    lost: list[Letter]  # pointers whose bytes are gone from the input topic


async def send_letters(
    settings: Settings, letters: Sequence[Letter], rate: float, clock: Clock, on_sent: Callable[[int], None]
) -> Redriven:
    """
    Send letters back in order, `rate` a second, each batch marked as soon as it stands.

    A redrive that is cut off sends at most its last batch again, under the same decision ids.
    """
    events, box = settings.topics.events, settings.topics.dead_letter
    sender = make_sender(settings, (events, box))
    sent, lost = 0, list[Letter]()
    size = max(1, min(500, round(rate / 5)))
    await sender.start()
    try:
        due = clock.now()
        for start in range(0, len(letters), size):
            await asyncio.sleep(max(0.0, due - clock.now()))
            batch, drafts = [], []
            for letter in letters[start : start + size]:
                original = await fetch_original(settings, letter) if letter.pointer is not None else None
                if letter.pointer is not None and original is None:
                    lost.append(letter)
                    continue
                batch.append(letter)
                drafts.append(send_back(letter, events, original))
            if drafts:
                await sender.send(drafts)
                await sender.send([marker(letter) for letter in batch])
            sent += len(batch)
            due = max(due, clock.now() - size / rate) + len(batch) / rate
            on_sent(len(letters[start : start + size]))
    finally:
        await sender.stop()
    return Redriven(sent, lost)
