"""A category's head: fitted to its own words against everyday lines, beside what the conditioned head makes of them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from worker.core.views import Floats
from worker.score.asked import Asked, together
from worker.score.features import FITTED, MEANING
from worker.score.platt import Line, fit_line

# Tuned on the development sets that docs/models.md names; a digest of them is part of the model's.
_RIDGE = 0.03  # penalty on a head's weights
_BACKGROUND = 2.0  # weight of the everyday lines beside the violating examples, which together weigh 1
_ALLOWED = 0.2  # weight of a category's allowed examples
_DEFINITION = 0.5  # share of the definition beside a single example; none at `_ENOUGH` examples
_ENOUGH = 8
_PRIOR = 0.05  # how common a violation is taken to be when scores are made probabilities
_TYPICAL = Line(6.0, 1.0)  # the line that turns raw values into log-odds where examples are too few to tell
_ASKED = 0.5  # share of the conditioned head's log-odds beside the fitted head's, without examples
_HALVED_BY = 5  # examples that halve it: they say more than what was learnt from other categories
PARAMETERS: Final = (
    *(_RIDGE, _BACKGROUND, _ALLOWED, _DEFINITION, _ENOUGH, _PRIOR, _TYPICAL),
    *(_ASKED, _HALVED_BY),
)

Doubles = npt.NDArray[np.float64]


class Head(NamedTuple):
    """weights: float32 [589], for `Reading.features`."""

    weights: Floats
    bias: float


class Background:
    """
    The everyday lines every head must leave alone, with what can be computed once for all heads.

    Args:
        lines: float32 [N, 589], what is seen in them.
    """

    def __init__(self, lines: Floats, asked: Asked) -> None:
        self._asked, self.lines = asked, lines
        rows = self._rows = _fitted(lines)
        penalty = np.full(rows.shape[1], _RIDGE)
        penalty[-1] = 1e-3  # the last column is the intercept, which must stay free
        self._weights = np.full(len(rows), _BACKGROUND / len(rows))
        self._inverse = np.linalg.inv((rows.T * self._weights) @ rows + np.diag(penalty))
        self._pull = -(self._weights @ rows)
        self._seen = rows @ self._inverse
        self._leverage = np.einsum("ij,ij->i", self._seen, rows)

    def head(self, definition: Floats, violating: Floats, allowed: Floats) -> Head:
        """
        Weighted ridge regression on +1 and -1, what the words ask for, and a line that makes their sum log-odds.

        definition, violating, allowed: float32 [n, 589], any of them empty. The background's share of the normal
        equations is inverted already, so a head costs an inverse of the size of its own examples (Woodbury), which is
        never multiplied out: a thousand tenants start in seconds.
        """
        share = _definition_share(len(violating)) if len(definition) else 0.0
        weights = np.concatenate(
            [
                np.full(len(definition), share / max(1, len(definition))),
                np.full(len(violating), (1 - share) / max(1, len(violating))),
                np.full(len(allowed), _ALLOWED / max(1, len(allowed))),
            ]
        )
        used = weights > 0
        rows = _fitted(np.concatenate([definition, violating, allowed]))[used]
        signs = np.concatenate([np.ones(len(definition) + len(violating)), -np.ones(len(allowed))])[used]
        weights = weights[used]
        seen = self._inverse @ rows.T
        own = rows @ seen
        inner = np.linalg.inv(np.diag(1 / weights) + own)
        target = self._pull + rows.T @ (weights * signs)
        head = self._inverse @ target - seen @ (inner @ (seen.T @ target))
        across = np.concatenate([self._seen @ rows.T, own])
        leverage = np.concatenate([self._leverage, own.diagonal()]) - np.einsum("ij,ij->i", across @ inner, across)
        asked, added = self._conditioned(definition, violating, allowed)
        added = added[np.concatenate([np.ones(len(self._rows), np.bool_), used])]
        line = self._calibrated(head, leverage, rows, signs, weights, added, len(violating))
        asked[:FITTED] += head[:-1]
        asked[-1] += head[-1]
        return Head((asked[:-1] * line.slope).astype(np.float32), float(asked[-1] * line.slope + line.shift))

    def _conditioned(self, definition: Floats, violating: Floats, allowed: Floats) -> tuple[Doubles, Doubles]:
        """
        What the words ask for, as weights float64 [590], bias last; and its value for each line and each of the words,
        every one of them read as if it were not among what asks. Zero in the mean of the lines.
        """
        words = _asking(definition[:, :MEANING], violating[:, :MEANING])
        words = np.concatenate([words, np.repeat(words[:1], len(allowed), 0)])
        share = _ASKED / (1 + len(violating) / _HALVED_BY) / _TYPICAL.slope
        of_meaning, of_slots, always = self._asked.weights(words)
        weights = np.zeros((len(words), of_meaning.shape[1] + FITTED - MEANING + of_slots.shape[1] + 1))
        weights[:, :MEANING], weights[:, FITTED:-1], weights[:, -1] = of_meaning, of_slots, always
        weights *= share
        lines = self.lines @ weights[0, :-1] + weights[0, -1]
        weights[:, -1] -= lines.mean()
        own = np.concatenate([definition, violating, allowed])
        alone = np.einsum("nf,nf->n", own, weights[1:, :-1]) + weights[1:, -1]
        return weights[0], np.concatenate([lines - lines.mean(), alone])

    def _calibrated(
        self,
        head: Doubles,
        leverage: Doubles,
        rows: Doubles,
        signs: Doubles,
        weights: Doubles,
        added: Doubles,
        examples: int,
    ) -> Line:
        """The line from values to log-odds, fitted on each example's value under the head made without it."""
        everything = np.concatenate([self._rows, rows])
        targets = np.concatenate([-np.ones(len(self._rows)), signs])
        shares = np.concatenate([self._weights, weights])
        values = everything @ head
        leverage = np.minimum(shares * leverage, 0.99)
        alone = values + leverage / (1 - leverage) * (values - targets) + added
        for sign, prior in ((1, _PRIOR), (-1, 1 - _PRIOR)):
            shares[targets == sign] *= prior / shares[targets == sign].sum()
        return fit_line(alone, targets > 0, shares * examples, _TYPICAL)


def _definition_share(examples: int) -> float:
    """How much of the violating side is the definition: all without examples, none with `_ENOUGH`."""
    return 1.0 if examples == 0 else _DEFINITION * max(0.0, 1 - examples / _ENOUGH)


def _asking(definition: Floats, examples: Floats) -> Floats:
    """
    float32 [n + 1, 384]: what a category's n words (sentences, then violating examples; float32 [., 384]) ask for
    together, and without each of them; with it where nothing else would be left.
    """
    meant = _unit(definition.sum(0)) if len(definition) else None
    if not len(examples):
        return np.repeat(together(meant, None)[None], len(definition) + 1, 0)
    said = examples.sum(0)
    every, by_examples = together(meant, said), together(None, said)
    others = together(meant, said - examples) if len(examples) > 1 else (every if meant is None else meant)[None]
    return np.concatenate([every[None], np.repeat(by_examples[None], len(definition), 0), others])


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _fitted(seen: Floats) -> Doubles:
    """float64 [N, 398]: what a head is fitted to, and a column of ones for the intercept."""
    return np.column_stack([seen[:, :FITTED].astype(np.float64), np.ones(len(seen))])
