"""Rows of ids side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Ids = Any  # int32 [n], with special tokens


def padded(rows: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    """
    int64 [B, L] ids and bool [B, L] of what is there.

    L is a multiple of 8, so that few shapes are met.
    """
    longest = -(-max(len(row) for row in rows) // 8) * 8
    ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.from_numpy(np.asarray(row, np.int64))
        mask[place, : len(row)] = True
    return ids, mask
