"""A decoder's process whose codec does what the bytes say: for the tests of what becomes of that."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import worker.decode.box.__main__ as box
from worker.core.errors import PartUnreadable
from worker.core.events import ImagePart

_WORKING = np.zeros((1, 2, 2, 3), np.uint8)


def codec(data: bytes, path: str, **_: Any) -> tuple[Any, None]:
    """Stands where `decode_image` does."""
    match data.partition(b" "):
        case b"crash", _, _:
            ctypes.string_at(0)  # a real segmentation fault
        case b"crash-once", _, marker:
            if not Path(marker.decode()).exists():
                os.rename(marker + b".unlit", marker)  # it may write no file, but rename one
                ctypes.string_at(0)
        case b"hang", _, _:
            time.sleep(3_600)
        case b"memory", _, _:
            bytearray(8 << 30)
        case b"content", _, words:
            raise PartUnreadable(words.decode(), "the text of a stranger")
        case b"shape", _, _:
            return ImagePart(path, np.zeros((1, 2, 2, 4), np.uint8)), None
        case b"look", _, wanted:
            raise PartUnreadable("image_damaged", str(_look(wanted.decode())))
    return ImagePart(path, _WORKING), None


def _look(wanted: str) -> object:
    match wanted:
        case "environment":
            return sorted(os.environ)
        case "descriptors":
            return len(os.listdir("/proc/self/fd"))
        case "core":
            return resource.getrlimit(resource.RLIMIT_CORE)
    try:
        Path(wanted).write_bytes(b"x")
    except OSError as error:
        return type(error).__name__
    return "written"


if __name__ == "__main__":
    setattr(box, "decode_image", codec)  # noqa: B010  # the module does not export it
    box.main(socket.socket(fileno=int(sys.argv[1])), float(sys.argv[2]), int(sys.argv[3]))
