"""The dead man's switch: a process whose event loop stands still ends itself, so that its supervisor starts anew."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def dead_man(stall_s: float) -> AsyncIterator[None]:
    """
    While the block runs, the process ends with exit code 1 when the loop does not turn for `stall_s` seconds.

    The clock runs in a C thread of faulthandler's, which needs no lock of Python's: it also ends a process in which a
    pattern or a codec hangs and lets nobody else run. Where every thread stood is written to standard error: files,
    lines and names of functions, no values. The marks beside the offsets stay, so the next run suspects what was in
    flight.
    """

    async def turn() -> None:
        while True:
            faulthandler.dump_traceback_later(stall_s, exit=True)
            await asyncio.sleep(stall_s / 10)

    turning = asyncio.create_task(turn(), name="dead-man")
    try:
        yield
    finally:
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
        faulthandler.cancel_dump_traceback_later()
