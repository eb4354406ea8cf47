"""From the last hidden state to label logits: the columns of the labels alone, as the model's own head has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from worker.core.errors import ConfigError
from worker.core.views import Floats
from worker.score.models.guard.prompts import Row

_CLOSE = 2e-2  # in bf16 the model's own logits are rounded to some 0.01 of their size


class Head:
    """
    The end of a causal model. A vocabulary has a quarter of a million columns; a verdict needs some three of them.

    Args:
        model: of transformers: `…ForCausalLM` or `…ForConditionalGeneration`.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        text = model.config.get_text_config()
        self._softcap = getattr(text, "final_logit_softcapping", None)
        self._scaling = float(getattr(text, "logits_scaling", 1.0) or 1.0)
        self._output = model.get_output_embeddings()

    def hidden(self, **inputs: Any) -> torch.Tensor:
        """[B, S, H]: the last hidden states of a forward without the vocabulary."""
        # Llama 4 holds its text model one level deeper, beside the one for pictures, which we do not ask
        inner = self._model.model if hasattr(self._model, "model") else self._model.language_model.model
        hidden: torch.Tensor = inner(**inputs).last_hidden_state
        return hidden

    def margins(self, hidden: torch.Tensor, rows: Sequence[Row]) -> Floats:
        """float32 [B] log-odds of a violation, from [B, H] at each row's last token."""
        ids = np.unique(np.concatenate([row.labels.ids for row in rows]))
        logits = self.logits(hidden, torch.from_numpy(ids).to(hidden.device)).cpu().numpy()
        found = np.empty(len(rows), np.float32)
        for place, row in enumerate(rows):
            own = logits[place, np.searchsorted(ids, row.labels.ids)].astype(np.float64)
            found[place] = _log_odds(own, row.labels.violation)
        return found

    def logits(self, hidden: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """float32 [B, L] of the tokens `ids` (int64 [L])."""
        weight = self._output.weight[ids].float()
        bias = getattr(self._output, "bias", None)
        logits = torch.nn.functional.linear(hidden.float(), weight, None if bias is None else bias[ids].float())
        logits = logits / self._scaling
        return torch.tanh(logits / self._softcap) * self._softcap if self._softcap else logits

    def check(self, ids: torch.Tensor, labels: torch.Tensor) -> None:
        """
        Refuse a model whose own logits are others than ours.

        Args:
            ids: int64 [1, S], any prompt. labels: int64 [L].

        Raises:
            ConfigError: naming the architecture.
        """
        with torch.inference_mode():
            theirs = self._model(input_ids=ids, use_cache=False).logits[:, -1, labels].float()
            ours = self.logits(self.hidden(input_ids=ids, use_cache=False)[:, -1], labels)
        if not torch.allclose(ours, theirs, rtol=_CLOSE, atol=_CLOSE):
            raise ConfigError(
                f"{type(self._model).__name__} computes logits in a way of its own: this worker would score it wrongly"
            )


def _log_odds(logits: np.ndarray[Any, Any], violation: np.ndarray[Any, Any]) -> float:
    """Of the violation's share of the labels' probability; spellings of one label count together (logsumexp)."""
    with np.errstate(all="ignore"):
        weights = np.exp(logits - logits.max())
        return float(np.log((weights * violation).sum()) - np.log((weights * (1 - violation)).sum()))
