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
from worker.score.batch import Batch, BatchLimits
from worker.score.batcher import Batcher
from worker.score.latency import Latency

_log = structlog.get_logger(__name__)
_LATELY = 0.1  # what the last batch weighs in the usual time of a batch


class Late:
    """What came of an ask whose deadline passed before its turn, and which nobody wants late."""


LATE = Late()
Result = Floats | TextSource | ModelFailed | Late


class Ask(NamedTuple):
    """
    A view to be judged. `ticket` is the caller's and comes back untouched; `concepts` is None for extractors.

    tenant, weight: who shares the lane with whom, and how much more than others, above 0.
    deadline: monotonic seconds at which the answer is late; the most urgent goes first.
    expendable: past its deadline it is answered `LATE`, without the model.
    admitted: when its event came, monotonic seconds; among lanes the older event goes first. None: now.
    """

    view: View
    concepts: Concepts | None
    ticket: Any
    tenant: str = ""
    weight: float = 1.0
    deadline: float = float("inf")
    expendable: bool = False
    admitted: float | None = None


class Answer(NamedTuple):
    """What came of an `Ask`: float32 [C] from a scorer, a text from an extractor, or why there is neither."""

    ticket: Any
    view: View
    result: Result


class Lane:
    """One model's queue. All but `judge` belongs to the event loop's thread; `judge` runs in the device's."""

    def __init__(self, name: str, model: Scorer | Extractor, limits: BatchLimits, clock: Clock) -> None:
        self.name = name
        self.model = model
        self.latency = Latency()
        self.batcher: Batcher[Ask] = Batcher(limits, clock, self.latency)
        self.usual_s = 0.0  # that a batch takes, lately
        self._clock = clock

    def submit(self, ask: Ask) -> None:
        """Queue an ask."""
        self.batcher.add(
            ask,
            ask.view.cost,
            ask.deadline,
            tenant=ask.tenant,
            weight=ask.weight,
            expendable=ask.expendable,
            admitted=ask.admitted,
        )

    def ran(self, batch: Batch[Ask], seconds: float) -> None:
        """Learn from a batch how long they take."""
        self.latency.observe(batch.padded, seconds, max(1, batch.items[-1].view.cost))
        self.usual_s += _LATELY * (seconds - self.usual_s)

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
