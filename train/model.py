"""MiniLM with low-rank deltas on its linear layers, and heads that look at single tokens as well as at the whole."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from transformers import AutoModel

from train.rows import CATEGORIES
from worker.score.weights import MINILM

RANK = 16
_ALPHA = 32.0
_ADAPTED = ("query", "key", "value", "dense")


class LowRank(nn.Module):
    """A frozen linear layer W plus the product of two thin ones (Hu et al. 2021, arXiv 2106.09685)."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / math.sqrt(base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale = _ALPHA / rank

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.base(x) + (x @ self.down.T) @ self.up.T * self.scale
        return found

    def delta(self) -> Tensor:
        """[out, in]: what is added to the base's weight."""
        return self.up @ self.down * self.scale


class Heads(nn.Module):
    """
    For each category a query over the tokens: log-odds = seen·w + mean·v + b, `seen` the tokens it looks at.

    tokens: float32 [B, L, 384]; mask: bool [B, L]; answers float32 [B, 13].
    """

    def __init__(self, categories: int = len(CATEGORIES), width: int = 384) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(categories, width) * 0.02)
        self.seen = nn.Parameter(torch.zeros(categories, width))
        self.whole = nn.Parameter(torch.zeros(categories, width))
        self.bias = nn.Parameter(torch.full((categories,), -2.0))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        looks = torch.einsum("blw,cw->bcl", tokens, self.query).masked_fill(~mask[:, None], -1e4).softmax(-1)
        seen = torch.einsum("bcl,blw,cw->bc", looks, tokens, self.seen)
        return seen + mean_of(tokens, mask) @ self.whole.T + self.bias


class Adapted(nn.Module):
    """The encoder with its deltas and heads."""

    def __init__(self, rank: int = RANK) -> None:
        super().__init__()
        self.encoder = AutoModel.from_pretrained(MINILM.path().parent, local_files_only=True)
        self.encoder.requires_grad_(False)
        for parent, name, layer in list(_linears(self.encoder.encoder)):
            setattr(parent, name, LowRank(layer, rank))
        self.heads = Heads()

    def tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """float32 [B, L, 384]; bfloat16 within while training, which takes two thirds of the time."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training):
            found: Tensor = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return found.float()

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Log-odds float32 [B, 13] and mean embeddings float32 [B, 384], not normalised."""
        tokens = self.tokens(ids, mask)
        return self.heads(tokens, mask), mean_of(tokens, mask)


def mean_of(tokens: Tensor, mask: Tensor) -> Tensor:
    """float32 [B, 384]: the mean over the tokens that are there."""
    weights = mask.float()
    return (tokens * weights[:, :, None]).sum(1) / weights.sum(1, keepdim=True)


def _linears(root: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for module in root.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Linear) and name in _ADAPTED:
                yield module, name, child
