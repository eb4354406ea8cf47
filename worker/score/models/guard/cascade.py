"""
Attention of packed rows over the prefix that they share and over themselves, merged by their log-sum-exps.

Rows stand one behind the other in one sequence, without padding. The shared keys and values are never copied to the
rows: all queries of all rows meet them in one product, each row meets itself, and the two results are weighed by how
much of the softmax each has. Source: Hydragen (arXiv 2402.05099); vLLM and FlashInfer call it cascade attention.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from worker.score.models.guard.prefixes import Prefix
from worker.score.models.guard.prompts import Row

_NAME = "tidegate_cascade"
_STEP = 16  # tokens: batches of like size are then of the same, which products are prepared for
_KNOWN = {"full_attention", "sliding_attention"}


@dataclass(frozen=True, slots=True)
class Packed:
    """
    Rows behind each other. ids, positions: int64 [1, T], T filled up to a whole number of steps by a row that nobody
    reads. spans: where each row begins and ends, ends exclusive.

    last: int64 [B], each row's last place. prefix: what stands before every row, None for nothing.
    """

    ids: Tensor
    positions: Tensor
    spans: tuple[tuple[int, int], ...]
    last: Tensor
    prefix: Prefix | None

    @classmethod
    def of(cls, rows: Sequence[Row], prefix: Prefix | None) -> Packed:
        """The rows without the tokens of the prefix, which all of them begin with."""
        known = prefix.tokens if prefix else 0
        lengths = [len(row.ids) - known for row in rows]
        ends = np.cumsum(lengths)
        ids = np.zeros(-(-int(ends[-1]) // _STEP) * _STEP, np.int64)
        ids[: ends[-1]] = np.concatenate([row.ids[known:] for row in rows])
        if len(ids) > ends[-1]:
            lengths.append(len(ids) - int(ends[-1]))
        positions = np.concatenate([np.arange(known, known + length) for length in lengths])
        return cls(
            torch.from_numpy(ids)[None],
            torch.from_numpy(positions)[None],
            tuple((int(end) - length, int(end)) for length, end in zip(lengths, np.cumsum(lengths), strict=True)),
            torch.from_numpy(ends - 1),
            prefix,
        )


def can_cascade(model: Any) -> bool:
    """
    True for a model on CPU whose layers look at all before them or at a window of it.

    torch tells the log-sum-exp of fused attention on CPU. Elsewhere, with capped logits (Gemma 2) and with chunks
    (Llama 4), transformers' own attention is used, over padded rows.
    """
    text = model.config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    capped = getattr(text, "attn_logit_softcapping", None) is not None
    return next(model.parameters()).device.type == "cpu" and not capped and kinds <= _KNOWN


class _Now(threading.local):
    """The rows of a thread's forward."""

    packed: Packed | None = None


_now = _Now()


def prepare(model: Any) -> None:
    """
    Let `model` attend over packed rows inside `forwarding`, in several threads at once; elsewhere it stays as it was.

    Only each row's last place is read, so the last layer's attention and feed-forward are computed there alone;
    elsewhere their outputs are zero, which nothing looks at any more.
    """
    model.config.get_text_config()._attn_implementation = _NAME
    last = model.get_decoder().layers[-1]
    for part in (last.self_attn.o_proj, last.mlp):
        if _narrowed not in part._forward_pre_hooks.values():
            part.register_forward_pre_hook(_narrowed)
            part.register_forward_hook(_widened)


@contextmanager
def forwarding(packed: Packed) -> Iterator[dict[str, Any]]:
    """The inputs of this thread's next forward, which is one of packed rows."""
    _now.packed = packed
    try:
        # a mask of four dimensions is taken as it is: none is made, and none is looked at
        yield {
            "input_ids": packed.ids,
            "position_ids": packed.positions,
            "attention_mask": torch.ones(1, 1, 1, 1, dtype=torch.bool),
            "use_cache": False,
        }
    finally:
        _now.packed = None


