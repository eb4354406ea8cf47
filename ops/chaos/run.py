"""One run: workers under load on a real Kafka, hurt to a plan, left to finish, and counted."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ops.chaos.cluster import ROUTES, Cluster
from ops.chaos.crew import Crew, command
from ops.chaos.faults import Faults
from ops.chaos.invariants import Ledger, Verdict, check
from ops.chaos.plan import FAULTS, plan
from ops.chaos.proxy import Proxy
from ops.chaos.reading import read_all
from ops.chaos.workload import workload
from ops.kafka.broker import Broker
from ops.kafka.nodes import free_port

_MiB = 1 << 20
_HOPELESS = 10  # workers that ended before anything was committed
_OURS = ("broker", "cut")  # faults that need a broker of our own


@dataclass(frozen=True, slots=True)
class Options:
    """One run's settings."""

    seed: int
    guarantee: str = "at-least-once"
    seconds: float = 30.0  # of load
    events: int = 30_000
    faults: tuple[str, ...] = tuple(FAULTS)
    workers: int = 2  # 1 when scale is among the faults
    partitions: int = 6
    models: str = "standin"  # standin, embedded or words
    mutation: str | None = None
    freeze: str | None = None  # where every zombie stops itself; None leaves it to the seed
    settle_s: float = 90.0  # longest that the workers may take to finish after the load
    bootstrap: str | None = None  # somebody's broker; None starts one


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    options: Options
    verdict: Verdict
    folder: Path
    seconds: float
    ends: list[int]  # exit codes of workers that nobody asked to end
    peak_mib: int


def say(line: str) -> None:
    """Progress, on standard error."""
    print(f"  {line}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def kafka(options: Options) -> Iterator[tuple[str, str, Broker | None, Proxy | None]]:
    """Where the harness and where the workers find the broker; the broker and its proxy when they are ours."""
    if options.bootstrap is not None:
        yield options.bootstrap, options.bootstrap, None, None
        return
    through = free_port()
    with Broker(own=True, through=through) as broker:
        assert broker.behind is not None
        with Proxy(through, broker.behind) as proxy:
            yield broker.bootstrap, f"127.0.0.1:{through}", broker, proxy


async def run(options: Options) -> Outcome:
    """
    Run, wait until all is committed, stop the workers, read and check.

    Raises:
        ValueError: a fault that cannot be done to somebody else's broker.
    """
    if options.bootstrap is not None and (not_ours := set(options.faults) & set(_OURS)):
        raise ValueError(f"{', '.join(sorted(not_ours))} cannot be done to a broker that is given: leave it out")
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"tidegate-chaos-{options.seed}-"))
    with kafka(options) as (direct, proxied, broker, proxy):
        name = f"chaos-{folder.name[-8:]}"
        cluster = Cluster(direct, name, options.partitions)
        await cluster.create()
        (folder / "worker.toml").write_text(_config(options, cluster, proxied, folder))
        more = ["--standin"] if options.models == "standin" else []
        more += ["--mutation", options.mutation] if options.mutation else []
        size = 1 if "scale" in options.faults else options.workers
        crew = Crew(command(folder / "worker.toml", "--hang", str(folder / "hang"), *more), folder, size)
        faults = Faults(crew, folder, broker, proxy, say, options.freeze)
        faults.first_policies()
        try:
            ledger = await _load(options, cluster, crew, faults)
        finally:
            crew.kill()
        found = await read_all(direct, cluster.events, cluster.outputs)
    ledger.in_force = faults.in_force
    verdict = check(found, ledger)
    return Outcome(options, verdict, folder, time.monotonic() - began, crew.ends, crew.peak // _MiB)


async def _load(options: Options, cluster: Cluster, crew: Crew, faults: Faults) -> Ledger:
    """Everything between the first worker's start and the last one's end."""
    background = [asyncio.create_task(crew.watch()), asyncio.create_task(cluster.sample())]
    ledger = Ledger(options.guarantee == "exactly-once", options.models == "standin", most_bytes=_most(options))
    try:
        await crew.begun()
        began = time.monotonic()
        struck = plan(options.seed, options.seconds, options.faults)
        say("plan: " + "; ".join(map(str, struck)))
        if "reload" in options.faults:
            background.append(asyncio.create_task(faults.reload()))
        load = workload(options.seed, options.events, poison="poison" in options.faults)
        await asyncio.gather(cluster.send(load, options.events, options.seconds), faults.strike(struck, began))
        say(f"{time.monotonic() - began:.1f}s all sent and healed, {cluster.behind()} records to go")
        try:
            async with asyncio.timeout(options.settle_s):
                while cluster.behind():
                    if not cluster.samples and len(crew.ends) > _HOPELESS:
                        raise RuntimeError(f"no worker stays: see {crew.last_log}")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            ledger.unfinished = f"{cluster.behind()} records not committed {options.settle_s:.0f} s after the load"
        say(f"{time.monotonic() - began:.1f}s all committed" if not ledger.unfinished else ledger.unfinished)
        background[0].cancel()
        await crew.disband()
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
    broken = [task.exception() for task in background if not task.cancelled()]
    if error := next((error for error in broken if error is not None), None):
        raise error
    ledger.samples, ledger.drains, ledger.peak_bytes = cluster.samples, crew.drains, crew.peak
    return ledger


def _most(options: Options) -> int:
    """Bytes that one worker may take: itself, and what is in flight."""
    return (2_600 if options.models == "embedded" else 500) * _MiB


def _config(options: Options, cluster: Cluster, bootstrap: str, folder: Path) -> str:
    """The workers' settings: time-outs short enough to see them pass within a run."""
    topics = {"events": cluster.events, **cluster.outputs}
    lines = [
        f'policies = "{folder / "policies"}"',
        f'delivery = "{options.guarantee}"',
        "[kafka]",
        f'"bootstrap.servers" = "{bootstrap}"',
        f'"group.id" = "{cluster.group}"',
        '"session.timeout.ms" = 3000',
        '"heartbeat.interval.ms" = 500',
        '"rebalance.timeout.ms" = 8000',
        '"request.timeout.ms" = 9000',
        '"delivery.timeout.ms" = 3000',
        '"transaction.timeout.ms" = 5000',
        '"commit.timeout.ms" = 4000',
        '"stop.timeout.ms" = 3000',
        "[topics]",
        *(f'{role} = "{topics[role]}"' for role in ("events", *ROUTES)),
        "[flow]",
        "drain_s = 5.0",
        "events = 4000",
        "decoded_bytes = 67108864",
        "dead_letter_bytes = 20000",
        "commit_interval_s = 0.5",
        "[models]",
        f'profile = "{"embedded" if options.models == "embedded" else "words"}"',
        "threads = 1",
        "[http]",
        "enabled = false",
    ]
    return "\n".join(lines) + "\n"
