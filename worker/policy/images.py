"""
Lists of pictures by perceptual hash: a picture is like another when few of their 64 bits differ.

A plain XOR and popcount over all entries: 0.4 ms for half a million of them, so no index is worth its memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from worker.core.decisions import Action, Hit
from worker.core.events import PartType
from worker.core.views import Evidence, Hashes
from worker.policy.basis import fingerprint
from worker.policy.document import Images

ALGORITHM = "phash64"  # imagehash's phash with its defaults: 8 x 8 bits of the cosine transform of 32 x 32 pixels
LOOKS = "as it is, mirrored, without its border"  # `window.pictures`
_ENTRY = re.compile(r"[0-9a-fA-F]{16}")
_HEADER = re.compile(r"#\s*algorithm:\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class ImageList:
    """One list, ready to match. hashes: uint64 [N], shared by all policies whose list has the same bytes."""

    name: str
    digest: str
    spec: Images
    hashes: Hashes

    @cached_property
    def search(self) -> str:
        """Fingerprint of the entries and how they match: what was looked for, whatever a hit does."""
        return fingerprint([self.digest, ALGORITHM, LOOKS, self.spec.distance])

    def nearest(self, hashes: Hashes) -> tuple[int, int]:
        """
        Which frame is nearest to an entry, and in how many bits it differs.

        hashes: uint64 [F] or [F, K], F >= 1: K ways to look at each frame, of which the nearest counts.
        """
        looks = hashes.reshape(len(hashes), -1)
        distances = [min(int(np.bitwise_count(self.hashes ^ one).min()) for one in set(frame)) for frame in looks]
        return int(np.argmin(distances)), min(distances)


def read_hashes(lines: Sequence[str]) -> Hashes:
    """
    uint64 [N] of the lines of a list: 16 hexadecimal digits each, `#` comments.

    Raises:
        BadHash: a line is no hash, or a header names another algorithm.
    """
    entries = []
    for number, line in enumerate(lines, start=1):
        entry = line.strip()
        if _ENTRY.fullmatch(entry):
            entries.append(entry)
        elif (named := _HEADER.fullmatch(entry)) and named.group(1).split()[:1] != [ALGORITHM]:
            raise BadHash(number, f"hashes of another algorithm: make them with `tidegate policy hash` ({ALGORITHM})")
        elif entry and not entry.startswith("#"):
            raise BadHash(number, "not a hash: 16 hexadecimal digits a line, as `tidegate policy hash` prints them")
    found: Hashes = np.unique(np.frombuffer(bytes.fromhex("".join(entries)), ">u8").astype(np.uint64))
    return found


class BadHash(ValueError):
    """A line of a list that cannot be read. `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def match_images(lists: Sequence[ImageList], path: str, hashes: Hashes) -> list[Hit]:
    """One hit for each list that holds a picture like a frame of the part at `path`, at the nearest frame."""
    hits = []
    for listed in lists:
        frame, distance = listed.nearest(hashes)
        if distance <= listed.spec.distance:
            several = len(hashes) > 1
            hits.append(
                Hit(
                    listed.digest,
                    listed.name,
                    listed.spec.category,
                    Action.parse(listed.spec.action),
                    PartType.IMAGE,
                    f"{path}/frame/{frame}" if several else path,
                    Evidence(frame=frame if several else None),
                    listed.search,
                )
            )
    return hits
