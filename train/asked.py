"""The policy-conditioned head, as it is trained: from a category's words to weights over what is seen in a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from train.kinds import Kind, Told
from worker.core.views import Floats
from worker.score.asked import KEPT, SLOTS, together

_WHOLE = 96  # rank of what is said of the text as a whole
_BY_KIND = 2 / 3  # share of a batch that is drawn kind by kind, so that small ones count as much
_BY_EXAMPLES = 0.4  # how often a kind is asked for by examples, by themselves or beside its definition
_MOST_EXAMPLES = 8
_NO_TO_YES = 3.0  # how much a kind's denials in a batch weigh beside its instances, at most


class Asked(nn.Module):
    """
    log-odds = slots·wants(c) + whole(text)·wholly(c) + easily(c), with `c` the embedding of a definition and examples.
    What each part is: `worker.score.asked.Asked`, which runs it.
    """

    def __init__(self, width: int = 384) -> None:
        super().__init__()
        self.looks = nn.Parameter(torch.randn(SLOTS, width) * 0.1)
        self.keeps = nn.Parameter(torch.randn(SLOTS, KEPT, width) * 0.05)
        self.wants = nn.Parameter(torch.randn(SLOTS * KEPT, width) * 0.1)
        self.whole = nn.Parameter(torch.randn(_WHOLE, width) * 0.08)
        self.wholly = nn.Parameter(torch.randn(_WHOLE, width) * 0.16)
        self.easily = nn.Parameter(torch.zeros(width))
        self.bias = nn.Parameter(torch.tensor(-3.0))

    def slots(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """float32 [B, SLOTS · 32] from tokens float32 [B, L, 384] and mask bool [B, L]."""
        shares = (tokens @ self.looks.T).masked_fill(~mask[:, :, None], -1e4).softmax(1)
        kept = torch.einsum("blm,blw->bmw", shares, tokens)
        return torch.einsum("bmw,mdw->bmd", kept, self.keeps).flatten(1)

    def forward(self, slots: Tensor, embeddings: Tensor, asked: Tensor) -> Tensor:
        """Log-odds float32 [B, C]; embeddings float32 [B, 384] and asked float32 [C, 384] of unit length."""
        whole = (embeddings @ self.whole.T) @ (asked @ self.wholly.T).T
        return slots @ (asked @ self.wants.T).T + whole + asked @ self.easily + self.bias


class Batch(NamedTuple):
    """rows: places in the course's rows, [B]. asked: float32 [C, 384]. wanted: float32 [B, C], NaN where unknown."""

    rows: npt.NDArray[np.int64]
    asked: Tensor
    wanted: Tensor


class Course:
    """
    Draws batches of rows and kinds.

    Args:
        rows: what is told of each text.
        kinds: those that `rows` are about; one with fewer than three rows is left out.
        embeddings: of the rows, float32 [N, 384] of unit length. embed: the same for a kind's definitions.
    """

    def __init__(
        self,
        rows: Sequence[Told],
        kinds: Sequence[Kind],
        embeddings: Floats,
        embed: Callable[[Sequence[str]], Floats],
        seed: int,
    ) -> None:
        self._dice = np.random.default_rng(seed)
        self._wanted = np.stack([row.wanted for row in rows])
        self.embeddings = embeddings
        self._instances = {k: np.flatnonzero(self._wanted[:, k] == 1) for k in range(len(kinds))}
        self._kinds = np.array([k for k, places in self._instances.items() if len(places) >= 3])
        self._definitions = {int(k): embed(kinds[k].definitions) for k in self._kinds}

    def draw(self, size: int) -> Batch:
        """A batch of `size` rows against every kind."""
        by_kind = [self._any(self._instances[k]) for k in self._dice.choice(self._kinds, round(size * _BY_KIND))]
        others = self._dice.choice(len(self._wanted), size - len(by_kind))
        rows = np.concatenate([np.array(by_kind, np.int64), others])
        asked = np.stack([self._asked(int(k)) for k in self._kinds])
        wanted = torch.from_numpy(self._wanted[np.ix_(rows, self._kinds)])
        return Batch(rows, torch.from_numpy(asked), wanted)

    def _any(self, places: npt.NDArray[np.int64]) -> int:
        return int(places[self._dice.integers(len(places))])

    def _asked(self, kind: int) -> Floats:
        """What the kind is asked for by: a wording of its definition, some examples, or both."""
        definitions = self._definitions[kind]
        asked: Floats = definitions[self._dice.integers(len(definitions))]
        if self._dice.random() >= _BY_EXAMPLES:
            return asked
        places = self._instances[kind]
        count = min(int(self._dice.integers(1, _MOST_EXAMPLES + 1)), len(places))
        examples = self.embeddings[self._dice.choice(places, count, replace=False)]
        return together(asked if self._dice.random() < 0.5 else None, examples.mean(0))


def loss(log_odds: Tensor, wanted: Tensor) -> Tensor:
    """Cross entropy over what is known, a kind's many denials in a batch weighing little more than its instances."""
    known = ~torch.isnan(wanted)
    truth = wanted.nan_to_num(0.0)
    yes = (truth * known).sum(0)
    no = ((1 - truth) * known).sum(0)
    denial = (yes.clamp(min=1) * _NO_TO_YES / no.clamp(min=1)).clamp(max=1.0)
    weights = known * torch.where(truth > 0, 1.0, denial)
    each = functional.binary_cross_entropy_with_logits(log_odds, truth, reduction="none")
    return (each * weights).sum() / weights.sum()
