"""Training: masked labels, balanced sources, steady rates and averaged weights; deterministic for a seed."""

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

from train.beside import Beside
from train.data import Lesson
from train.kinds import Kind, Told
from train.model import Adapted
from train.padding import Ids, padded
from train.rows import CATEGORIES, Row
from worker.score.models.adapted import Adaptation

_DRAWN = 8000  # batches that are drawn, of which a run takes the first


@dataclass(frozen=True, slots=True)
class Plan:
    """How it is trained."""

    steps: int = 800
    batch: int = 32
    tokens: int = 254
    rate: float = 1e-4
    head_rate: float = 1e-3
    warm: int = 20  # steps in which the rates rise
    averaged: float = 0.998  # a moving average of the weights, which takes the place of falling rates
    of_start: float = 0.3  # share of the weights it began with in the model that is kept
    saved_every: int = 250  # steps
    keep: float = 3.0  # weight of what the published embeddings are restored by, so that custom categories lose nothing
    kept: int = 8  # rows of a batch whose embeddings are restored, beside those of kinds
    kinds: float = 0.5  # weight of telling kinds apart by their definitions
    of_kinds: int = 16  # rows of a batch for that
    kind_tokens: int = 48
    alike: float = 0.3  # weight of saying the same of every group
    twins: int = 6  # rows of a batch that are read about another group as well
    seed: int = 20261124
    threads: int = 1  # on a busy machine a second one mostly waits


def train(
    lessons: Sequence[Lesson],
    encode: Callable[[Sequence[str]], list[Ids]],
    shares: dict[str, float],
    plan: Plan,
    start: Adaptation | None = None,
    besides: Beside | None = None,
    saved: Callable[[dict[str, Tensor]], None] | None = None,
) -> Adapted:
    """
    Adapt MiniLM to `lessons`.

    shares: how much of the training each source takes, by the first part of its name; they sum to 1.
    start: what to go on from; None begins with the published model.
    besides: what else is learnt.
    saved: told the model so far, so that a run that is cut off was not for nothing.
    """
    torch.manual_seed(plan.seed)
    torch.set_num_threads(plan.threads)
    dice = random.Random(plan.seed)
    rows = [lesson.row for lesson in lessons]
    model = Adapted(start)
    heads = [*model.heads.parameters(), *(besides.parameters() if besides is not None else ())]
    layers = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("heads")]
    optimiser = torch.optim.AdamW(
        [{"params": layers, "lr": plan.rate}, {"params": heads, "lr": plan.head_rate}], weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / plan.warm))
    average = {name: value.detach().clone() for name, value in model.named_parameters() if value.requires_grad}
    tokens = encode([row.text for row in rows])
    named = [place for place, lesson in enumerate(lessons) if lesson.twin is not None]
    twins = dict(zip(named, encode([lessons[place].twin or "" for place in named]), strict=True))
    first = {name: value.clone() for name, value in average.items()}
    batches = _batches(rows, [len(t) for t in tokens], shares, plan, dice)
    balance = torch.from_numpy(_balance(rows, shares))
    model.train()
    since, told, parts = time.monotonic(), 0.0, np.zeros(2)
    for step, chosen in enumerate(batches):
        with_twin = [place for place, i in enumerate(chosen) if i in twins][: plan.twins]
        ids, mask = padded(
            [tokens[i][: plan.tokens] for i in chosen] + [twins[chosen[place]][: plan.tokens] for place in with_twin]
        )
        both = [*chosen, *(chosen[place] for place in with_twin)]
        wanted = torch.from_numpy(np.stack([rows[i].labels for i in both]))
        weights = torch.tensor([rows[i].weight for i in both])[:, None]
        below = model.below(ids, mask)
        tokens_seen = model.above(below, mask)
        odds = model.heads(tokens_seen, mask)
        loss = _masked(odds, wanted, weights, balance)
        if with_twin:
            loss = loss + plan.alike * functional.mse_loss(
                odds[with_twin].clamp(-8, 8), odds[len(chosen) :].clamp(-8, 8)
            )
        if besides is not None:
            kinds, lost = besides.losses(model, below, tokens_seen, mask)
            parts = 0.98 * parts + 0.02 * np.array([float(kinds.detach()), float(lost.detach())])
            loss = loss + plan.kinds * kinds + plan.keep * lost
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            share = min(plan.averaged, (step + 1) / (step + 10))
            for name, value in model.named_parameters():
                if name in average:
                    average[name].mul_(share).add_(value, alpha=1 - share)
        told = 0.98 * told + 0.02 * float(loss.detach()) if step else float(loss.detach())
        if step % 20 == 0:
            told_of = f"loss {told:.4f}  kinds {parts[0]:.4f}  lost {parts[1]:.4f}"
            print(f"step {step:5d} of {plan.steps}  {told_of}  {time.monotonic() - since:.0f} s", flush=True)
        if saved is not None and (step + 1) % plan.saved_every == 0:
            saved(blended(average, first, plan.of_start))
    model.load_state_dict(blended(average, first, plan.of_start), strict=False)
    return model.eval()


def beside(
    plan: Plan, rows: Sequence[Told], kinds: Sequence[Kind], encode: Callable[[Sequence[str]], list[Ids]]
) -> Beside:
    """What `plan` learns beside the labels, of `rows` and the kinds that they are told of."""
    return Beside(
        rows,
        kinds,
        encode([row.text for row in rows]),
        batch=plan.of_kinds,
        longest=plan.kind_tokens,
        kept=plan.kept,
        seed=plan.seed,
        threads=plan.threads,
    )


def blended(last: dict[str, Tensor], first: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """
    `last` with a share of the weights that training began with, which does better on rows of other kinds.

    Wortsman et al. 2022, Robust fine-tuning of zero-shot models.
    """
    return {name: share * value + (1 - share) * last[name] for name, value in first.items()}


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
    """
    Batches drawn by the sources' shares, rows of like length together so that little is padding.

    The first batches are the same for any number of steps.
    """
    by_family: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        by_family[family(row)].append(i)
    drawn: list[int] = []
    for name, share in shares.items():
        pool: list[int] = []
        while len(pool) < round(share * _DRAWN * plan.batch):
            again = by_family[name][:]
            dice.shuffle(again)
            pool += again
        drawn += pool[: round(share * _DRAWN * plan.batch)]
    dice.shuffle(drawn)
    batches = []
    reach = plan.batch * 32
    for start in range(0, len(drawn), reach):
        some = sorted(drawn[start : start + reach], key=lambda i: lengths[i])
        cut = [some[i : i + plan.batch] for i in range(0, len(some), plan.batch)]
        dice.shuffle(cut)
        batches += [batch for batch in cut if len(batch) == plan.batch]
    return batches[: plan.steps]
