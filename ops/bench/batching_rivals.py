"""
The rivals of `ops.bench.batching`: greedy, fixed delay (Triton), AIMD (Clipper), BentoML's rule.

Each takes its queue first come, first served, as the published ones do, and sheds what can no longer be in time: alone,
by the true latency model, or in a batch as long as they are lately (`early`, which none of them has and all may use).
Which lane runs is tuned as well: the one with the oldest head, or by fixed priority, the shortest deadline first, as
Triton's priority levels give it; so is each model's ceiling, by the seconds that a full batch may take.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ops.bench.batching_load import Event, Model

LONGEST_S = (0.05, 0.1, 0.2, float("inf"))  # that a full batch may take: sets each model's ceiling
ORDERS = ("oldest", "priority")
EARLY = (0.0, 1.0, 1.5)
DELAYS_S = (0.002, 0.01, 0.03)
TARGETS = (0.3, 0.7)  # of the lane's shortest deadline
STEPS = (1, 4)


class _Line:
    """One model's queue."""

    def __init__(self, model: Model, tightest_s: float, mean: float, longest_s: float) -> None:
        self.model = model
        self.tightest_s = tightest_s
        self.events: deque[Event] = deque()
        self.usual_s = 0.0  # that a batch took lately
        limits = model.limits
        fit = (longest_s - model.fixed_s) / (model.each_s * mean)
        self.most = int(max(1, min(limits.items, fit)))

    def is_late(self, event: Event, now: float, early: float) -> bool:
        """True when an event cannot be in time: alone, or in a batch of the usual length, times `early`."""
        return now + max(self.model.seconds(event.cost), early * self.usual_s) > event.deadline

    def shed(self, now: float, early: float) -> None:
        """Drop from the head what cannot be in time any more."""
        while self.events and self.is_late(self.events[0], now, early):
            self.events.popleft()

    def take(self, most: int, now: float, early: float) -> list[Event]:
        """The first `most` that can be in time, within the model's ceiling on padded cost."""
        batch: list[Event] = []
        dearest = 0
        while self.events and len(batch) < most:
            one = self.events[0]
            if not self.is_late(one, now, early):
                if batch and (len(batch) + 1) * max(dearest, one.cost) > self.model.limits.cost:
                    break
                batch.append(one)
                dearest = max(dearest, one.cost)
            self.events.popleft()
        return batch


class Greedy:
    """Batches whatever waits as soon as the device is free (text-embeddings-inference, Triton's default)."""

    def __init__(self, lines: Sequence[tuple[Model, float, float]], longest_s: float, order: str, early: float) -> None:
        self._early = early
        self.lines = {model.name: _Line(model, tightest, mean, longest_s) for model, tightest, mean in lines}
        self._order = order

    def add(self, event: Event) -> None:
        self.lines[event.kind.model.name].events.append(event)

    def next(self, now: float) -> list[Event]:
        """The batch to run now; empty: nothing is due."""
        ready = []
        for line in self.lines.values():
            line.shed(now, self._early)
            if line.events and self.due(line, now):
                ready.append(line)
        if not ready:
            return []
        if self._order == "oldest":
            line = min(ready, key=lambda line: line.events[0].at)
        else:
            line = min(ready, key=lambda line: line.tightest_s)
        return self.take(line, now)

    def take(self, line: _Line, now: float) -> list[Event]:
        return line.take(self.most(line), now, self._early)

    def most(self, line: _Line) -> int:
        return line.most

    def due(self, line: _Line, now: float) -> bool:
        return True

    def again_at(self, now: float) -> float:
        """When to ask again, if nothing comes meanwhile."""
        return float("inf")

    def ran(self, batch: Sequence[Event], wait_s: float, seconds: float) -> None:
        """Learn from a batch."""
        line = self.lines[batch[0].kind.model.name]
        line.usual_s += 0.2 * (seconds - line.usual_s)

    @classmethod
    def grid(cls, lanes: int) -> Iterator[dict[str, Any]]:
        """Every setting to be tried; with one lane there is no order of lanes."""
        orders = ORDERS if lanes > 1 else ORDERS[:1]
        yield from ({"longest_s": s, "order": o, "early": e} for s, o, e in product(LONGEST_S, orders, EARLY))


