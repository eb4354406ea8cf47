"""
A decoder's process: `python -m worker.decode.box FD SECONDS MEMORY_BYTES`, as `Boxes` starts it; ends with its line.

It has no environment of the worker's, none of its files or connections, may write no file, and ends itself by an alarm
when one part takes too long, also where a codec hangs and nobody is left to stop it.
"""

from __future__ import annotations

import resource
import signal
import socket
import sys
from typing import Any

import numpy as np

from worker.core.errors import OverLimit, PartUnreadable
from worker.decode.audio import read_clip
from worker.decode.box.wire import BrokenWireError, Said, receive, send
from worker.decode.image import decode_image

_GRACE_S = 2.0  # past the worker's own limit: only a worker that is gone comes so far
_FILES = 32


def main(line: socket.socket, seconds: float, memory: int) -> None:
    """Serve until the worker hangs up."""
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        resource.setrlimit(kind, (most, most))
    while True:
        try:
            asked, data = receive(line, memory)
        except (EOFError, BrokenWireError):
            return
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_S)
        said, found = _answer(asked, bytes(data))
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            send(line, said, found)
        except BrokenWireError:
            return


def _answer(asked: Said, data: bytes) -> tuple[Said, memoryview]:
    try:
        if asked["what"] == "image":
            part, problem = decode_image(
                data, asked["path"], max_pixels=asked["max_pixels"], max_side=asked["max_side"]
            )
            said: dict[str, Any] = {"shape": part.frames.shape, "scale": part.scale}
            said["problem"] = None if problem is None else [problem.code, problem.rule, problem.where, problem.reason]
            return said, _bytes_of(part.frames)
        mono, rate, cut, broken = read_clip(data, asked["max_seconds"])
        return {"rate": rate, "cut": cut, "broken": broken}, _bytes_of(mono)
    except MemoryError:
        return {"error": ["decoder_memory", "the part needs more memory than a decoder has", False]}, memoryview(b"")
    except PartUnreadable as error:
        return {"error": [error.code, error.reason, isinstance(error, OverLimit)]}, memoryview(b"")


def _bytes_of(array: np.ndarray[Any, Any]) -> memoryview:
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), float(sys.argv[2]), int(sys.argv[3]))
