"""
Hashes that hold the store together. Pure.

Each decision of a segment is linked to the one before it. A sealed segment, an expired one and a note each become an
entry of one chain over the whole store, in which every entry covers the one before it: whoever knows the last digest
can tell that nothing before it was changed, left out or put in, even after the decisions themselves are gone.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import orjson

BEGINNING = bytes(32)


class Entry(NamedTuple):
    """One entry of the chain: numbers go from 1 without a gap."""

    number: int
    body: bytes  # canonical JSON
    digest: bytes  # 32 bytes, over the entry before and the body

    @property
    def head(self) -> str:
        """What to keep elsewhere: `number:digest`."""
        return f"{self.number}:{self.digest.hex()}"


def first_link(segment: int, tenant: str) -> bytes:
    """32 bytes that a segment starts from, so that rows cannot move between segments or tenants."""
    return hashlib.sha256(f"tidegate segment {segment}\n{tenant}".encode()).digest()


def link(before: bytes, seq: int, value: bytes) -> bytes:
    """32 bytes over all rows of the segment up to this one."""
    return hashlib.sha256(b"%s%d\n%s" % (before, seq, value)).digest()


def entry(before: Entry | None, said: dict[str, Any]) -> Entry:
    """The entry behind `before`; None: the first."""
    body = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    number, above = (1, BEGINNING) if before is None else (before.number + 1, before.digest)
    return Entry(number, body, entry_digest(above, number, body))


def entry_digest(above: bytes, number: int, body: bytes) -> bytes:
    """32 bytes over everything up to this entry."""
    return hashlib.sha256(b"%s%d\n%s" % (above, number, body)).digest()
