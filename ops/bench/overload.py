"""
Ten times more than a worker can do: memory, lag, recovery and loss, scoring all and shedding; and one tenant's flood.

One real worker process on a real broker. A stand-in takes the models' place: 20 ms a batch and 4 ms an item, so a
batch of 64 makes 232 events a second, whatever the machine is. Three runs, one after the other:

- scoring all: nobody sheds. The load is ten times what the worker can do for `--seconds`; lag grows at the broker. Then
  the load ends and the stand-in becomes 20 times faster, as more workers would make it, until all is decided.
- shedding: every tenant has `otherwise.late: flag` and `limits.events_per_s`. The same load; lag stays.
- fairness: a quiet tenant beside one that sends its limit, then ten times its limit; with shedding, and without.

Memory is the worker's resident set. `memory_ratio` says whether it stays flat: the peak of the whole run against the
median from 10 to 40 % of the overload, when the credits are taken; the worse of the first two runs. What the credits
themselves cost is `memory_over_normal`: the same peak against the median under a load that the worker can do, which
holds no weights here; with the embedded models' it is a few hundredths. Lost and doubled are counted by input position.
Left out: the broker's own time and memory, and real models.

    python -m ops.bench.overload [--seconds N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from ops.kafka.broker import Broker
from worker.core.ports import CategorySpec
from worker.core.records import Draft
from worker.core.views import Concepts, Floats, ModelRef, View, ViewKind
from worker.score.batch import BatchLimits
from worker.score.profile import Models
from worker.settings import Settings, load

SEED, PARTITIONS, BATCH = 20261124, 6, 64
FIXED_S, EACH_S = 0.020, 0.004
CAPACITY = BATCH / (FIXED_S + EACH_S * BATCH)  # events a second
FASTER = 20
TICK_S = 0.05
WARM_S = 8.0
PAGE = 4_096


# --- the worker's process -----------------------------------------------------------------------------------------


class Words:
    """A tokenizer of words; the stand-in reads none of them."""

    window_tokens = 128

    def encode(self, texts: Sequence[str]) -> list[tuple[Any, Any]]:
        found = []
        for text in texts:
            ends = np.cumsum([len(word) + 1 for word in text.split(" ")], dtype=np.int32)
            offsets = np.stack([np.concatenate([[0], ends[:-1]]).astype(np.int32), ends - 1], axis=1)
            found.append((np.arange(len(ends), dtype=np.int32), offsets))
        return found


class StandIn:
    """A scorer that takes a GPU's time and finds nothing."""

    ref = ModelRef("stand-in", "1", "sha256:" + "0" * 64)
    kind = ViewKind.TEXT

    def __init__(self) -> None:
        self.faster = 1

    def score(self, views: Sequence[View], concepts: Sequence[Concepts]) -> list[Floats]:
        time.sleep((FIXED_S + EACH_S * len(views)) / self.faster)
        return [np.full(int(count), 0.01, np.float32) for count in concepts]


class Everything:
    """Every policy looks for something."""

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        return {"stand-in": len(categories)}

    def points(self, categories: Sequence[CategorySpec]) -> None:
        return None


def settings_of(args: Mapping[str, Any]) -> Settings:
    mark = args["mark"]
    names = ("events", "allow", "flag", "block", "dead_letter")
    topics = {f"topics.{name}": f"{name}.{mark}" for name in names}
    return load(
        None,
        {
            "policies": args["policies"],
            "kafka.bootstrap_servers": args["bootstrap"],
            "kafka.group_id": mark,
            "kafka.create_topics": True,
            "kafka.create_partitions": PARTITIONS,
            "http.enabled": False,
            **topics,
        },
    )


async def work(args: Mapping[str, Any]) -> None:
    """Run a worker until standard input closes; a line on it makes the stand-in faster."""
    from worker.app import Worker, make_transport, running
    from worker.core import log
    from worker.core.clock import SystemClock
    from worker.lifecycle import spare_the_collector

    log.configure(level="error")
    settings, standin = settings_of(args), StandIn()
    models = Models(Words(), {"stand-in": standin}, {}, Everything(), {"stand-in": BatchLimits(BATCH, 8_192)})
    worker = Worker(settings, make_transport(settings, SystemClock()), models)
    spare_the_collector()  # as `tidegate run` does
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        for _ in sys.stdin:
            standin.faster = FASTER
        loop.call_soon_threadsafe(ended.set)

    async with running(worker):
        threading.Thread(target=listen, daemon=True).start()
        await ended.wait()


# --- the load, and what is measured -------------------------------------------------------------------------------