def _narrowed(_: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    return None if _now.packed is None else (given[0][:, _now.packed.last],)


def _widened(_: Any, __: Any, found: Tensor) -> Tensor | None:
    return None if _now.packed is None else _spread(found, _now.packed)


def _spread(found: Tensor, packed: Packed) -> Tensor:
    """[1, T, …], what was `found` at each row's last place ([1, B, …]) and zero elsewhere."""
    return found.new_zeros(1, packed.ids.shape[1], *found.shape[2:]).index_copy_(1, packed.last, found)


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    scaling: float,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """[1, T, H, D] from queries [1, H, T, D] and the rows' own keys and values [1, K, T, D], as transformers asks."""
    if (packed := _now.packed) is None:
        given = {"scaling": scaling, "sliding_window": sliding_window, **others}
        return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, mask, **given)  # type: ignore[no-any-return]
    before = None if packed.prefix is None else packed.prefix.cache.layers[module.layer_idx]
    seen = (packed.prefix.tokens if packed.prefix else 0) + max(end - begin for begin, end in packed.spans)
    narrow = module.layer_idx == module.config.num_hidden_layers - 1
    rows = _rows(query, key, value, packed, narrow)
    if sliding_window is not None and seen > sliding_window:
        found = _windowed(rows, before, sliding_window, scaling)
    else:
        found = _cascade(query[:, :, packed.last] if narrow else query, rows, before, scaling)
    found = found.transpose(1, 2)
    return _spread(found, packed) if narrow else found, None


_Parts = list[tuple[Tensor, Tensor, Tensor]]


def _rows(query: Tensor, key: Tensor, value: Tensor, packed: Packed, narrow: bool) -> _Parts:
    """Each row's queries (with `narrow` its last alone), keys and values."""
    spans = packed.spans[: len(packed.last)] if narrow else packed.spans
    return [
        (query[:, :, end - 1 if narrow else begin : end], key[:, :, begin:end], value[:, :, begin:end])
        for begin, end in spans
    ]


def _cascade(query: Tensor, rows: _Parts, before: Any, scaling: float) -> Tensor:
    """[1, H, Q, D] for all queries [1, H, Q, D]: over the row's own keys, over the prefix's, and merged."""
    parts = [_flash(*row, scaling, causal=row[0].shape[2] > 1) for row in rows]  # one query is the last: it sees all
    own, weight = torch.cat([part for part, _ in parts], 2), torch.cat([weight for _, weight in parts], 2)
    if before is None:
        return own
    # heads that share keys stand behind each other in one longer sequence: nothing is repeated for them
    grouped = query.reshape(1, before.keys.shape[1], -1, query.shape[3])
    shared, shared_weight = _flash(grouped, before.keys, before.values, scaling, causal=False)
    share = torch.sigmoid(shared_weight.reshape(weight.shape) - weight).to(own.dtype)
    return torch.lerp(own, shared.reshape(own.shape), share[..., None])


def _windowed(rows: _Parts, before: Any, window: int, scaling: float) -> Tensor:
    """[1, H, Q, D] where a window leaves part of what stands before: row by row, with the prefix put before it."""
    found = []
    for query, keys, values in rows:
        if before is not None:
            keys, values = torch.cat([before.keys, keys], 2), torch.cat([before.values, values], 2)
        places = torch.arange(keys.shape[2])
        distance = places[len(places) - query.shape[2] :, None] - places
        mask = (distance >= 0) & (distance < window)
        found.append(
            torch.nn.functional.scaled_dot_product_attention(
                query, keys, values, attn_mask=mask, scale=scaling, enable_gqa=True
            )
        )
    return torch.cat(found, 2)


def _flash(query: Tensor, key: Tensor, value: Tensor, scaling: float, *, causal: bool) -> tuple[Tensor, Tensor]:
    """[1, H, S, D] with float32 [1, H, S], the log of the sum of all weights before they are shared out."""
    found: tuple[Tensor, Tensor] = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, scale=scaling
    )
    return found


ALL_ATTENTION_FUNCTIONS.register(_NAME, _attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(_NAME, sdpa_mask)
