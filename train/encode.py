"""Texts to the ids that training reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from train.padding import Ids
from worker.score.models.emoji import spoken
from worker.score.weights import MINILM_TOKENIZER

_MOST = 510


def encode(texts: Sequence[str]) -> list[Ids]:
    """int32 [n] ids with special tokens, at most 510."""
    read = [spoken(text)[0] for text in texts]
    tokenizer = Tokenizer.from_file(str(MINILM_TOKENIZER.path()))
    tokenizer.no_padding()
    tokenizer.enable_truncation(_MOST)
    return [np.array(found.ids, np.int32) for found in tokenizer.encode_batch(read)]