@dataclass
class Run:
    """One worker under load, and all that came out of it."""

    settings: Settings
    process: subprocess.Popen[str]
    rss_mb: list[tuple[float, float]] = field(default_factory=list)  # seconds, megabytes
    latency_ms: dict[tuple[str, str], list[float]] = field(default_factory=dict)  # by tenant and phase
    codes: Counter[str] = field(default_factory=Counter)
    seen: Counter[tuple[int, int]] = field(default_factory=Counter)
    sent: int = 0
    most_lag: int = 0
    phase: str = "warm"

    @property
    def lag(self) -> int:
        """Events sent and not decided."""
        return self.sent - len(self.seen)

    def note(self, record: Any) -> None:
        """One decision: where its event stood, how long it took, what was marked."""
        body = orjson.loads(record.value)
        source = body["source"]
        self.seen[source["partition"], source["offset"]] += 1
        phase = body["event_id"].split("-")[0]
        self.latency_ms.setdefault((body["tenant"], phase), []).append(body["latency_ms"]["total"])
        for one in body["degraded"] or ():
            self.codes[one["code"]] += 1

    def measure(self) -> None:
        """Sample the worker's resident set and the lag."""
        with suppress(OSError, IndexError):
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
            self.rss_mb.append((time.perf_counter(), pages * PAGE / 1e6))
        self.most_lag = max(self.most_lag, self.lag)

    def p95(self, tenant: str, phase: str) -> float:
        return statistics.quantiles(self.latency_ms[tenant, phase], n=20)[-1]


async def load_it(run: Run, sender: Any, rates: Mapping[str, float], seconds: float, phase: str) -> None:
    """Send `rates` events a second of each tenant; falls behind no more than a tick."""
    pick, began = random.Random(f"{SEED}-{phase}"), time.perf_counter()
    run.phase = phase
    done: Counter[str] = Counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        drafts = []
        for tenant, rate in rates.items():
            for _ in range(int(rate * elapsed) - done[tenant]):
                done[tenant] += 1
                drafts.append(_event(run, pick, tenant, phase))
        if drafts:
            run.sent += len(drafts)
            await sender.send(drafts)
        run.measure()
        await asyncio.sleep(TICK_S)


def _event(run: Run, pick: random.Random, tenant: str, phase: str) -> Draft:
    actor = f"u{pick.randrange(300)}"
    text = " ".join(
        pick.choices(("the", "game", "tonight", "was", "close", "again", "tomorrow"), k=pick.randint(4, 20))
    )
    event = {
        "id": f"{phase}-{tenant}-{pick.getrandbits(48):x}",
        "tenant": tenant,
        "parts": [{"type": "text", "text": text}],
        "context": {"actor": actor},
    }
    return Draft(run.settings.topics.events, f"{tenant}/{actor}".encode(), orjson.dumps(event))


async def settle(run: Run, limit_s: float) -> float:
    """Wait until everything sent is decided; seconds it took."""
    began = time.perf_counter()
    while run.lag > 0 and time.perf_counter() - began < limit_s:
        run.measure()
        await asyncio.sleep(TICK_S)
    return time.perf_counter() - began


async def with_worker(bootstrap: str, folder: Path, phases: Any) -> Run:
    """Start a worker on new topics, run `phases` on it, and end it."""
    from worker.app import make_sender, make_tail

    args = {"bootstrap": bootstrap, "policies": str(folder), "mark": uuid.uuid4().hex[:10]}
    command = [sys.executable, "-m", "ops.bench.overload", "--worker", json.dumps(args)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)  # noqa: ASYNC220  # returns at once
    run = Run(settings_of(args), process)
    sender = make_sender(run.settings)
    tail = make_tail(run.settings, run.settings.topics.outputs, from_beginning=True)
    for end in (sender, tail):
        while True:  # the worker creates the topics
            try:
                await end.start()
                break
            except Exception:  # not there yet
                if process.poll() is not None:
                    raise
                await asyncio.sleep(0.2)

    async def read() -> None:
        while True:
            for record in await tail.read(max_records=5_000, timeout_s=0.2):
                run.note(record)

    reading = asyncio.create_task(read())
    try:
        await load_it(run, sender, {"first": 20}, 1, "first")  # until its decisions come, the worker is starting
        await settle(run, 60)
        await phases(run, sender)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await tail.stop()
        await sender.stop()
        if process.stdin is not None:
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
    return run


def policies(folder: Path, *, shed: bool, events_per_s: float) -> Path:
    """One policy for everybody; each tenant has the limit."""
    folder.mkdir(exist_ok=True)
    policy: dict[str, Any] = {
        "id": "p",
        "version": "1",
        "categories": {"scam": {"definition": "fraud", "flag": 0.5, "block": 0.9}},
        "limits": {"events_per_s": events_per_s},
        "otherwise": {"late": "flag" if shed else "score"},
    }
    (folder / "p.json").write_bytes(orjson.dumps(policy))
    (folder / "tenants.json").write_bytes(orjson.dumps({"*": "p"}))
    return folder


# --- the three runs -----------------------------------------------------------------------------------------------


