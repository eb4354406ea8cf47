"""all-MiniLM-L6-v2: tokens, embeddings, and the scorer that compares them with a policy's concepts."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from worker.core.views import Thresholds
from worker.score.features import Reading
from worker.score.models.adapted import DETECTORS
from worker.score.models.emoji import READING, has_emoji, spoken
from worker.score.models.minilm_encoders import Encoder, encoder_for
from worker.score.weights import MINILM, MINILM_TOKENIZER, content_digest

Ids = npt.NDArray[np.int32]

_CLS, _SEP = 101, 102
_WINDOW = 254  # the length it was trained for, 256, less the two special tokens


class MiniLM:
    """
    The sentence encoder and its tokenizer.

    Args:
        device: "cpu", "cuda", or "auto": CUDA when there is one.
        threads: CPU threads for the encoder.
        encoder: another way to run it, in place of what `device` would choose.

    Raises:
        WeightsRejected: the weights are missing or not the pinned ones.
        ConfigError: "cuda" was asked for and there is none.
    """

    def __init__(self, device: str = "auto", threads: int = 2, encoder: Encoder | None = None) -> None:
        self._tokenizer = Tokenizer.from_file(str(MINILM_TOKENIZER.path()))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._says = _with_letters(self._tokenizer)
        self._encoder = encoder or encoder_for(device, threads)
        adapted = self._encoder.adaptation
        parts = (MINILM.sha256, MINILM_TOKENIZER.sha256, READING, self._encoder.precision)
        self.digest = content_digest(*parts, adapted.digest)
        self.heads_digest = content_digest(
            MINILM.sha256, MINILM_TOKENIZER.sha256, READING, adapted.digest
        )  # in any precision
        self.trained: Mapping[str, Thresholds] = dict(zip(DETECTORS, adapted.points.T.astype(np.float64), strict=True))
        self.asked = adapted.asked
        self.version = importlib.metadata.version(MINILM.distribution)

    @property
    def languages(self) -> frozenset[str]:
        """What it is good for: English. It was distilled and trained on little else."""
        return frozenset({"en"})

    @property
    def window_tokens(self) -> int:
        """How many tokens one view may have: 254."""
        return _WINDOW

    def encode(self, texts: Sequence[str]) -> list[tuple[Ids, Ids]]:
        """
        For each text: int32 [n] ids without special tokens, int32 [n, 2] character offsets. Any thread.

        A text without a token that says something (marks, other scripts) has none: its score would be chance.
        """
        return [
            (ids, offsets) if self.says(ids) else (ids[:0], offsets[:0]) for ids, offsets in self.every_token(texts)
        ]

    def says(self, ids: Ids) -> bool:
        """Whether any of a text's tokens (int32 [n]) says something."""
        return bool(self._says[ids].any())

    def every_token(self, texts: Sequence[str]) -> list[tuple[Ids, Ids]]:
        """
        Like `encode`, with the tokens of texts that say nothing to this model: another one may read them.

        Emoji are read as their names.
        """
        told = {place: spoken(text) for place, text in enumerate(texts) if has_emoji(text)}
        read = [told[place][0] if place in told else text for place, text in enumerate(texts)]
        encoded = []
        for place, found in enumerate(self._tokenizer.encode_batch(read, add_special_tokens=False)):
            offsets = np.array(found.offsets, np.int32).reshape(-1, 2)
            if place in told:
                where = told[place][1]
                offsets = np.stack([where[offsets[:, 0], 0], where[offsets[:, 1] - 1, 1]], 1)
            encoded.append((np.array(found.ids, np.int32), offsets))
        return encoded

    def read(self, contents: Sequence[Ids]) -> Reading:
        """What is seen in each row of token ids (int32 [n], n <= 510, no special tokens)."""
        return self._encoder.read(_framed(contents))

    @property
    def glances(self) -> bool:
        """Whether a glance costs less than reading."""
        return self._encoder.glance is not None

    def glance(self, contents: Sequence[Ids]) -> Reading:
        """The same sooner and less exactly (`Encoder.glance`)."""
        return (self._encoder.glance or self._encoder.read)(_framed(contents))

    def read_texts(self, texts: Sequence[str]) -> Reading:
        """What is seen in the first window of each text: for a policy's sentences, not for what is judged."""
        return self.read([ids[:_WINDOW] for ids, _ in self.every_token(texts)])


def _framed(contents: Sequence[Ids]) -> list[Ids]:
    return [np.concatenate(([_CLS], ids, [_SEP])).astype(np.int32) for ids in contents]


def _with_letters(tokenizer: Tokenizer) -> npt.NDArray[np.bool_]:
    """bool [vocabulary]: tokens with a Latin letter or a digit; special ones have none."""
    says = np.zeros(tokenizer.get_vocab_size(), np.bool_)
    for token, number in tokenizer.get_vocab().items():
        says[number] = not (token[0] == "[" and token[-1] == "]") and any(c.isascii() and c.isalnum() for c in token)
    return says


class EveryText:
    """MiniLM as the tokenizer of a profile in which another model reads what MiniLM does not (port `Tokenizer`)."""

    def __init__(self, model: MiniLM) -> None:
        self._model = model

    @property
    def window_tokens(self) -> int:
        """As many as MiniLM reads at once."""
        return self._model.window_tokens

    def encode(self, texts: Sequence[str]) -> list[tuple[Ids, Ids]]:
        """For each text: int32 [n] ids, int32 [n, 2] character offsets; none is left out."""
        return self._model.every_token(texts)
