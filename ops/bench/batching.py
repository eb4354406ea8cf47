"""
Batches that meet their deadlines: a discrete-event simulation of one device, the worker's own batcher against others.

The lanes, the latency estimates and the dispatch are the worker's own code (`worker/score/`), on a virtual clock; only
the models are replaced, by published latencies (`ops/bench/batching_load.py`, with sources). A batch's time has noise,
and the worker learns it from nothing, while the rivals know its mean. The rivals (`ops/bench/batching_rivals.py`) are
tuned by grid for each scenario, on the very trace that counts; ours has one setting for all. Loads are shares of what a
server can do that batches in the order of arrival, so that nobody is swamped by padding alone under a steady load.

Goodput: share of all events answered within their deadlines. Late ones may be shed by everybody. `worst_ratio` is ours
over the best rival's in the scenario where that is least; `burst_ratio` the least among bursts of mixed kinds (`guard`:
chat and posts, `mixed`: three models); the bursts of a single kind stand beside it. p99 is of what was answered. The
rivals know no tenants, so everything comes from one; "8 tenants" is ours where they share the lanes by weight and send
by Zipf's law: what fairness costs when the loudest sends a third of all. Left out: tokenizing, transfers, our loop.

    python -m ops.bench.batching [--mix NAME] [--trace NAME]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ops.bench.batching_load import MIXES, NOISE, SEED, TRACES, Event, Mix, Model, events
from ops.bench.batching_rivals import RIVALS
from worker.core.clock import FakeClock
from worker.core.views import Floats, ModelRef, View, ViewKind
from worker.score.dispatch import Dispatch
from worker.score.lane import Ask, Lane

OURS, SHARED = "tidegate", "8 tenants"
MIXED = ("guard", "mixed")  # of more than one kind


class Batching(Protocol):
    """What is compared."""

    def add(self, event: Event) -> None: ...

    def next(self, now: float) -> Sequence[Event]: ...

    def again_at(self, now: float) -> float: ...

    def ran(self, batch: Sequence[Event], wait_s: float, seconds: float) -> None: ...


class _Unused:
    """Stands where a lane has its model; the simulation never asks it."""

    ref = ModelRef("unused", "0", "sha256:0")
    kind = ViewKind.TEXT

    def score(self, views: Sequence[View], concepts: Sequence[Any]) -> list[Floats]:
        raise NotImplementedError


class Ours:
    """The worker's lanes and dispatch, as `worker.score.device` runs them with one thread."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._clock = FakeClock()
        self._lanes = {m.name: Lane(m.name, _Unused(), m.limits, self._clock) for m in models}
        self._dispatch = Dispatch(list(self._lanes.values()), self._clock)
        self._batch: Any = None

    def add(self, event: Event) -> None:
        self._clock.advance(max(0.0, event.at - self._clock.now()))
        view = View("parts/0", ViewKind.TEXT, (), None, event.cost)
        ask = Ask(view, None, event, event.tenant, 1.0, event.deadline, True)
        self._lanes[event.kind.model.name].submit(ask)

    def next(self, now: float) -> Sequence[Event]:
        self._clock.advance(max(0.0, now - self._clock.now()))
        self._dispatch.give_up()
        self._batch = self._dispatch.next()
        return [ask.ticket for ask in self._batch[1].items] if self._batch else []

    def again_at(self, now: float) -> float:
        wait_s = self._dispatch.wait_s()
        return float("inf") if wait_s is None else now + max(wait_s, 1e-5)

    def ran(self, batch: Sequence[Event], wait_s: float, seconds: float) -> None:
        lane, took = self._batch
        lane.ran(took, seconds)


@dataclass
class Outcome:
    """What came of a scenario."""

    setting: str = ""
    good: Counter[str] = field(default_factory=Counter)
    offered: Counter[str] = field(default_factory=Counter)
    busy: float = 0.0  # share of the time
    p99_s: dict[str, float] = field(default_factory=dict)
    padding: float = 0.0  # share of what was computed
    batch: float = 0.0  # events of a batch

    @property
    def goodput(self) -> float:
        return self.good.total() / self.offered.total()