async def overloaded(bootstrap: str, root: Path, seconds: float, *, shed: bool) -> dict[str, float]:
    """Ten times the capacity; how memory and lag were, and how it recovered."""
    tenants = ("a", "b", "c", "d")
    folder = policies(root / f"overload-{shed}", shed=shed, events_per_s=0.8 * CAPACITY / len(tenants))
    found: dict[str, float] = {}

    def rates(times: float) -> dict[str, float]:
        return dict.fromkeys(tenants, times * CAPACITY / len(tenants))

    async def phases(run: Run, sender: Any) -> None:
        await load_it(run, sender, rates(0.6), WARM_S, "warm")
        await settle(run, 30)
        warm = [mb for at, mb in run.rss_mb if at > run.rss_mb[-1][0] - WARM_S / 2]
        found["normal_mb"] = statistics.median(warm)
        run.most_lag = 0
        began, before = time.perf_counter(), len(run.seen)
        await load_it(run, sender, rates(10), seconds, "flood")
        taken = [mb for at, mb in run.rss_mb if 0.1 * seconds <= at - began <= 0.4 * seconds]
        found["steady_mb"] = statistics.median(taken)
        found["sent_per_s"] = (run.sent - before) / (time.perf_counter() - began)
        found["lag_at_end"] = run.lag
        if not shed:
            assert run.process.stdin is not None
            run.process.stdin.write("faster\n")
            run.process.stdin.flush()
        found["recovered_s"] = await settle(run, 600)
        await load_it(run, sender, rates(0.6), 3, "after")
        await settle(run, 30)

    run = await with_worker(bootstrap, folder, phases)
    found["peak_mb"] = max(mb for _, mb in run.rss_mb)
    found["memory_ratio"] = found["peak_mb"] / found["steady_mb"]
    found["over_normal"] = found["peak_mb"] / found["normal_mb"]
    found |= {"sent": run.sent, "lost": run.sent - len(run.seen), "most_lag": run.most_lag}
    found["doubled"] = sum(run.seen.values()) - len(run.seen)
    found["shed"] = sum(run.codes.values())
    found["after_p95_ms"] = statistics.quantiles(
        [ms for tenant in tenants for ms in run.latency_ms.get((tenant, "after"), [0.0])], n=20
    )[-1]
    return found


async def fairness(bootstrap: str, root: Path, seconds: float, *, shed: bool) -> dict[str, float]:
    """p95 of a quiet tenant beside one at its limit, and beside the same at ten times its limit."""
    limit, quiet = 0.4 * CAPACITY, 0.2 * CAPACITY
    folder = policies(root / f"fair-{shed}", shed=shed, events_per_s=limit)

    async def phases(run: Run, sender: Any) -> None:
        await load_it(run, sender, {"quiet": quiet, "loud": limit}, 3, "warm")
        await load_it(run, sender, {"quiet": quiet, "loud": limit}, seconds / 2, "fair")
        await settle(run, 60)
        await load_it(run, sender, {"quiet": quiet, "loud": 10 * limit}, seconds / 2, "flood")
        if run.lag > 1_000 and run.process.stdin is not None:
            run.process.stdin.write("faster\n")
            run.process.stdin.flush()
        await settle(run, 600)

    run = await with_worker(bootstrap, folder, phases)
    before, after = run.p95("quiet", "fair"), run.p95("quiet", "flood")
    return {
        "quiet_p95_ms": before,
        "quiet_p95_flood_ms": after,
        "p95_factor": after / before,
        "lost": run.sent - len(run.seen),
    }


def show(name: str, found: Mapping[str, float]) -> None:
    print(f"  {name:<14}" + "  ".join(f"{key} {value:,.6g}" for key, value in found.items()), flush=True)


async def bench(seconds: float) -> None:
    print(f"stand-in {FIXED_S * 1000:g} ms + {EACH_S * 1000:g} ms an item, batches of {BATCH}: {CAPACITY:.0f} events/s")
    print(f"load {10 * CAPACITY:.0f} events/s for {seconds:g} s, {PARTITIONS} partitions, seed {SEED}, default credits")
    with tempfile.TemporaryDirectory() as temporary, Broker() as broker:
        root = Path(temporary)
        found = {}
        for name, shed in (("scoring all", False), ("shedding", True)):
            found[name] = await overloaded(broker.bootstrap, root, seconds, shed=shed)
            show(name, found[name])
        for name, shed in (("fair, shed", True), ("fair, scored", False)):
            found[name] = await fairness(broker.bootstrap, root, min(seconds, 40), shed=shed)
            show(name, found[name])
    scored, shedding = found["scoring all"], found["shedding"]
    print(
        f"memory_ratio={max(scored['memory_ratio'], shedding['memory_ratio']):.2f} "
        f"memory_over_normal={max(scored['over_normal'], shedding['over_normal']):.2f} "
        f"lag_scoring={scored['lag_at_end']:.0f} lag_shedding={shedding['lag_at_end']:.0f} "
        f"recovered_scoring_s={scored['recovered_s']:.1f} recovered_shedding_s={shedding['recovered_s']:.1f} "
        f"lost={sum(one['lost'] for one in found.values()):.0f} "
        f"doubled={scored['doubled'] + shedding['doubled']:.0f} "
        f"p95_factor={found['fair, shed']['p95_factor']:.2f} "
        f"p95_factor_without_shedding={found['fair, scored']['p95_factor']:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ops.bench.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of ten times the load (default 60)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        asyncio.run(work(json.loads(args.worker)))
    else:
        asyncio.run(bench(args.seconds))


if __name__ == "__main__":
    main()