class FixedDelay(Greedy):
    """A batch leaves when it is full or its head has waited so long (Triton's `max_queue_delay`)."""

    def __init__(self, lines: Any, longest_s: float, order: str, early: float, delay_s: float) -> None:
        super().__init__(lines, longest_s, order, early)
        self._delay_s = delay_s

    def due(self, line: _Line, now: float) -> bool:
        return len(line.events) >= line.most or now >= line.events[0].at + self._delay_s

    def again_at(self, now: float) -> float:
        return min((line.events[0].at + self._delay_s for line in self.lines.values() if line.events), default=now + 9)

    @classmethod
    def grid(cls, lanes: int) -> Iterator[dict[str, Any]]:
        yield from (dict(g, delay_s=d) for g, d in product(Greedy.grid(lanes), DELAYS_S))


class Aimd(Greedy):
    """Clipper, NSDI 2017: the batch grows by a step while it keeps to its target, and shrinks by a tenth when not."""

    def __init__(self, lines: Any, longest_s: float, order: str, early: float, target: float, step: int) -> None:
        super().__init__(lines, longest_s, order, early)
        self._target, self._step = target, step
        self._most = dict.fromkeys(self.lines, 1.0)

    def most(self, line: _Line) -> int:
        return int(max(1, min(line.most, self._most[line.model.name])))

    def ran(self, batch: Sequence[Event], wait_s: float, seconds: float) -> None:
        super().ran(batch, wait_s, seconds)
        name = batch[0].kind.model.name
        line = self.lines[name]
        if seconds > self._target * line.tightest_s:
            self._most[name] = max(1.0, self._most[name] * 0.9)
        elif len(batch) >= self.most(line):
            self._most[name] = min(line.most, self._most[name] + self._step)

    @classmethod
    def grid(cls, lanes: int) -> Iterator[dict[str, Any]]:
        yield from (dict(g, target=t, step=s) for g, t, s in product(Greedy.grid(lanes), TARGETS, STEPS))


class _Cork(NamedTuple):
    each_s: float
    fixed_s: float
    wait_s: float


class Bento(Greedy):
    """
    BentoML's dispatcher, as its source has it: duration = a * n + b by least squares over the last 50 batches; the head
    is cancelled when it could not be answered within `max_latency`; a batch is held back while n * (wn + dt + a) stays
    under 0.95 of the usual wait; the newest are taken first.
    """

    def __init__(self, lines: Any, longest_s: float, order: str, early: float, target: float) -> None:
        super().__init__(lines, longest_s, order, early)
        self._target = target
        self._fits = {
            name: _Cork(target * line.tightest_s * 2 / 30, target * line.tightest_s / 30, 0.01)
            for name, line in self.lines.items()
        }
        self._seen: dict[str, deque[tuple[int, float, float]]] = {name: deque(maxlen=50) for name in self.lines}

    def due(self, line: _Line, now: float) -> bool:
        fit = self._fits[line.model.name]
        while len(line.events) > 1:
            count = len(line.events)
            if now - line.events[0].at + fit.each_s * count + fit.fixed_s < self._target * line.tightest_s:
                break
            line.events.popleft()
        count = len(line.events)
        return count >= line.most or count * (now - line.events[-1].at + 0.001 + fit.each_s) > fit.wait_s * 0.95

    def take(self, line: _Line, now: float) -> list[Event]:
        line.events.reverse()
        batch = line.take(line.most, now, self._early)
        line.events.reverse()
        return batch

    def again_at(self, now: float) -> float:
        return now + 0.001

    def ran(self, batch: Sequence[Event], wait_s: float, seconds: float) -> None:
        super().ran(batch, wait_s, seconds)
        name = batch[0].kind.model.name
        seen = self._seen[name]
        seen.append((len(batch), seconds, wait_s))
        if len(seen) > 4:
            each_s, fixed_s = np.linalg.lstsq([(n, 1) for n, _, _ in seen], [s for _, s, _ in seen], rcond=None)[0]
            wait = sum(w for _, _, w in seen) / len(seen)
            self._fits[name] = _Cork(max(1e-6, float(each_s)), max(0.0, float(fixed_s)), wait)

    @classmethod
    def grid(cls, lanes: int) -> Iterator[dict[str, Any]]:
        yield from (dict(g, target=t) for g, t in product(Greedy.grid(lanes), (0.5, 1.0, 2.0)))


RIVALS: tuple[type[Greedy], ...] = (Greedy, FixedDelay, Aimd, Bento)
