"""What a worker and a decoder's process say to each other: lengths, a small JSON object, raw bytes; never a pickle."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any, Final

_LENGTHS: Final = struct.Struct("!IQ")  # of the object and of the bytes after it
MAX_OBJECT: Final = 65_536

Said = dict[str, Any]


class BrokenWireError(Exception):
    """The other end is gone, or says what it may not."""


def send(line: socket.socket, said: Said, content: bytes | memoryview, until: float | None = None) -> None:
    """Raises TimeoutError at `until` (monotonic seconds), BrokenWireError where nobody reads."""
    words = json.dumps(said).encode()
    try:
        for piece in (_LENGTHS.pack(len(words), len(content)) + words, content):
            line.settimeout(_left(until))
            line.sendall(piece)
    except TimeoutError:
        raise
    except OSError:
        raise BrokenWireError from None


def receive(line: socket.socket, most: int, until: float | None = None) -> tuple[Said, bytearray]:
    """
    The next object and the bytes after it, at most `most` of them.

    Raises:
        TimeoutError: at `until`. BrokenWireError: as above. EOFError: the other end closed between two messages.
    """
    words, content = _LENGTHS.unpack(_exactly(line, _LENGTHS.size, until, first=True))
    if words > MAX_OBJECT or content > most:
        raise BrokenWireError
    try:
        said = json.loads(_exactly(line, words, until))
    except ValueError:
        raise BrokenWireError from None
    if not isinstance(said, dict):
        raise BrokenWireError
    return said, _exactly(line, content, until)


def _exactly(line: socket.socket, count: int, until: float | None, *, first: bool = False) -> bytearray:
    found = bytearray(count)
    view = memoryview(found)
    while view:
        line.settimeout(_left(until))
        try:
            got = line.recv_into(view)
        except TimeoutError:
            raise
        except OSError:
            raise BrokenWireError from None
        if not got:
            raise EOFError if first and len(view) == count else BrokenWireError
        view = view[got:]
    return found


def _left(until: float | None) -> float | None:
    if until is None:
        return None
    if (left := until - time.monotonic()) <= 0:
        raise TimeoutError
    return left
