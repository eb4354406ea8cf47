"""
Long lists and many tenants: time to compile, memory, and the time a text or picture takes to match.

The rival for terms is what a careful user would write: a set of entries, asked for every run of one to three words.
What it leaves out: substrings, exceptions, places, and the normalised text. `python -m ops.bench.lists`.
"""

from __future__ import annotations

import gc
import json
import random
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from worker.core.events import PartType
from worker.core.ports import CategorySpec
from worker.core.views import Concepts, TextSource, Thresholds
from worker.policy.compile import CompiledPolicy, compile_parts
from worker.policy.document import Images, Terms
from worker.policy.files import FolderFiles
from worker.policy.images import ImageList, match_images
from worker.policy.lists import read_lists
from worker.policy.reading import read_policy
from worker.policy.resolve import resolve
from worker.policy.terms import Matcher, TermList

SEED = 11
ENTRIES = 300_000
PICTURES = 500_000
TENANTS = 1_000
TEXTS = 2_000
POLICIES = Path(__file__).parents[2] / "policies"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEXT = "hello there how are you doing today my friend, see you at eight by the old bridge"


class NoModels:
    """A concept compiler that looks for nothing: heads are measured by ops.bench.reload."""

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """Nothing."""
        return {}

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """None."""
        return None


def resident_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def timed(work: Callable[[], Any], times: int = 1) -> float:
    """Seconds a call."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def entries(count: int) -> tuple[str, ...]:
    """Phrases of one to three made-up words."""
    chance = random.Random(SEED)
    words = ["".join(chance.choices(LETTERS, k=chance.randint(3, 9))) for _ in range(count)]
    return tuple(" ".join(chance.choices(words, k=chance.randint(1, 3))) for _ in range(count))


def in_a_set(known: frozenset[str], text: str) -> bool:
    """The rival."""
    words = text.casefold().replace(",", " ").split()
    return any(" ".join(words[i : i + n]) in known for n in (1, 2, 3) for i in range(len(words)))


def terms() -> dict[str, float]:
    """One long list of terms."""
    gc.collect()
    before = resident_mb()
    spec = Terms.model_validate({"list": "long.txt", "category": "a", "action": "flag"})
    listed = TermList("long.txt", "sha256:bench", spec, entries(ENTRIES))
    made: list[Matcher] = []
    compile_s = timed(lambda: made.append(Matcher([listed])))
    gc.collect()
    memory, matcher = resident_mb() - before, made[0]
    source = TextSource("parts/0", TEXT, (PartType.TEXT,))
    match_us = timed(lambda: matcher.match(source, None, None), TEXTS) * 1e6
    shared_ms = timed(lambda: made.append(Matcher([listed]))) * 1e3
    known = frozenset(listed.entries)
    set_us = timed(lambda: in_a_set(known, TEXT), TEXTS) * 1e6
    print(
        f"{ENTRIES} terms: compiled in {compile_s:.2f} s, {memory:.0f} MB with the entries; again: {shared_ms:.2f} ms"
    )
    print(f"a text of {len(TEXT)} characters: {match_us:.1f} us; the set of phrases: {set_us:.1f} us")
    return {"terms_compile_s": compile_s, "terms_mb": memory, "terms_us": match_us, "set_us": set_us}


def pictures() -> dict[str, float]:
    """One long list of pictures."""
    hashes = np.unique(np.random.default_rng(SEED).integers(0, 2**64, PICTURES, dtype=np.uint64))
    spec = Images.model_validate({"list": "bad.txt", "category": "a", "action": "flag", "distance": 8})
    listed, frame = ImageList("bad.txt", "sha256:bench", spec, hashes), hashes[:1] ^ np.uint64(7)
    assert match_images([listed], "parts/0", frame)
    took_ms = timed(lambda: match_images([listed], "parts/0", frame), 50) * 1e3
    print(f"{PICTURES} pictures: {took_ms:.2f} ms a frame, {hashes.nbytes / 2**20:.1f} MB")
    return {"pictures_ms": took_ms}


def tenant(number: int) -> bytes:
    """A policy that extends the default with three categories of five examples of its own, and a condition."""
    categories = {
        f"own{k}": {
            "definition": f"What tenant {number} means by {k}",
            "examples": {"violating": [f"example {number} {k} {j}" for j in range(5)]},
            "flag": 0.5 + number / 10**4,
        }
        for k in range(3)
    }
    when = [{"if": "context.audience == 'kids'", "set": {"sexual": {"flag": 0.1}}}]
    return json.dumps(
        {"id": f"t{number}", "version": "1", "extends": "default", "categories": categories, "when": when}
    ).encode()


def tenants() -> dict[str, float]:
    """Many policies that extend one."""
    sources = {"default": read_policy((POLICIES / "default.json").read_bytes(), "default.json")}
    raw, files, compiler = [tenant(i) for i in range(TENANTS)], FolderFiles(POLICIES), NoModels()

    def compiled(content: bytes) -> CompiledPolicy:
        resolved = resolve(read_policy(content, "tenant.json"), sources)
        return compile_parts(resolved, read_lists(resolved, files), compiler)

    compiled(raw[0])
    compile_ms = timed(lambda: [compiled(content) for content in raw]) * 1e3 / TENANTS
    gc.collect()
    tracemalloc.start()
    kept = [compiled(content) for content in raw]
    gc.collect()
    kilobytes = tracemalloc.get_traced_memory()[0] / 1024 / len(kept)
    tracemalloc.stop()
    print(f"{TENANTS} tenants: {compile_ms:.2f} ms and {kilobytes:.1f} kB each, without models")
    return {"tenant_ms": compile_ms, "tenant_kb": kilobytes}


def main() -> None:
    """Print what was measured, then one line of figures."""
    print(f"seed {SEED}; one process, one thread")
    found = terms() | pictures() | tenants()
    print(" ".join(f"{name}={value:.3g}" for name, value in found.items()))


if __name__ == "__main__":
    main()
