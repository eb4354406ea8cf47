"""
The state of 100,000 open calls and conversations on one worker: memory for each, what the changelog holds, expiry.

Four kinds: conversations in which nothing passed (text of the last messages alone), streams with one raised category
of one speaker, streams with four, and speakers of whom one chunk of 20 ms came (their tracks; what they hold of sound
has its own bound). `bytes` are what the process grew by, a stream; the changelog's are of its records. All are then
silent and expire: streams by the queue's stamps, tracks by the clock.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson

from worker.core.clock import FakeClock
from worker.core.decisions import Action
from worker.core.records import Partition, Position
from worker.core.streams import CallRules
from worker.stream.book import StreamBook
from worker.stream.call import Heard
from worker.stream.track import Passed
from worker.window.calls import CallWindows
from worker.window.conversation import Conversations
from worker.window.track import Chunk

STREAMS = 100_000
PARTITION = Partition("events", 0)
RULES = CallRules()
LINE = "see you at the corner in ten minutes, bring the {}"  # about 50 characters, each a string of its own


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Bytes a stream that are held after `work`, and seconds it took."""
    gc.collect()
    before, began = _resident(), time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    gc.collect()
    return (_resident() - before) / STREAMS, seconds


def _resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def talk(conversations: Conversations) -> None:
    """Four messages of two speakers in each stream."""
    for number in range(STREAMS * 4):
        speaker, key = f"s{number % 2}", ("tenant", f"room-{number % STREAMS}")
        conversations.note(Position(*PARTITION, number), key, number // 100, speaker, LINE.format(number), RULES)


def raise_all(book: StreamBook, categories: int) -> None:
    """Two windows that agree, in each stream."""
    found = {f"category-{n}": Passed(Action.FLAG, Action.FLAG) for n in range(categories)}
    for number in range(STREAMS * 2):
        key = ("tenant", f"call-{number % STREAMS}")
        hop = number // STREAMS
        heard = Heard("call", "spk-1", hop, hop * 5.0, hop * 5.0 + 15.0, found)
        book.fold(Position(*PARTITION, number), key, number // 100, [heard], RULES, frozenset())


def chunk_of_each(windows: CallWindows) -> None:
    """20 ms of sound of one speaker in each call."""
    samples = np.zeros(320, np.int16)
    for number in range(STREAMS):
        chunk = Chunk(str(number), samples, 16_000, 0, 0, number)
        windows.take(PARTITION, ("tenant", f"call-{number}"), "spk-1", RULES, chunk, final=False)


def main() -> None:
    """Print a line for each kind, and last one of name=value pairs."""
    values: dict[str, float] = {}
    conversations = Conversations(STREAMS)
    values["conversation_bytes"], seconds = measured(lambda: talk(conversations))
    print(f"  conversations: {values['conversation_bytes']:.0f} bytes each, {seconds:.1f} s to note 4 messages of each")
    clock = FakeClock()
    tracks = CallWindows(clock, most_bytes=1 << 30)
    values["track_bytes"], seconds = measured(lambda: chunk_of_each(tracks))
    clock.advance(RULES.expire_s + 1)
    began = time.perf_counter()
    tracks.take(PARTITION, ("tenant", "another"), None, RULES, Chunk("", np.zeros(0, np.int16), 16_000), final=False)
    values["track_expiry_s"] = time.perf_counter() - began
    assert len(tracks) == 1, "silent speakers are still held"
    assert tracks.bytes_held == 0
    print(f"  speakers: {values['track_bytes']:.0f} bytes each, {seconds:.1f} s; all forgotten with the next chunk")
    for categories in (1, 4):
        book = StreamBook(STREAMS)

        def work(book: StreamBook = book, categories: int = categories) -> None:
            raise_all(book, categories)
            book.settled(PARTITION, STREAMS * 2)

        held, seconds = measured(work)
        records = [orjson.dumps(state) for _, state in book.stored(PARTITION)]
        size = sum(map(len, records)) / len(records)
        began = time.perf_counter()
        gone = book.expire(PARTITION, 10_000_000)
        expiry_s = time.perf_counter() - began
        assert gone == STREAMS
        assert len(book) == 0
        print(f"  {categories} raised: {held:.0f} bytes each, {seconds:.1f} s; changelog {size:.0f} bytes each")
        values |= {f"raised_{categories}_bytes": held, f"changelog_{categories}_bytes": size, "expiry_s": expiry_s}
    print(f"open={STREAMS} " + " ".join(f"{name}={value:.2f}" for name, value in values.items()))


if __name__ == "__main__":
    main()
