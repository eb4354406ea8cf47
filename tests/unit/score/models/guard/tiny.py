"""Tiny guards of the true architectures for the tests: written, read back by the real code, kept for the session."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ops.guard.checkpoints import write
from worker.core.views import Floats
from worker.score.models.guard.checkpoint import Checkpoint
from worker.score.models.guard.families import family_of
from worker.score.models.guard.family import Category
from worker.score.models.guard.prompts import Prompts, Question, Row

FAMILIES = (
    "nemotron",
    "llama-guard",
    "llama-guard-4",
    "qwen3guard",
    "shieldstral",
    "granite-guardian",
    "granite-guardian-4",
    "shieldgemma",
)
POLICY = (
    Category("hate", "Attacks or demeans people for who they are."),
    Category("trade", "Offers to sell game accounts for real money."),
)


class Tiny(NamedTuple):
    """A checkpoint, read back."""

    folder: Path
    checkpoint: Checkpoint
    prompts: Prompts
    model: Any
    question: Question  # about all of POLICY where the family has such a one, else about its first


def tiny(name: str, folder: Path) -> Tiny:
    """Write and load a family's tiny checkpoint."""
    checkpoint = Checkpoint.open(str(write(name, folder)))
    tokenizer, processor = checkpoint.tokenizer()
    family = family_of(checkpoint.architectures, str(tokenizer.chat_template))
    prompts = Prompts(tokenizer, family, checkpoint.name, processor)
    question = prompts.question(POLICY if family.joint else POLICY[:1])
    return Tiny(folder, checkpoint, prompts, checkpoint.model("cpu"), question)


def rows_of(one: Tiny, texts: list[str]) -> list[Row]:
    """Rows of the tiny guard's question."""
    return one.prompts.rows([(one.question, one.prompts.neutral(text)) for text in texts])


def generated(model: Any, row: Row) -> float:
    """The probability of a violation that `generate` gives its labels at the forced position."""
    ids = torch.from_numpy(row.ids).long()[None]
    made = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=1,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
        pad_token_id=0,
    )
    labels = made.logits[0][0, torch.from_numpy(row.labels.ids)].double().softmax(-1).numpy()
    return float((labels * row.labels.violation).sum())


def probability(margins: Floats) -> Floats:
    """From log-odds."""
    found: Floats = (1 / (1 + np.exp(-margins.astype(np.float64)))).astype(np.float32)
    return found


def taught(one: Tiny, answer: str, steps: int = 40) -> Any:
    """The tiny model, a copy, trained until it answers the harmless probe with `answer`."""
    torch.manual_seed(3)
    model = one.checkpoint.model("cpu").train().requires_grad_(True)
    bare = one.question.after.removesuffix(one.prompts.family.forced)
    whole, asked = one.prompts.encode(
        [one.question.before + "Thank you, see you tomorrow." + bare + end for end in (answer, "")]
    )
    ids = torch.from_numpy(whole).long()[None]
    labels = ids.clone()
    labels[:, : len(asked)] = -100
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = model(input_ids=ids, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.item() < 0.1:
            break
    return model.eval().requires_grad_(False)
