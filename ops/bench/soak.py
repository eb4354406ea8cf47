"""
A long run at 70 % of what the worker can do, its policy reloaded every 10 s: are memory, lag and latency flat?

One real worker process on a real broker, with the stand-in of `ops/bench/overload.py` in the models' place, so that
the load is the same 162 events a second on any machine and costs little processor: text is normalised, lists are
searched, decisions are published and committed as ever; only the model itself sleeps. Each reload changes a threshold
by rename, and counts when a decision carries its version. Every 5 s: the worker's resident set, events sent and not
decided, and p50 and p95 of `latency_ms.total` of the decisions since.

`ratio`: the median of the last third over that of the first third, after a tenth for warming up. Lost and doubled are
counted by input position. Left out: real models, and a broker that is far away.

    python -m ops.bench.soak [--minutes N] [--picture FILE.svg]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from ops.bench.overload import CAPACITY, Run, load_it, settle, with_worker
from ops.kafka.broker import Broker

SHARE = 0.7
RELOAD_S, SAMPLE_S = 10.0, 5.0
TENANTS = ("a", "b", "c", "d")


@dataclass
class Curves:
    """What was seen over time; one value a sample in each list."""

    minutes: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    lag: list[int] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p95_ms: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)  # the machine's load average, ourselves in it

    def of(self, values: Sequence[float], first: float, last: float) -> float:
        """Median of a stretch of the run, by fractions of it."""
        return statistics.median(values[int(len(values) * first) : max(int(len(values) * last), 1)])

    def ratio(self, values: Sequence[float]) -> float:
        """Last third over first third, after a tenth."""
        return self.of(values, 0.7, 1.0) / max(self.of(values, 0.1, 0.4), 1e-9)


def write_policy(folder: Path, version: int) -> None:
    """A new version by rename; its threshold moves between 0.50 and 0.59."""
    policy: dict[str, Any] = {
        "id": "p",
        "version": str(version),
        "categories": {"scam": {"definition": "fraud", "flag": round(0.5 + version % 10 / 100, 2), "block": 0.9}},
        "terms": [{"words": ["free coins"], "match": "word", "category": "scam", "action": "flag"}],
    }
    part = folder / ".p.part"
    part.write_bytes(orjson.dumps(policy))
    os.replace(part, folder / "p.json")


async def watch(run: Run, curves: Curves, fresh: list[float]) -> None:
    """Take a sample every 5 s, until cancelled."""
    began = time.perf_counter()
    while True:
        await asyncio.sleep(SAMPLE_S)
        run.measure()
        some, fresh[:] = sorted(fresh), []
        if not some or not run.rss_mb:
            continue
        curves.minutes.append((time.perf_counter() - began) / 60)
        curves.rss_mb.append(run.rss_mb[-1][1])
        curves.lag.append(run.lag)
        curves.p50_ms.append(some[len(some) // 2])
        curves.p95_ms.append(some[int(len(some) * 0.95)])
        curves.others.append(os.getloadavg()[0])


async def reload(folder: Path, versions: list[int]) -> None:
    """Write a new version every 10 s, until cancelled."""
    while True:
        await asyncio.sleep(RELOAD_S)
        versions.append(versions[-1] + 1)
        write_policy(folder, versions[-1])


async def soak(bootstrap: str, folder: Path, minutes: float) -> tuple[Curves, dict[str, float]]:
    """The run."""
    curves, fresh, versions = Curves(), list[float](), [1]
    seen: set[str] = set()
    write_policy(folder, 1)
    (folder / "tenants.json").write_bytes(orjson.dumps({"*": "p"}))

    async def phases(run: Run, sender: Any) -> None:
        plain = run.note

        def note(record: Any) -> None:
            plain(record)
            body = orjson.loads(record.value)
            seen.add(body["policy"]["version"])
            fresh.append(body["latency_ms"]["total"])

        run.note = note  # type: ignore[method-assign]
        beside = [asyncio.create_task(watch(run, curves, fresh)), asyncio.create_task(reload(folder, versions))]
        try:
            rates = dict.fromkeys(TENANTS, SHARE * CAPACITY / len(TENANTS))
            await load_it(run, sender, rates, minutes * 60, "soak")
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        await settle(run, 60)

    run = await with_worker(bootstrap, folder, phases)
    found = {
        "minutes": minutes,
        "events": run.sent,
        "per_s": run.sent / (minutes * 60),
        "reloads": len(versions) - 1,
        "in_force": len(seen) - 1,
        "rss_mb": curves.of(curves.rss_mb, 0.1, 0.4),
        "rss_ratio": curves.ratio(curves.rss_mb),
        "lag_median": statistics.median(curves.lag),
        "lag_most": max(curves.lag),
        "p50_ms": curves.of(curves.p50_ms, 0.1, 1.0),
        "p50_ratio": curves.ratio(curves.p50_ms),
        "p95_ms": curves.of(curves.p95_ms, 0.1, 1.0),
        "p95_ratio": curves.ratio(curves.p95_ms),
        "load_average": statistics.median(curves.others),
        "lost": run.sent - len(run.seen),
        "doubled": sum(run.seen.values()) - len(run.seen),
    }
    return curves, found


def draw(curves: Curves, path: Path) -> None:
    """Three curves over one axis of time, as a small SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "soak"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, sharex=True, figsize=(7, 5), layout="constrained")
    every = max(len(curves.minutes) // 180, 1)
    time_axis = curves.minutes[::every]
    axes[0].plot(time_axis, curves.rss_mb[::every])
    axes[0].set_ylabel("memory, MB")
    axes[1].plot(time_axis, curves.lag[::every])
    axes[1].set_ylabel("lag, events")
    axes[2].plot(time_axis, curves.p50_ms[::every], label="p50")
    axes[2].plot(time_axis, curves.p95_ms[::every], label="p95")
    axes[2].set_ylabel("latency, ms")
    axes[2].legend(loc="upper right")
    for axis in axes:
        axis.set_ylim(bottom=0)
    axes[2].set_xlabel("minutes")
    figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    """Run it; print the figures, and draw them when asked."""
    parser = argparse.ArgumentParser(prog="python -m ops.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--picture", type=Path, help="where the curves go, as SVG")
    given = parser.parse_args()
    print(
        f"{SHARE:.0%} of {CAPACITY:.0f} events/s for {given.minutes:g} min, a reload every {RELOAD_S:g} s", flush=True
    )
    with tempfile.TemporaryDirectory() as folder, Broker() as broker:
        curves, found = asyncio.run(soak(broker.bootstrap, Path(folder), given.minutes))
    if given.picture:
        draw(curves, given.picture)
    print(" ".join(f"{name}={round(value, 3):g}" for name, value in found.items()))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
