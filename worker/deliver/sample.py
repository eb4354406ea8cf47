"""Review samples: a stable share of decisions, each with the probability with which it was to be drawn."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from worker.core.decisions import Action
from worker.core.records import Outgoing, Route

Rate = Annotated[float, Field(ge=0, le=1)]
_WHOLE = 1 << 64


class ReviewSettings(BaseModel):
    """Which share of decisions is also published for review, by what was decided. In force once `topics.review` is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: Rate = Field(0.01, description="the only way to see what was missed")
    flag: Rate = 0.05
    block: Rate = 0.05
    demoted: Rate = Field(1.0, description="blocks that the breaker or a cap made a flag")


class ReviewSample:
    """
    Draws by a hash of the decision's id: the same decision is always in or always out, on any worker, and a higher
    rate draws all that a lower one did. With its probability p in the record, each sample stands for 1 / p decisions
    (Horvitz and Thompson), whatever the rates are.
    """

    def __init__(self, settings: ReviewSettings) -> None:
        self._rates = {Action.ALLOW: settings.allow, Action.FLAG: settings.flag, Action.BLOCK: settings.block}
        self._demoted = settings.demoted

    def probability(self, action: Action, *, demoted: bool) -> float:
        """With which a decision is drawn, 0 to 1."""
        rate = self._rates[action]
        return max(rate, self._demoted) if demoted else rate

    def draw(self, decision_id: str, decision: Outgoing, action: Action, *, demoted: bool = False) -> Outgoing | None:
        """The sample: the decision with `review.probability`, its key and headers; None when it is not drawn."""
        probability = self.probability(action, demoted=demoted)
        if decision.value is None or place_of(decision_id) >= probability:
            return None
        value = b'%s,"review":{"probability":%s}}' % (decision.value[:-1], repr(probability).encode())
        return Outgoing(Route.REVIEW, decision.key, value, decision.headers, decision.source)


def place_of(decision_id: str) -> float:
    """Where the decision stands in [0, 1): uniform over ids, the same for ever, and of its own among hashes."""
    drawn = hashlib.blake2b(decision_id.encode(), digest_size=8, person=b"tidegate-review").digest()
    return int.from_bytes(drawn) / _WHOLE
