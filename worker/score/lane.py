"""A lane: one model with its queue, its estimate of how long a batch takes, and what happens when a batch fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import structlog

from worker.core.clock import Clock
from worker.core.errors import ModelFailed
from worker.core.ports import Extractor, Scorer
from worker.core.views import Concepts, Floats, TextSource, View
from worker.score.batcher import Batcher, BatchLimits

_log = structlog.get_logger(__name__)


class Late:
    """What came of an ask whose deadline passed before its turn, and which nobody wants late."""


LATE = Late()
Result = Floats | TextSource | ModelFailed | Late


class Ask(NamedTuple):
    """
    A view to be judged. `ticket` is the caller's and comes back untouched; `concepts` is None for extractors.

    tenant, weight: who shares the lane with whom, and how much more than others, above 0.
    deadline: monotonic seconds at which the answer is late; a lane short of slack goes first.
    expendable: past its deadline it is answered `LATE`, without the model.
    """

    view: View
    concepts: Concepts | None
    ticket: Any
    tenant: str = ""
    weight: float = 1.0
    deadline: float = float("inf")
    expendable: bool = False


class Answer(NamedTuple):
    """What came of an `Ask`: float32 [C] from a scorer, a text from an extractor, or why there is neither."""

    ticket: Any
    view: View
    result: Result


class Latency:
    """
    Seconds a batch takes as a + b * padded cost, refitted after each batch.

    Least squares over exponentially fading memory, so that a machine that slows down is noticed within some fifty
    batches. Estimates are never negative.
    """

    def __init__(self, fixed_s: float = 0.005, per_cost_s: float = 1e-5, memory: float = 0.98) -> None:
        self._memory = memory
        # two invented observations stand in until real ones outweigh them
        costs = (0.0, 1000.0)
        self._n = 2.0
        self._x = sum(costs)
        self._xx = sum(c * c for c in costs)
        self._y = sum(fixed_s + per_cost_s * c for c in costs)
        self._xy = sum(c * (fixed_s + per_cost_s * c) for c in costs)

    def observe(self, cost: float, seconds: float) -> None:
        """Learn that a batch of `cost` took `seconds`."""
        keep = self._memory
        self._n = keep * self._n + 1
        self._x = keep * self._x + cost
        self._xx = keep * self._xx + cost * cost
        self._y = keep * self._y + seconds
        self._xy = keep * self._xy + cost * seconds

    def estimate_s(self, cost: float) -> float:
        """Seconds a batch of `cost` will take, as far as is known."""
        spread = self._n * self._xx - self._x * self._x
        slope = max(0.0, (self._n * self._xy - self._x * self._y) / spread) if spread > 1e-9 else 0.0
        fixed = (self._y - slope * self._x) / self._n
        return max(0.0, fixed + slope * cost)


class Lane:
    """One model's queue. All but `judge` belongs to the event loop's thread; `judge` runs in the device's."""

    def __init__(self, name: str, model: Scorer | Extractor, limits: BatchLimits, clock: Clock) -> None:
        self.name = name
        self.model = model
        self.batcher: Batcher[Ask] = Batcher(limits, clock)
        self.latency = Latency()
        self._clock = clock

    def slack_s(self) -> float:
        """Seconds to spare before the item whose turn it is would be late, were its batch started now."""
        cost = min(self.batcher.cost, self.batcher.limits.cost)
        return self.batcher.deadline - self._clock.now() - self.latency.estimate_s(cost)

    def judge(self, asks: Sequence[Ask]) -> list[Answer]:
        """
        One answer an ask, in order. Never raises for what a model does.

        A batch that fails is halved and each half tried again, down to single items: those that fail alone are
        answered with `ModelFailed` and their neighbours are untouched. A single item is tried twice.
        """
        now = self._clock.now()
        late = [ask.expendable and ask.deadline < now for ask in asks]
        if any(late):
            rest = [ask for ask, is_late in zip(asks, late, strict=True) if not is_late]
            judged = iter(self._results(rest) if rest else ())
            results = [LATE if is_late else next(judged) for is_late in late]
        else:
            results = self._results(asks)
        return [Answer(ask.ticket, ask.view, result) for ask, result in zip(asks, results, strict=True)]

    def _results(self, asks: Sequence[Ask], again: bool = True) -> list[Result]:
        found = self._attempt(asks)
        if not isinstance(found, ModelFailed):
            return found
        if len(asks) > 1:
            middle = len(asks) // 2
            return [*self._results(asks[:middle], again=False), *self._results(asks[middle:], again=False)]
        return self._results(asks, again=False) if again else [found]

    def _attempt(self, asks: Sequence[Ask]) -> list[Result] | ModelFailed:
        try:
            found = self._call(asks)
        except Exception as error:  # noqa: BLE001  # whatever foreign code raises, the batch failed and is said to have
            _log.warning("batch.failed", lane=self.name, items=len(asks), error=type(error).__name__)
            return ModelFailed(f"model {self.name} failed on {len(asks)} views: {type(error).__name__}")
        if len(found) != len(asks):
            return ModelFailed(f"model {self.name} gave {len(found)} results for {len(asks)} views")
        return [self._checked(result) for result in found]

    def _call(self, asks: Sequence[Ask]) -> Sequence[Floats | TextSource]:
        views = [ask.view for ask in asks]
        # a scorer is what has `score`: the two ports share no other name
        if hasattr(self.model, "score"):
            return self.model.score(views, [ask.concepts for ask in asks])
        return self.model.extract(views)

    def _checked(self, result: Floats | TextSource) -> Result:
        """The result, or `ModelFailed` when it is no score: NaN everywhere, infinite, or not a probability."""
        if isinstance(result, TextSource):
            return result
        silent = np.isnan(result)
        if result.size and silent.all():
            return ModelFailed(f"model {self.name} gave no number for a view")
        if not ((result >= 0) & (result <= 1) | silent).all():
            return ModelFailed(f"model {self.name} gave a score outside 0 to 1")
        return result
