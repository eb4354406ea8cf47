"""What is seen in a text, and what of it a custom category's head looks at."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from worker.core.views import Floats
from worker.score.asked import WIDTH as SLOTS

# So much of what the trained heads say: likeness of meaning alone confuses what is said with whom it is said about, and
# they learnt the difference. 0.05 was taken and not tuned.
HEARD: Final = 0.05
MOST_HEARD: Final = 6.0  # log-odds beyond which they say no more
MEANING: Final = 384  # the published model's embedding, restored
FITTED: Final = MEANING + 13  # columns that examples have a say in: that, and the trained heads
WIDTH: Final = FITTED + SLOTS


class Reading(NamedTuple):
    """
    Of N texts. embeddings: float32 [N, 384] of unit length. log_odds: float32 [N, 13] of the trained heads, calibrated.
    features: float32 [N, 589], what heads of custom categories look at.
    """

    embeddings: Floats
    log_odds: Floats
    features: Floats


def log_odds(probabilities: Floats) -> Floats:
    """Of the same shape and dtype, finite: as of 1e-7 at the least, and 1 less that at the most."""
    sure = np.clip(probabilities, 1e-7, 1 - 1e-7)
    odds: Floats = np.log(sure / (1 - sure))
    return odds


def features(restored: Floats, trained: Floats, slots: Floats) -> Floats:
    """float32 [N, 589] from restored embeddings of unit length, log-odds of the trained heads, and slots."""
    heard = np.clip(trained, -MOST_HEARD, MOST_HEARD) * np.float32(HEARD)
    return np.column_stack([restored, heard, slots]).astype(np.float32)
