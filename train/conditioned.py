"""Fits the policy-conditioned head to a finished encoder: what restores the published embeddings, then the head."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from train.asked import Asked, Course, loss
from train.kinds import Kind, Told
from train.sources import held_apart, real_rows
from worker.core.views import Floats
from worker.score import asked as runtime
from worker.score.features import Reading
from worker.score.models.adapted import Adaptation, published
from worker.score.models.minilm import MiniLM
from worker.score.models.minilm_encoders import CpuEncoder

_STEPS = 500
_BATCH = 192
_RATE = 2e-3
_TOKENS = 96  # of a text that are looked at
_RIDGE = 1e-4
_RESTORED = 10_000  # real rows by which embeddings are restored
_SEED = 20261126


class _Recording(CpuEncoder):
    """Keeps the tokens that it sees, by the ids between the special ones."""

    def __init__(self, threads: int, adapted: Adaptation) -> None:
        super().__init__(threads, adapted=adapted)
        self.tokens: dict[bytes, npt.NDArray[np.float16]] = {}

    def _forward(self, model: Any, ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32]) -> Reading:
        hidden = np.asarray(model.forward_batch(self._view(ids), self._view(lengths)).last_hidden_state)
        for row, length, tokens in zip(ids, lengths, hidden, strict=True):
            self.tokens[row[1 : length - 1].tobytes()] = tokens[:length].astype(np.float16)
        return super()._forward(model, ids, lengths)


def fitted(draft: Adaptation, rows: Sequence[Told], kinds: Sequence[Kind], threads: int) -> runtime.Asked:
    """The head for `draft`'s encoder; the same for the same rows."""
    torch.manual_seed(_SEED)
    torch.set_num_threads(threads)
    texts = [row.text for row in rows]
    encoder = _Recording(threads, draft)
    now, before = MiniLM(encoder=encoder), MiniLM(encoder=CpuEncoder(threads, adapted=published()))
    ids = [found[:_TOKENS] for found, _ in now.every_token(texts)]
    embeddings = now.read(ids).embeddings
    tokens = [encoder.tokens[row.tobytes()] for row in ids]
    restores = _restores(now, before)

    def restored(some: Floats) -> Floats:
        found = some @ restores
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)

    course = Course(rows, kinds, restored(embeddings), lambda texts: restored(now.read_texts(texts).embeddings), _SEED)
    return _shipped(_trained(course, tokens), restores)


def _restores(now: MiniLM, before: MiniLM) -> Floats:
    """float32 [384, 384]: the linear map that comes closest to the published embeddings of real rows."""
    rows = [row.text for row in real_rows() if not held_apart(row) and row.text.strip()]
    texts = random.Random(_SEED).sample(rows, _RESTORED)
    seen, was = now.read_texts(texts).embeddings, before.read_texts(texts).embeddings
    inner = seen.T @ seen / len(seen) + _RIDGE * np.eye(seen.shape[1])
    found = np.linalg.solve(inner, seen.T @ was / len(seen)).astype(np.float32)
    back = seen @ found
    alike = np.einsum("nd,nd->n", back / np.linalg.norm(back, axis=1, keepdims=True), was)
    print(f"published embeddings restored: cosine {alike.mean():.3f} in the mean, {np.quantile(alike, 0.05):.3f} at p5")
    return found


def _trained(course: Course, tokens: Sequence[npt.NDArray[np.float16]]) -> Asked:
    model = Asked()
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=_STEPS, pct_start=0.1)
    since, told = time.monotonic(), 0.0
    for step in range(_STEPS):
        batch = course.draw(_BATCH)
        seen, mask = _padded([tokens[row] for row in batch.rows])
        embeddings = torch.from_numpy(course.embeddings[batch.rows])
        missed = loss(model(model.slots(seen, mask), embeddings, batch.asked), batch.wanted)
        optimiser.zero_grad()
        missed.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        told = 0.97 * told + 0.03 * float(missed.detach()) if step else float(missed.detach())
        if step % 100 == 0:
            print(
                f"conditioned head {step:3d} of {_STEPS}  loss {told:.4f}  {time.monotonic() - since:.0f} s", flush=True
            )
    return model.eval()


def _padded(rows: Sequence[npt.NDArray[np.float16]]) -> tuple[Tensor, Tensor]:
    """float32 [B, L, 384] and bool [B, L]."""
    longest = max(len(row) for row in rows)
    seen = torch.stack([functional.pad(torch.from_numpy(row).float(), (0, 0, 0, longest - len(row))) for row in rows])
    mask = torch.arange(longest) < torch.tensor([len(row) for row in rows])[:, None]
    return seen, mask


def _shipped(model: Asked, restores: Floats) -> runtime.Asked:
    def plain(value: Tensor) -> Floats:
        return np.asarray(value.detach().numpy(), np.float32)

    return runtime.Asked(
        restores=restores,
        looks=plain(model.looks),
        keeps=plain(model.keeps.flatten(0, 1)),
        wants=plain(model.wants),
        whole=plain(model.whole),
        wholly=plain(model.wholly),
        easily=np.append(plain(model.easily), np.float32(model.bias.item())),
    )
