"""
A thousand tenants, one of them changes: how soon it is in force, and what the traffic feels of it.

Each tenant extends the shipped default with 3 categories of its own of 5 examples, no two alike. Starts are measured in
processes of their own, with an empty and then a warm embedding cache. Then the whole worker judges texts with its real
models, `OUTSTANDING` of them under way at any time, over a queue in memory; five times a file is renamed over another
as an editor would, first with a changed threshold, then with a new category. `reload_s` runs from the rename to the
first decision under the new version and so holds the time of an event in the queue and the model. The rate over a
reload is that of the `WINDOW_S` seconds that begin with the rename, against the same span before it. Every decision's
digest must have been in force for its tenant, and its scores must be those of that version's categories.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import structlog

from worker.app import Outside, Worker, load_models, running
from worker.core.ports import Policy
from worker.core.records import Draft, Record
from worker.policy.feed import StatusFeed
from worker.policy.status import PolicyStatus
from worker.settings import load
from worker.transport.memory import MemoryLog, MemoryTail, MemoryTransport

SHIPPED = Path(__file__).resolve().parents[2] / "policies"
TENANTS = 1_000
OUTSTANDING = 64
WINDOW_S = 2.0
ROUNDS = 5
SEED = 20261124
CHANGING = "t0007"


def _words(text: str) -> list[str]:
    return text.split()


_WHO = _words("sellers buyers teachers players drivers nurses pilots farmers bakers lawyers dancers miners")
_WHAT = _words("accounts tickets coins swords answers recipes passwords badges keys maps seeds boats lamps")
_HOW = _words("cheap stolen secret rare fake broken golden hidden borrowed ancient frozen silent loud")
_ACT = _words("sell trade swap leak promise demand advertise hoard collect copy lend auction")
_WORDS = _words("see you at the game tonight it was a good match and we will play again on friday bring snacks")


def policy(number: int, *, version: int = 1, flag: float = 0.97, more: int = 0) -> dict[str, Any]:
    """A tenant's policy: 3 categories (and `more`) whose examples no other tenant has."""
    dice = random.Random(SEED + number)
    categories = {f"own-{i}": _category(dice, f"{number}-{i}", flag) for i in range(3)}
    categories |= {f"new-{i}": _category(random.Random(SEED * 31 + i), f"new-{number}-{i}", flag) for i in range(more)}
    return {"id": f"t{number:04}", "version": str(version), "extends": "default", "categories": categories}


def _category(dice: random.Random, mark: str, flag: float) -> dict[str, Any]:
    def sentence() -> str:
        return f"{dice.choice(_WHO)} {dice.choice(_ACT)} {dice.choice(_HOW)} {dice.choice(_WHAT)} number {mark}"

    return {
        "definition": f"Offers by {dice.choice(_WHO)} to {dice.choice(_ACT)} {dice.choice(_WHAT)} of kind {mark}",
        "examples": {"violating": [f"{sentence()} variant {i}" for i in range(5)]},
        "flag": flag,
    }


def write_set(folder: Path, tenants: int) -> None:
    """The whole set, as files."""
    folder.mkdir()
    (folder / "default.json").write_bytes((SHIPPED / "default.json").read_bytes())
    for number in range(tenants):
        replace(folder, policy(number))
    names = {f"t{number:04}": f"t{number:04}" for number in range(tenants)}
    (folder / "tenants.json").write_bytes(orjson.dumps({"*": "default", **names}))


def replace(folder: Path, document: dict[str, Any]) -> float:
    """Write beside and rename over; gives the moment of the rename."""
    beside = folder.parent / f"{document['id']}.new"
    beside.write_bytes(orjson.dumps(document))
    moment = time.monotonic()
    beside.rename(folder / f"{document['id']}.json")
    return moment