def simulate(batching: Batching, arrivals: Sequence[Event]) -> Outcome:
    """Run a scenario to its end."""
    rng = np.random.default_rng(SEED)
    outcome = Outcome(offered=Counter(event.kind.name for event in arrivals))
    latencies: dict[str, list[float]] = {kind: [] for kind in outcome.offered}
    at, cost, padded, batches, answered = 0, 0, 0, 0, 0
    now = busy_s = ended = 0.0
    while True:
        while at < len(arrivals) and arrivals[at].at <= now:
            batching.add(arrivals[at])
            at += 1
        batch = batching.next(now)
        if not batch:
            coming = arrivals[at].at if at < len(arrivals) else float("inf")
            now = min(coming, max(now, batching.again_at(now)))
            if now == float("inf") or (at == len(arrivals) and now > arrivals[-1].at + 60):
                break
            continue
        model = batch[0].kind.model
        dear = len(batch) * max(event.cost for event in batch)
        seconds = model.seconds(dear) * float(np.exp(NOISE * rng.standard_normal()))
        wait_s = now - min(event.at for event in batch)
        # arrivals during the batch are seen when it ends; their own times are kept
        now += seconds
        busy_s, ended = busy_s + seconds, now
        cost, padded = cost + sum(event.cost for event in batch), padded + dear
        batches, answered = batches + 1, answered + len(batch)
        for event in batch:
            latencies[event.kind.name].append(now - event.at)
            outcome.good[event.kind.name] += now <= event.deadline
        batching.ran(batch, wait_s, seconds)
    outcome.busy = busy_s / max(ended, arrivals[-1].at)
    outcome.p99_s = {kind: float(np.percentile(some, 99)) if some else 0.0 for kind, some in latencies.items()}
    outcome.padding, outcome.batch = 1 - cost / max(1, padded), answered / max(1, batches)
    return outcome


def lines(mix: Mix) -> list[tuple[Model, float, float]]:
    """For the rivals: each model of a mix with the shortest deadline and the mean cost of its kinds."""
    found: dict[str, tuple[Model, float, float]] = {}
    for kind, _ in mix.shares:
        _, tightest, mean = found.get(kind.model.name, (kind.model, kind.deadline_s, kind.mean))
        found[kind.model.name] = (kind.model, min(tightest, kind.deadline_s), (mean + kind.mean) / 2)
    return list(found.values())


def run(mix: Mix, trace: str) -> dict[str, Outcome]:
    """Everyone's outcome in a scenario, the rivals' best of their grids."""
    arrivals = events(mix, trace)
    models = list({kind.model.name: kind.model for kind, _ in mix.shares}.values())
    alone = [event._replace(tenant="") for event in arrivals]
    found = {OURS: simulate(Ours(models), alone), SHARED: simulate(Ours(models), arrivals)}
    for rival in RIVALS:
        best = Outcome(offered=Counter(none=1))
        for setting in rival.grid(len(lines(mix))):
            outcome = simulate(rival(lines(mix), **setting), arrivals)
            if outcome.goodput >= best.goodput:
                best = outcome
                best.setting = " ".join(f"{key}={value}" for key, value in setting.items())
        found[rival.__name__] = best
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mix")
    parser.add_argument("--trace")
    given = parser.parse_args()
    scenarios = [
        (mix, trace)
        for mix in MIXES
        for trace in TRACES
        if given.mix in (None, mix.name) and given.trace in (None, trace)
    ]
    ratios: dict[tuple[str, str], float] = {}
    shared: dict[tuple[str, str], float] = {}
    padding = 0.0
    with ProcessPoolExecutor() as pool:
        runs = [(mix, trace, pool.submit(run, mix, trace)) for mix, trace in scenarios]
        for mix, trace, future in runs:
            found = future.result()
            ours = found[OURS]
            best = max(one.goodput for name, one in found.items() if name not in (OURS, SHARED))
            ratios[mix.name, trace] = ours.goodput / best
            shared[mix.name, trace] = found[SHARED].goodput / best
            padding = max(padding, ours.padding)
            print(f"{mix.name}, {trace}: {ours.offered.total()} events, {ours.goodput / best:.2f} of the best rival")
            for name, one in found.items():
                kinds = ", ".join(
                    f"{kind} {one.good[kind] / one.offered[kind]:.3f} p99 {1000 * p99:.0f} ms"
                    for kind, p99 in one.p99_s.items()
                )
                print(
                    f"  {name:<11}{one.goodput:.3f} in time ({kinds}), device {one.busy:.2f}, "
                    f"padding {one.padding:.2f}, {one.batch:.1f} a batch {one.setting}",
                    flush=True,
                )
    bursts = [ratio for (mix, trace), ratio in ratios.items() if trace == "bursts" and mix in MIXED]
    print(
        f"worst_ratio={min(ratios.values()):.3f} burst_ratio={min(bursts, default=float('nan')):.2f} "
        f"worst_ratio_8_tenants={min(shared.values()):.3f} padding={padding:.2f} "
        + " ".join(f"{mix}_{trace}={ratio:.2f}" for (mix, trace), ratio in ratios.items())
    )


if __name__ == "__main__":
    main()
