"""The policy-conditioned head: a category's own words to weights over what is seen in a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from worker.core.views import Floats

SLOTS: Final = 6
KEPT: Final = 32  # of what each slot sees
WIDTH: Final = SLOTS * KEPT


@dataclass(frozen=True, slots=True)
class Asked:
    """
    Slots attend to the tokens of a text; the words of a category say what in them counts.

    The slots do not depend on the category: a text is read once for any number of categories, and a category costs a
    row of weights (Jaegle et al. 2021, Perceiver; Ha et al. 2016, HyperNetworks). `train/asked.py` fits them.

    restores: float32 [384, 384], from a mean over the adapted tokens to the published model's. looks: float32 [6, 384].
    keeps: float32 [192, 384]. wants: float32 [192, 384]. whole, wholly: float32 [R, 384]. easily: float32 [385], bias
    last.
    """

    restores: Floats
    looks: Floats
    keeps: Floats
    wants: Floats
    whole: Floats
    wholly: Floats
    easily: Floats

    def slots(self, tokens: Floats, lengths: npt.NDArray[np.int32]) -> Floats:
        """float32 [B, 192] of padded tokens (float32 [B, L, 384]), of which the first `lengths` (int32 [B]) count."""
        shares = tokens @ self.looks.T
        shares[np.arange(tokens.shape[1]) >= lengths[:, None]] = -np.inf
        shares = np.exp(shares - shares.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        seen = shares.transpose(0, 2, 1) @ tokens  # [B, 6, 384]
        kept = seen.transpose(1, 0, 2) @ self.keeps.reshape(SLOTS, KEPT, -1).transpose(0, 2, 1)  # [6, B, 32]
        return np.ascontiguousarray(kept.transpose(1, 0, 2)).reshape(len(tokens), WIDTH)

    def restored(self, sums: Floats) -> Floats:
        """float32 [B, 384] of unit length: the published model's embeddings, from sums or means over tokens."""
        found = sums @ self.restores
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found

    def weights(self, words: Floats) -> tuple[Floats, Floats, Floats]:
        """
        What counts for C categories: of a restored embedding float32 [C, 384], of slots float32 [C, 192], and always
        float32 [C].

        words: float32 [C, 384] of unit length, what `together` makes of a definition and examples.
        """
        always: Floats = np.add(words @ self.easily[:-1], self.easily[-1], dtype=np.float32)
        through: Floats = words @ self.wholly.T
        of_meaning: Floats = through @ self.whole
        of_slots: Floats = words @ self.wants.T
        return of_meaning, of_slots, always


def together(definition: Floats | None, examples: Floats | None) -> Floats:
    """
    Definitions and the means of examples as things to ask for: float32 [..., 384] of unit length.

    Either may be missing; both: float32 [..., 384], a definition of unit length.
    """
    if examples is None:
        assert definition is not None
        return definition
    both: Floats = examples / np.linalg.norm(examples, axis=-1, keepdims=True)
    if definition is not None:
        both = both + definition
        both /= np.linalg.norm(both, axis=-1, keepdims=True)
    return both