def resident_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def start(folder: Path) -> dict[str, float]:
    """Load models, then the whole set; seconds of the latter and what it takes in memory."""
    settings = load(None, {"policies": folder})
    models = load_models(settings.models.model_dump())
    before = resident_mb()
    worker = Worker(settings, MemoryTransport(MemoryLog(), settings.topics), models)
    worker._device.start()
    began = time.monotonic()
    await worker.policies.load()
    return {"start_s": time.monotonic() - began, "memory_mb": resident_mb() - before, "whole_mb": resident_mb()}


class Versions(StatusFeed):
    """Remembers every version that came into force, in place of the status topic."""

    def __init__(self) -> None:
        self.digests: dict[str, set[str]] = defaultdict(set)

    def put(self, statuses: Sequence[PolicyStatus]) -> None:
        """Note them."""
        for status in statuses:
            if status.active:
                self.digests[status.id].add(status.active)

    async def run(self) -> None:
        """Nothing to send."""


class Traffic:
    """Texts of all tenants through the whole worker, so many under way at any time."""

    def __init__(self, folder: Path, tenants: int) -> None:
        self._settings = load(None, {"policies": folder})
        self._log = MemoryLog()
        topics = self._settings.topics
        self._tail = MemoryTail(self._log, (topics.allow, topics.flag, topics.block))
        self.versions = Versions()
        models = load_models(self._settings.models.model_dump())
        self.worker = Worker(
            self._settings,
            MemoryTransport(self._log, topics),
            models,
            outside=Outside(status_feed=self.versions),
        )
        self._tenants = tenants
        self._dice = random.Random(SEED)
        self._sent = 0
        self.moments: list[float] = []  # of every decision
        self.firsts: dict[str, float] = {}  # digest to the moment of its first decision
        self.mixtures = 0
        self._categories: dict[str, int] = {}

    async def run(self) -> None:
        """Keep events under way until cancelled."""
        await self._tail.start()
        self._send(OUTSTANDING)
        while True:
            records = await self._tail.read(max_records=1_000, timeout_s=1.0)
            moment = time.monotonic()
            for record in records:
                self._check(record, moment)
            self.moments += [moment] * len(records)
            self._send(len(records))

    def _send(self, count: int) -> None:
        drafts = []
        for _ in range(count):
            self._sent += 1
            tenant = CHANGING if self._sent % 8 == 0 else f"t{self._dice.randrange(self._tenants):04}"
            text = " ".join(self._dice.choices(_WORDS, k=12))
            event = {"id": str(self._sent), "tenant": tenant, "parts": [{"type": "text", "text": text}]}
            drafts.append(Draft(self._settings.topics.events, None, orjson.dumps(event)))
        if drafts:
            self._log.append(drafts)

    def _check(self, record: Record, moment: float) -> None:
        headers = dict(record.headers)
        tenant, digest = headers["tenant"].decode(), headers["policy-digest"].decode()
        self.firsts.setdefault(digest, moment)
        if (now := self.worker.policies.of(tenant)) is not None:
            self.versions.digests[tenant].add(now.digest)  # the status is told a moment after the swap
        if digest not in self.versions.digests[tenant]:
            self.mixtures += 1
        if tenant == CHANGING:  # its categories tell its versions apart
            scored = len(orjson.loads(record.value or b"{}")["scores"])
            self.mixtures += self._categories.setdefault(digest, scored) != scored

    def _first(self, before: Policy | None) -> float | None:
        """When the first event was decided by what came after `before`."""
        now = self.worker.policies.of(CHANGING)
        return None if now is None or now is before else self.firsts.get(now.digest)

    def rate(self, since: float, until: float) -> float:
        """Decisions a second."""
        return sum(since <= moment < until for moment in self.moments) / (until - since)

    async def change(self, folder: Path, document: dict[str, Any]) -> tuple[float, float]:
        """Seconds from the rename to the first decision under it, and the rate over it against before."""
        before = self.worker.policies.of(CHANGING)
        await asyncio.sleep(WINDOW_S)
        renamed = replace(folder, document)
        await until(lambda: self._first(before) is not None)
        took = (self._first(before) or renamed) - renamed
        await asyncio.sleep(max(0.0, renamed + WINDOW_S - time.monotonic()))
        ratio = self.rate(renamed, renamed + WINDOW_S) / self.rate(renamed - WINDOW_S, renamed)
        return took, ratio


