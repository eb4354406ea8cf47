"""Lists of pictures: what is near enough, what a hit says, and which files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.policy.building import findings, policy
from worker.core.decisions import Action
from worker.core.errors import PolicyRejected
from worker.core.events import PartType
from worker.core.views import Evidence
from worker.policy.compile import CompiledPolicy
from worker.policy.images import read_hashes

KNOWN = 0x0F0F_0F0F_0F0F_0F0F
bits = st.integers(0, 2**64 - 1)


def listing(folder: Path, content: str = f"# mine\n{KNOWN:016x}\n", **more: Any) -> CompiledPolicy:
    (folder / "bad.txt").write_text(content)
    images = {"list": "bad.txt", "category": "a", "action": "block"} | more
    return policy({"categories": {"a": {}}, "images": [images]}, folder=folder)


def hashes(*values: int) -> Any:
    return np.array(values, np.uint64)


def flipped(value: int, count: int) -> int:
    return value ^ ((1 << count) - 1)


def test_a_picture_within_the_distance_is_a_hit(tmp_path: Path) -> None:
    """Ten bits unless the list says otherwise; the hit has the list's action, no score, and not which entry it was."""
    compiled = listing(tmp_path)
    assert compiled.knows_pictures
    (hit,) = compiled.match_images("parts/1", hashes(flipped(KNOWN, 10)))
    assert (hit.category, hit.action, hit.type, hit.view) == ("a", Action.BLOCK, PartType.IMAGE, "parts/1")
    assert (hit.list_name, hit.evidence) == ("bad.txt", Evidence())
    assert compiled.match_images("parts/1", hashes(flipped(KNOWN, 11))) == []
    assert listing(tmp_path, distance=0).match_images("parts/1", hashes(flipped(KNOWN, 1))) == []


def test_every_frame_is_looked_at(tmp_path: Path) -> None:
    """The evidence is the nearest frame."""
    (hit,) = listing(tmp_path).match_images("parts/0", hashes(flipped(KNOWN, 30), flipped(KNOWN, 9), flipped(KNOWN, 3)))
    assert (hit.view, hit.evidence) == ("parts/0/frame/2", Evidence(frame=2))


def test_a_hit_decides_without_a_score(tmp_path: Path) -> None:
    """By the action of its list, with the list's name in the reason."""
    compiled = listing(tmp_path)
    found = findings(compiled, part=PartType.IMAGE, hits=compiled.match_images("parts/0", hashes(KNOWN)))
    (verdict,) = compiled.decide([found])
    (reason,) = verdict.reasons
    assert (verdict.action, reason.list, reason.score, reason.type) == (Action.BLOCK, "bad.txt", None, "image")


@given(st.lists(bits, min_size=1, max_size=40), bits, st.integers(0, 64))
def test_the_nearest_entry_is_found(entries: list[int], wanted: int, distance: int) -> None:
    """As by counting bits one entry at a time."""
    known = read_hashes([f"{entry:016x}" for entry in entries])
    near = int(np.bitwise_count(known ^ np.uint64(wanted)).min())
    assert near == min((entry ^ wanted).bit_count() for entry in entries)


def test_a_policy_without_lists_of_pictures_hashes_none(tmp_path: Path) -> None:
    """So that nothing is spent on them."""
    assert not policy({"categories": {"a": {}}}).knows_pictures


def test_the_digest_changes_with_the_list(tmp_path: Path) -> None:
    """As it does for lists of terms."""
    assert listing(tmp_path).digest != listing(tmp_path, f"{KNOWN:016X}\n").digest


@pytest.mark.parametrize(
    ("content", "more", "line", "says"),
    [
        ("# x\n0f0f0f0f0f0f0f0g\n", {}, 2, "not a hash"),
        ("0f0f0f0f0f0f0f0f0f\n", {}, 1, "not a hash"),
        ("# algorithm: pdq\n0f0f0f0f0f0f0f0f\n", {}, 1, "another algorithm"),
        ("# only\n", {}, None, "has no entries"),
        ("0f0f0f0f0f0f0f0f\n", {"list": "missing.txt"}, None, "cannot be read"),
        ("0f0f0f0f0f0f0f0f\n", {"list": "../bad.txt"}, None, "bad.txt"),
        ("0f0f0f0f0f0f0f0f\n", {"distance": 17}, None, "16"),
        ("0f0f0f0f0f0f0f0f\n", {"category": "b"}, None, "no category 'b'"),
    ],
)
def test_bad_lists_are_refused(tmp_path: Path, content: str, more: dict[str, Any], line: int | None, says: str) -> None:
    """With the line in the list where there is one; an entry itself is never said."""
    with pytest.raises(PolicyRejected) as caught:
        listing(tmp_path, content, **more)
    assert says in caught.value.reason
    assert "0f0f" not in str(caught.value)
    assert line is None or (caught.value.file, caught.value.line) == ("bad.txt", line)


def test_a_list_of_hundreds_of_thousands_is_matched_whole(tmp_path: Path) -> None:
    """The first and the last entry are found, and an unlike picture is not."""
    random = np.random.default_rng(3)
    entries = random.integers(0, 2**64, 200_000, dtype=np.uint64)
    compiled = listing(tmp_path, "\n".join(f"{entry:016x}" for entry in entries.tolist()), distance=4)
    assert [len(compiled.match_images("parts/0", hashes(int(e)))) for e in (entries[0], entries[-1])] == [1, 1]
    assert compiled.match_images("parts/0", hashes(KNOWN)) == []
