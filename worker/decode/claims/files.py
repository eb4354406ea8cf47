"""A file under a root, read without following a link out of it: each step is opened from the one before."""

from __future__ import annotations

import os
import stat

from worker.decode.claims.place import Local

_STEP = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not hold the reader


def read_file(place: Local, most: int) -> bytes:
    """
    The file's content, at most `most` + 1 bytes of it: one more than `most` says that it is longer.

    No link is followed below the root, so that none can be put in between a check and the opening.

    Raises:
        OSError: there is none, a step is a link, or it is no regular file.
    """
    at = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in place.steps:
            inner = os.open(step, _STEP, dir_fd=at)
            os.close(at)
            at = inner
        if not stat.S_ISREG(os.fstat(at).st_mode):
            raise IsADirectoryError("no regular file")
        with os.fdopen(os.dup(at), "rb") as file:
            return file.read(most + 1)
    finally:
        os.close(at)