async def until(holds: Callable[[], bool]) -> None:
    """Look every 5 ms."""
    while not holds():  # noqa: ASYNC110  # what is waited for is what is measured
        await asyncio.sleep(0.005)


async def reload(folder: Path, tenants: int) -> dict[str, float]:
    """Five changed thresholds, five new categories, and once the parent of all."""
    traffic = Traffic(folder, tenants)
    number = int(CHANGING[1:])
    async with running(traffic.worker):
        await until(lambda: bool(traffic.versions.digests))
        flowing = asyncio.create_task(traffic.run())
        await asyncio.sleep(3 * WINDOW_S)
        stricter = [policy(number, version=i + 2, flag=0.9 - i / 100) for i in range(ROUNDS)]
        wider = [policy(number, version=i + 10, more=i + 1) for i in range(ROUNDS)]
        thresholds = [await traffic.change(folder, document) for document in stricter]
        categories = [await traffic.change(folder, document) for document in wider]
        whole = json.loads((SHIPPED / "default.json").read_bytes())
        whole["categories"]["hate"]["flag"] = 0.45
        last = f"t{tenants - 1:04}"
        before = traffic.worker.policies.of(last)
        renamed = replace(folder, whole)
        await until(lambda: traffic.worker.policies.of(last) is not before)
        parent_s = time.monotonic() - renamed
        parent_ratio = traffic.rate(renamed, renamed + parent_s) / traffic.rate(renamed - WINDOW_S, renamed)
        flowing.cancel()
        await asyncio.gather(flowing, return_exceptions=True)
    both = [ratio for _, ratio in (*thresholds, *categories)]
    print(
        f"thresholds {[round(s, 3) for s, _ in thresholds]} s, new categories {[round(s, 3) for s, _ in categories]} s"
    )
    print(f"rate over a reload against before: {[round(r, 3) for r in both]}")
    print(f"the parent of all: in force for the last tenant after {parent_s:.1f} s, rate {parent_ratio:.2f} of before")
    return {
        "reload_s": statistics.median(s for s, _ in thresholds),
        "new_category_s": statistics.median(s for s, _ in categories),
        "throughput_ratio": statistics.median(both),
        "events_per_s": len(traffic.moments) / (traffic.moments[-1] - traffic.moments[0]),
        "parent_s": parent_s,
        "decisions": len(traffic.moments),
        "mixtures": traffic.mixtures,
    }


def child(step: str, folder: Path, tenants: int) -> dict[str, float]:
    """One step in a process of its own."""
    command = [sys.executable, "-m", "ops.bench.reload", step, str(folder), str(tenants)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    *said, last = out.strip().splitlines()
    print("\n".join(said))
    found: dict[str, float] = json.loads(last)
    return found


def main() -> None:
    """Run all of it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if len(sys.argv) > 2:
        step, folder, tenants = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
        print(json.dumps(asyncio.run(start(folder) if step == "start" else reload(folder, tenants))))
        return
    tenants = int(sys.argv[1]) if len(sys.argv) > 1 else TENANTS
    print(f"{tenants} tenants, {OUTSTANDING} events under way, windows of {WINDOW_S:g} s, {ROUNDS} rounds, seed {SEED}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "policies"
        write_set(folder, tenants)
        os.environ["TIDEGATE_CACHE"] = str(Path(place) / "cache")
        cold, warm = child("start", folder, tenants), child("start", folder, tenants)
        print(f"start of the set: empty cache {cold['start_s']:.1f} s, warm {warm['start_s']:.1f} s")
        print(f"memory: {warm['memory_mb']:.0f} MB for the set, {warm['whole_mb']:.0f} MB in all")
        found = child("reload", folder, tenants)
    figures = {"cold_s": cold["start_s"], "warm_s": warm["start_s"], "set_mb": warm["memory_mb"], **found}
    print(" ".join(f"{name}={round(value, 3):g}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
