"""Open calls: forgotten after a silence, and when memory is short."""

from __future__ import annotations

import numpy as np

from worker.core.clock import FakeClock
from worker.core.records import Partition
from worker.core.streams import CallRules
from worker.window.calls import CallWindows
from worker.window.track import Chunk

PARTITION = Partition("events", 0)
RULES = CallRules()


def say(windows: CallWindows, call: int, at_ms: int = 0) -> int:
    """A second of sound in a call; gives how many windows it closed."""
    chunk = Chunk(f"{call}/{at_ms}", np.ones(16_000, np.int16), 16_000, at_ms, at_ms // 1_000, at_ms)
    return len(windows.take(PARTITION, ("acme", f"call-{call}"), "ann", RULES, chunk, final=False)[2])


def test_silent_calls_are_forgotten_with_their_sound() -> None:
    """All of them with the next chunk of any call; one that speaks again after that begins anew."""
    clock = FakeClock()
    windows = CallWindows(clock, most_bytes=1 << 30)
    for call in range(1_000):
        say(windows, call)
    assert (len(windows), windows.bytes_held) == (1_000, 32_000_000)
    clock.advance(RULES.expire_s / 2)
    say(windows, 0, 1_000)
    clock.advance(RULES.expire_s / 2 + 1)
    say(windows, 1)
    assert len(windows) == 2
    assert windows.bytes_held == 3 * 32_000
    assert windows.crowded_out == 0


def test_when_memory_is_short_the_one_silent_for_longest_goes() -> None:
    """It is counted, and the one that speaks is never the one that goes."""
    windows = CallWindows(FakeClock(), most_bytes=3 * 32_000)
    for call in (0, 1, 2, 0, 3):
        say(windows, call, 1_000 if call == 0 and len(windows) == 3 else 0)
    assert windows.bytes_held <= 3 * 32_000
    assert windows.crowded_out == 2
    assert len(windows) == 2
