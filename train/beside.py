"""What training learns beside the labels: to tell kinds apart by their words, and to keep the published embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.asked import Asked, Course, loss
from train.model import Adapted, mean_of
from train.padding import Ids, padded


class Beside(nn.Module):
    """
    Both keep custom categories good: what the published model saw can be restored from the mean of the tokens by one
    matrix, and tokens tell kinds apart that nobody trained a head for. Neither part ships: `train.conditioned` fits
    both again to the finished encoder.

    Args:
        course: draws rows and kinds; `tokens` are its rows as ids.
        kept: rows of a batch of labels whose embeddings are restored too.
    """

    def __init__(self, course: Course, tokens: Sequence[Ids], *, rows: int, longest: int, kept: int) -> None:
        super().__init__()
        self.asked = Asked()
        self.restores = nn.Parameter(torch.eye(384))
        self._published = [Adapted().eval()]  # in a list, so that its parameters are not ours
        self._course, self._tokens = course, tokens
        self._rows, self._longest, self._kept = rows, longest, kept

    def losses(self, model: Adapted, below: Tensor, above: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Of kinds and of what is kept; `below`, `above`: float32 [B, L, 384] of a batch of labels."""
        batch = self._course.draw(self._rows)
        ids, there = padded([self._tokens[row][: self._longest] for row in batch.rows])
        lower = model.below(ids, there)
        tokens = model.above(lower, there)
        restored = mean_of(tokens, there) @ self.restores
        slots = self.asked.slots(tokens, there)
        kinds = loss(self.asked(slots, functional.normalize(restored, dim=1), batch.asked), batch.wanted)
        some = slice(self._kept)
        also = mean_of(above[some], mask[some]) @ self.restores
        lost = torch.cat([self._lost(lower, there, restored), self._lost(below[some], mask[some], also)])
        return kinds, lost.mean()

    def _lost(self, below: Tensor, mask: Tensor, restored: Tensor) -> Tensor:
        """float32 [B]: how far each row is from what the published model sees."""
        with torch.no_grad():
            was = mean_of(self._published[0].above(below, mask), mask)
        return 1 - functional.cosine_similarity(restored, was)
