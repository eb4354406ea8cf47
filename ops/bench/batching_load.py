"""The load of `ops.bench.batching`: published latency models, kinds of events with deadlines, traces of arrivals."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from worker.score.batch import BatchLimits

SEED = 20261126
NOISE = 0.03  # standard deviation of the logarithm of a batch's time; Clockwork found GPUs steadier than that
TENANTS = 8  # Zipf: the first sends 37 %, the last 5 %


@dataclass(frozen=True)
class Model:
    """
    A model on one H100: a batch takes `fixed_s + each_s * padded cost`.

    The figures are published ones, fitted: nothing here was measured by us.
    """

    name: str
    fixed_s: float
    each_s: float
    limits: BatchLimits

    def seconds(self, padded: float) -> float:
        return self.fixed_s + self.each_s * padded


# ours alone reads the wait: how long a batch that is not full may be held back; the same for all scenarios
_WAIT_S = 0.010
# A prompt of 500 tokens takes Gemma-4-E4B 25 ms in vLLM (blog.overshoot.ai, p95 to the first token); a dense 4B model
# does 8.6 GFLOP a token, 20 µs at 43 % of an H100's 989 TFLOPS. So 15 ms a batch, with the policy's prefix cached.
GUARD = Model("guard", 0.015, 20e-6, BatchLimits(64, 8_192, _WAIT_S))
# Opir edge (Knowledgator/Opir README): 1,024 tokens alone 9.25 ms, batches of 16 of them 499 texts/s.
ENCODER = Model("encoder", 0.0077, 1.49e-6, BatchLimits(64, 32_768, _WAIT_S))
# insanely-fast-whisper's table, A100, large-v3: 24 windows of 30 s in 7.8 s; faster-whisper one in 1.9 s. Divided by 8
# for turbo (OpenAI's table) and by 2 for an H100. Every window is padded to 30 s, so costs are all alike.
WHISPER = Model("whisper", 0.100, 0.016, BatchLimits(16, 16, _WAIT_S))
MODELS = (GUARD, ENCODER, WHISPER)


@dataclass(frozen=True)
class Kind:
    """What people send: a model reads it, `deadline_s` is how long they wait, tokens are log-normal."""

    name: str
    model: Model
    deadline_s: float
    median: float = 1.0
    spread: float = 0.0
    most: int = 1

    def cost(self, normal: float) -> int:
        """Of one event, from a standard normal variate."""
        return max(1, min(self.most, round(self.median * math.exp(self.spread * normal))))

    @property
    def mean(self) -> float:
        return self.median * math.exp(self.spread**2 / 2)


CHAT = Kind("chat", GUARD, 0.3, median=40, spread=0.8, most=512)
POST = Kind("post", GUARD, 2.0, median=160, spread=0.8, most=1_024)
LINE = Kind("line", ENCODER, 0.15, median=60, spread=0.8, most=512)
VOICE = Kind("voice", WHISPER, 5.0)


@dataclass(frozen=True)
class Mix:
    """Which kinds come together, by share of events; `pace` stretches time where deadlines are longer."""

    name: str
    shares: tuple[tuple[Kind, float], ...]
    pace: float
    seconds: float

    @functools.cached_property
    def capacity(self) -> float:
        """Events a second that a server can do in full batches in the order of arrival: what loads are shares of."""
        return 1 / sum(share * seconds for share, seconds in self._seconds())

    def _seconds(self) -> Iterator[tuple[float, float]]:
        """For each model: its share of the events, and the seconds that an event takes there."""
        rng = np.random.default_rng(SEED)
        for model in {kind.model.name: kind.model for kind, _ in self.shares}.values():
            kinds = [(kind, share) for kind, share in self.shares if kind.model is model]
            total = sum(share for _, share in kinds)
            seconds, count = 0.0, 0
            while count < 20_000:
                some = rng.choice(len(kinds), size=model.limits.items, p=[share / total for _, share in kinds])
                costs = [
                    kinds[i][0].cost(z) for i, z in zip(some, rng.standard_normal(len(some)).tolist(), strict=True)
                ]
                dearest = np.maximum.accumulate(costs) * np.arange(1, len(costs) + 1)
                fit = max(1, int(np.searchsorted(dearest, model.limits.cost, side="right")))
                seconds, count = seconds + model.seconds(fit * max(costs[:fit])), count + fit
            yield total, seconds / count


MIXES = (
    Mix("guard", ((CHAT, 0.75), (POST, 0.25)), 1.0, 25),
    Mix("encoder", ((LINE, 1.0),), 0.5, 8),
    Mix("whisper", ((VOICE, 1.0),), 10.0, 250),
    Mix("mixed", ((CHAT, 0.45), (POST, 0.15), (LINE, 0.35), (VOICE, 0.05)), 1.0, 25),
)


class Event(NamedTuple):
    """One arrival: when, of which kind, its cost, its tenant."""

    at: float
    kind: Kind
    cost: int
    tenant: str

    @property
    def deadline(self) -> float:
        return self.at + self.kind.deadline_s


# Rates are multiples of capacity.
TRACES = ("poisson", "bursts", "diurnal")


def events(mix: Mix, trace: str) -> list[Event]:
    """
    The arrivals of a scenario, always the same.

    poisson: at 0.85 of capacity.
    bursts: a Poisson process in two states (MMPP-2, as in MArk, ATC 2019, and BATCH, SC 2020): 0.4 of capacity for 4 s
        on average, 2.5 times it for 1 s; both exponential.
    diurnal: a day pressed into the trace's length: a sine from 0.2 to 1.2 of capacity.
    """
    rng = np.random.default_rng([SEED, [m.name for m in MIXES].index(mix.name), TRACES.index(trace)])
    kinds = [kind for kind, _ in mix.shares]
    shares = [share for _, share in mix.shares]
    weights = 1 / np.arange(1, TENANTS + 1)
    times = list(_times(rng, mix, trace))
    which = rng.choice(len(kinds), size=len(times), p=shares)
    tenants = rng.choice(TENANTS, size=len(times), p=weights / weights.sum())
    sizes = rng.standard_normal(len(times))
    return [
        Event(at, kind, kind.cost(size), f"t{tenant}")
        for at, kind, size, tenant in zip(times, (kinds[i] for i in which), sizes.tolist(), tenants, strict=True)
    ]


def _times(rng: np.random.Generator, mix: Mix, trace: str) -> Iterator[float]:
    """Times of arrival: a Poisson process of the highest rate, thinned to the rate of the moment."""
    highest = {"poisson": 0.85, "bursts": 2.5, "diurnal": 1.2}[trace] * mix.capacity
    bursting, until, at = False, rng.exponential(4.0 * mix.pace), 0.0
    while (at := at + rng.exponential(1 / highest)) < mix.seconds:
        while at > until:
            bursting = not bursting
            until += rng.exponential((1.0 if bursting else 4.0) * mix.pace)
        if trace == "bursts":
            rate = 2.5 if bursting else 0.4
        elif trace == "diurnal":
            rate = 0.7 - 0.5 * math.cos(2 * math.pi * at / mix.seconds)
        else:
            rate = 0.85
        if rng.random() * highest < rate * mix.capacity:
            yield at
