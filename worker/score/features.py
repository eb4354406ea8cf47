"""What a custom category's head looks at: the text's embedding, and what the trained heads say of it."""

from __future__ import annotations

from typing import Final

import numpy as np

from worker.core.views import Floats

# So much of what the trained heads say: likeness of meaning alone confuses what is said with whom it is said about, and
# they learnt the difference. 0.05 was taken and not tuned.
HEARD: Final = 0.05
MOST_HEARD: Final = 6.0  # log-odds beyond which they say no more
WIDTH: Final = 384 + 13  # of an embedding and the trained heads


def features(embeddings: Floats, trained: Floats) -> Floats:
    """float32 [N, D + T] from embeddings of unit length and log-odds of the trained heads."""
    heard = np.clip(trained, -MOST_HEARD, MOST_HEARD) * np.float32(HEARD)
    return np.column_stack([embeddings, heard]).astype(np.float32)
