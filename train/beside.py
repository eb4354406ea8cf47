"""What training learns beside the labels: to tell kinds apart by their words, and to keep the published embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.asked import Asked, Course, loss
from train.kinds import Kind, Told
from train.model import Adapted, mean_of
from train.padding import Ids, padded
from worker.core.views import Floats
from worker.score.models.adapted import published
from worker.score.models.minilm import MiniLM
from worker.score.models.minilm_encoders import CpuEncoder


class Beside(nn.Module):
    """
    Both keep custom categories good: what the published model saw can be restored from the mean of the tokens by one
    matrix, and tokens tell kinds apart that nobody trained a head for. Neither part ships: `train.conditioned` fits
    both again to the finished encoder.

    Args:
        rows: what is told of each text; `tokens` are they as ids. kinds: what that is about; each is asked for by what
            the published model sees in its words.
        batch: rows that are drawn at a time. longest: tokens of each that are read.
        kept: rows of a batch of labels whose embeddings are restored too.
    """

    def __init__(
        self,
        rows: Sequence[Told],
        kinds: Sequence[Kind],
        tokens: Sequence[Ids],
        *,
        batch: int,
        longest: int,
        kept: int,
        seed: int,
        threads: int,
    ) -> None:
        super().__init__()
        torch.manual_seed(seed)
        model = MiniLM(encoder=CpuEncoder(threads, adapted=published()))

        def embed(texts: Sequence[str]) -> Floats:
            return model.read_texts(texts).embeddings

        self.asked = Asked()
        self.restores = nn.Parameter(torch.eye(384))
        self._published = [Adapted().eval()]  # in a list, so that its parameters are not ours
        self._course = Course(rows, kinds, embed([row.text for row in rows]), embed, seed)
        self._tokens = tokens
        self._batch, self._longest, self._kept = batch, longest, kept

    def losses(self, model: Adapted, below: Tensor, above: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Of kinds and of what is kept; `below`, `above`: float32 [B, L, 384] of a batch of labels."""
        batch = self._course.draw(self._batch)
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
