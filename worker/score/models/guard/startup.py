"""What is checked before a guard judges anybody: its logits are ours, its labels real, its answers begin as forced."""

from __future__ import annotations

from typing import Any

import structlog
import torch

from worker.core.errors import ConfigError
from worker.score.models.guard.head import Head
from worker.score.models.guard.prompts import Prompts, Question

_log = structlog.get_logger(__name__)

_HARMLESS = "Thank you, see you tomorrow."


def check_logits(model: Any, prompts: Prompts, question: Question) -> None:
    """Raises ConfigError when the label columns of `Head` are not the model's own."""
    row = prompts.rows([(question, _HARMLESS)])[0]
    device = next(model.parameters()).device
    ids = torch.from_numpy(row.ids).long()[None].to(device)
    Head(model).check(ids, torch.from_numpy(row.labels.ids).to(device))


def check_answer(model: Any, prompts: Prompts, question: Question, *, refuse: bool) -> bool:
    """
    True when greedy decoding really begins with the forced answer and then a label.

    A score read behind a prefix that the model would never write says nothing. With `refuse` False it is only told.

    Raises:
        ConfigError: with `refuse`, when it begins with something else.
    """
    family = prompts.family
    row = prompts.rows([(question, _HARMLESS)])[0]
    bare = question.after.removesuffix(family.forced)
    asked = prompts.encode([question.before + _HARMLESS + bare])[0]
    forced = row.ids[len(asked) :]
    device = next(model.parameters()).device
    given = torch.from_numpy(asked).long()[None].to(device)
    with torch.inference_mode():
        made = model.generate(
            input_ids=given,
            attention_mask=torch.ones_like(given),
            do_sample=False,
            max_new_tokens=len(forced) + 1,
            pad_token_id=0,
        )[0, len(asked) :].cpu()
    right = made[: len(forced)].tolist() == forced.tolist() and int(made[-1]) in row.labels.ids.tolist()
    if not right:
        said = (
            f"{prompts.name} does not begin its answer with {family.forced.strip() or 'a label'!r} as family "
            f"{family.name} does: its scores would mean nothing"
        )
        if refuse:
            raise ConfigError(f"{said}; check models.guard.path and models.guard.family")
        _log.warning("guard.unexpected_answer", family=family.name, effect="scores may mean nothing")
    return right
