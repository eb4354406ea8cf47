"""MiniLM with its upper layers free to move, and heads that look at single tokens as well as at the whole."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.rows import CATEGORIES
from worker.score.models.adapted import Adaptation, published
from worker.score.models.minilm_encoders import merged

FROZEN = 3  # layers from below that stay as published, as the embeddings of tokens do


class Heads(nn.Module):
    """
    For each category a query over the tokens: log-odds = seen·w + mean·v + peak + b, `seen` the tokens it looks at and
    `peak` the highest that any one token reaches.

    tokens: float32 [B, L, 384]; mask: bool [B, L]; answers float32 [B, 13].
    """

    def __init__(self, categories: int = len(CATEGORIES), width: int = 384) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(categories, width) * 0.02)
        self.seen = nn.Parameter(torch.zeros(categories, width))
        self.whole = nn.Parameter(torch.zeros(categories, width))
        self.peak = nn.Parameter(torch.zeros(categories, width))
        self.bias = nn.Parameter(torch.full((categories,), -2.0))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        looks = torch.einsum("blw,cw->bcl", tokens, self.query).masked_fill(~mask[:, None], -1e4).softmax(-1)
        seen = torch.einsum("bcl,blw,cw->bc", looks, tokens, self.seen)
        peak = torch.einsum("blw,cw->bcl", tokens, self.peak).masked_fill(~mask[:, None], -1e4).amax(-1)
        return seen + mean_of(tokens, mask) @ self.whole.T + peak + self.bias


class Adapted(nn.Module):
    """
    The encoder, its upper layers free to move, and the heads.

    Args:
        start: an artefact to go on from; None begins with the published model.
    """

    def __init__(self, start: Adaptation | None = None, frozen: int = FROZEN) -> None:
        super().__init__()
        self._frozen = frozen
        self.encoder = merged(start or published())
        self.encoder.requires_grad_(False)
        for layer in self.encoder.encoder.layer[frozen:]:
            layer.requires_grad_(True)
        self.heads = Heads()
        if start is not None:
            with torch.no_grad():
                for name, values in (
                    ("query", start.looks),
                    ("seen", start.seen),
                    ("whole", start.whole),
                    ("peak", start.peak),
                    ("bias", start.bias),
                ):
                    getattr(self.heads, name).copy_(torch.from_numpy(values))

    def below(self, ids: Tensor, mask: Tensor) -> Tensor:
        """float32 [B, L, 384]: what leaves the layers that stay as published."""
        with torch.no_grad():
            hidden: Tensor = self.encoder.embeddings(input_ids=ids)
            for layer in self.encoder.encoder.layer[: self._frozen]:
                hidden = _through(layer, hidden, mask)
        return hidden

    def above(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """float32 [B, L, 384]: the last layer's tokens."""
        for layer in self.encoder.encoder.layer[self._frozen :]:
            hidden = _through(layer, hidden, mask)
        return hidden

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Log-odds float32 [B, 13] and mean embeddings float32 [B, 384], not normalised."""
        tokens = self.above(self.below(ids, mask), mask)
        return self.heads(tokens, mask), mean_of(tokens, mask)


def _through(layer: nn.Module, hidden: Tensor, mask: Tensor) -> Tensor:
    found = layer(hidden, mask[:, None, None, :])
    tokens: Tensor = found[0] if isinstance(found, tuple) else found
    return tokens


def mean_of(tokens: Tensor, mask: Tensor) -> Tensor:
    """float32 [B, 384]: the mean over the tokens that are there."""
    weights = mask.float()
    return (tokens * weights[:, :, None]).sum(1) / weights.sum(1, keepdim=True)
