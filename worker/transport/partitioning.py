"""Which partition a record goes to in the queues that we keep ourselves."""

from __future__ import annotations

import zlib


def partition_of(key: bytes | None, partitions: int, turn: int) -> int:
    """
    The partition of a key, in [0, partitions): equal keys meet in one partition.

    turn: counts up by one a record; spreads the records without a key.
    """
    return (turn if key is None else zlib.crc32(key)) % partitions
