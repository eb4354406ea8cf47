"""Training: masked labels, balanced sources, one cosine-shaped schedule; deterministic for a seed."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from train.model import Adapted
from train.rows import CATEGORIES, Row

Ids = Any  # int32 [n], with special tokens


@dataclass(frozen=True, slots=True)
class Plan:
    """How it is trained."""

    steps: int = 2500
    batch: int = 32
    tokens: int = 96
    rate: float = 1.5e-3
    head_rate: float = 4e-3
    keep: float = 0.7  # weight of staying near the published embeddings, so that custom categories lose nothing
    kept: int = 8  # rows of a batch whose embeddings are compared with the published ones
    seed: int = 20261124
    threads: int = 1  # on a busy machine a second one mostly waits


def train(
    rows: Sequence[Row], encode: Callable[[Sequence[str]], list[Ids]], shares: dict[str, float], plan: Plan
) -> Adapted:
    """
    Adapt MiniLM to `rows`.

    shares: how much of the training each source takes, by the first part of its name; they sum to 1.
    """
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    dice = random.Random(plan.seed)
    model = Adapted()
    frozen = Adapted().eval() if plan.keep else None
    heads = list(model.heads.parameters())
    deltas = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("heads")]
    optimiser = torch.optim.AdamW(
        [{"params": deltas, "lr": plan.rate}, {"params": heads, "lr": plan.head_rate}], weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [plan.rate, plan.head_rate], total_steps=plan.steps, pct_start=0.06
    )
    tokens = encode([row.text for row in rows])
    batches = _batches(rows, [len(t) for t in tokens], shares, plan, dice)
    balance = torch.from_numpy(_balance(rows, shares))
    model.train()
    since, told = time.monotonic(), 0.0
    for step, chosen in enumerate(batches):
        ids, mask = padded([tokens[i][: plan.tokens] for i in chosen])
        wanted = torch.from_numpy(np.stack([rows[i].labels for i in chosen]))
        weights = torch.tensor([rows[i].weight for i in chosen])[:, None]
        odds, mean = model(ids, mask)
        loss = _masked(odds, wanted, weights, balance)
        if frozen is not None:
            with torch.no_grad():
                _, before = frozen(ids[: plan.kept], mask[: plan.kept])
            loss = loss + plan.keep * (1 - functional.cosine_similarity(mean[: plan.kept], before)).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        told = 0.98 * told + 0.02 * float(loss.detach()) if step else float(loss.detach())
        if step % 100 == 0:
            print(f"step {step:5d} of {plan.steps}  loss {told:.4f}  {time.monotonic() - since:.0f} s", flush=True)
    return model.eval()


def _masked(odds: Tensor, wanted: Tensor, weights: Tensor, balance: Tensor) -> Tensor:
    """Cross entropy over what is labelled; positives of rare categories weigh more."""
    known = ~torch.isnan(wanted)
    each = functional.binary_cross_entropy_with_logits(
        odds, wanted.nan_to_num(0.0), reduction="none", pos_weight=balance
    )
    shares = known.float() * weights
    return (each * shares).sum() / shares.sum().clamp_min(1.0)


def _balance(rows: Sequence[Row], shares: dict[str, float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """float32 [13]: the square root of how much rarer violations are than harmless rows, as sampled."""
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[family(row)] += 1
    yes, no = np.ones(len(CATEGORIES)), np.ones(len(CATEGORIES))
    for row in rows:
        share = shares.get(family(row), 0.0) / counts[family(row)] * 10_000
        yes += share * (row.labels == 1)
        no += share * (row.labels == 0)
    return np.clip(np.sqrt(no / yes), 1.0, 6.0).astype(np.float32)


def family(row: Row) -> str:
    """The source's first name: what `shares` are by."""
    return row.source.partition("/")[0]


def _batches(
    rows: Sequence[Row], lengths: Sequence[int], shares: dict[str, float], plan: Plan, dice: random.Random
) -> list[list[int]]:
    """Batches drawn by the sources' shares, rows of like length together so that little is padding."""
    by_family: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        by_family[family(row)].append(i)
    drawn: list[int] = []
    for name, share in shares.items():
        pool: list[int] = []
        while len(pool) < round(share * plan.steps * plan.batch):
            again = by_family[name][:]
            dice.shuffle(again)
            pool += again
        drawn += pool[: round(share * plan.steps * plan.batch)]
    dice.shuffle(drawn)
    batches = []
    reach = plan.batch * 32
    for start in range(0, len(drawn), reach):
        some = sorted(drawn[start : start + reach], key=lambda i: lengths[i])
        cut = [some[i : i + plan.batch] for i in range(0, len(some), plan.batch)]
        dice.shuffle(cut)
        batches += [batch for batch in cut if len(batch) == plan.batch]
    return batches[: plan.steps]


def padded(rows: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    """
    int64 [B, L] ids and bool [B, L] of what is there.

    L is a multiple of 8: each new length costs seconds of code generation in bfloat16.
    """
    longest = -(-max(len(row) for row in rows) // 8) * 8
    ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.from_numpy(np.asarray(row, np.int64))
        mask[place, : len(row)] = True
    return ids, mask
