"""all-MiniLM-L6-v2: tokens, embeddings, and the scorer that compares them with a policy's concepts."""

from __future__ import annotations

import importlib.metadata
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from worker.core.errors import ModelFailed
from worker.core.views import Floats, ModelRef, Thresholds, View, ViewKind
from worker.score.concepts import NAME, Heads, TextConcepts
from worker.score.features import Reading
from worker.score.models.adapted import DETECTORS
from worker.score.models.emoji import READING, has_emoji, spoken
from worker.score.models.minilm_encoders import Encoder, encoder_for
from worker.score.weights import MINILM, MINILM_TOKENIZER, content_digest

Ids = npt.NDArray[np.int32]

_CLS, _SEP = 101, 102
# Log-odds taken from an excerpt, since the maximum over many is what counts: from a sentence of a call or from messages
# read together always as many, from a sentence of a long text as many as it belongs there (`doubt`).
EXCERPT = 1.5
OWN = 3.0
_FOREIGN, _AT_HOME = 0.2, 0.4  # cosines of a sentence and its neighbours' mean
_LOW = 0.1  # a score that decides nothing
LOW = float(np.log(_LOW / (1 - _LOW)))  # the same as log-odds
_DOUBT = repr((EXCERPT, OWN, _FOREIGN, _AT_HOME, _LOW))
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
        rows = [np.concatenate(([_CLS], ids, [_SEP])).astype(np.int32) for ids in contents]
        return self._encoder.read(rows)

    def read_texts(self, texts: Sequence[str]) -> Reading:
        """What is seen in the first window of each text: for a policy's sentences, not for what is judged."""
        return self.read([ids[:_WINDOW] for ids, _ in self.every_token(texts)])


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


class MiniLMScorer:
    """Scores text views against `Heads`."""

    kind = ViewKind.TEXT

    def __init__(self, model: MiniLM, concepts: TextConcepts) -> None:
        self._model = model
        self._kept = Readings()
        self.ref = ModelRef(NAME, model.version, f"sha256:{content_digest(concepts.digest, _DOUBT)}")

    def score(self, views: Sequence[View], concepts: Sequence[Heads]) -> list[Floats]:
        """
        For each view (int32 [n] token ids), float32 [C] of probabilities; NaN where a category has neither words nor a
        trained head.

        Each distinct content is embedded once, whatever the number of policies that look at it.

        Raises:
            ModelFailed: the encoder raised.
        """
        scores: list[Floats] = []

        def highest(found: Reading) -> Floats:
            scores.extend(_against_heads(found, concepts))
            return np.array([np.max(score, initial=0, where=~np.isnan(score)) for score in scores], np.float32)

        try:
            _, less = read_views(self._model, views, highest, _LOW, self._kept)
        except RuntimeError as error:
            raise ModelFailed(f"{NAME} could not embed {len(views)} texts: {type(error).__name__}") from error
        return [_less_sure(score, taken) for score, taken in zip(scores, less.tolist(), strict=True)]


def read_views(
    model: MiniLM,
    views: Sequence[View],
    highest: Callable[[Reading], Floats],
    low: float,
    kept: Readings | None = None,
) -> tuple[Reading, Floats]:
    """
    What is seen in each view, and what is to be taken from its log-odds: float32 [N]. A content is read once.

    highest: float32 [N] of what is seen, the highest any category has. An excerpt at `low` or less decides nothing,
    whatever its neighbours are: it is taken to belong, and they are not read for it.
    kept: what was read of excerpts in earlier batches: neighbours often stand in different ones.
    """
    kept = Readings() if kept is None else kept
    seen = kept.read(model, [view.content for view in views], [bool(view.beside) for view in views])
    asked = [view.beside if high > low else () for view, high in zip(views, highest(seen), strict=True)]
    near = [content for neighbours in asked for content in neighbours]
    around = np.zeros_like(seen.embeddings)
    if near:
        of = np.repeat(np.arange(len(views)), [len(neighbours) for neighbours in asked])
        np.add.at(around, of, kept.read(model, near, [True] * len(near)).embeddings)
    return seen, doubt(views, seen.embeddings, around)


class Readings:
    """What was seen in the last excerpts, by their content alone. Any thread."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._rows: OrderedDict[bytes, tuple[Floats, ...]] = OrderedDict()
        self._lock = Lock()

    def read(self, model: MiniLM, contents: Sequence[Ids], keep: Sequence[bool]) -> Reading:
        """Each content's reading; those to `keep` are remembered."""
        keys = [content.tobytes() for content in contents]
        with self._lock:
            rows = {key: self._rows[key] for key in keys if key in self._rows}
        fresh = {key: content for key, content in zip(keys, contents, strict=True) if key not in rows}
        if fresh:
            found = model.read(list(fresh.values()))
            rows |= dict(zip(fresh, zip(*found, strict=True), strict=True))
        with self._lock:
            for key, wanted in zip(keys, keep, strict=True):
                if wanted:
                    if key in fresh:  # copied, or a row would hold on to all of its batch
                        self._rows[key] = tuple(part.copy() for part in rows[key])
                    else:
                        self._rows[key] = rows[key]
                    self._rows.move_to_end(key)
            while len(self._rows) > self._most:
                self._rows.popitem(last=False)
        return Reading(*(np.stack(parts) for parts in zip(*(rows[key] for key in keys), strict=True)))


def doubt(views: Sequence[View], embeddings: Floats, around: Floats) -> Floats:
    """
    What is taken from each view's log-odds, float32 [N]: nothing from a whole text; from an excerpt the more, the more
    it has to do with its neighbours, in whose company it was read as well.

    embeddings: float32 [N, D] of unit length, of the views. around: float32 [N, D], the sum of their neighbours', zeros
    where those were not read.
    """
    sizes = np.linalg.norm(around, axis=1)
    alike = np.einsum("nd,nd->n", embeddings, around) / np.maximum(sizes, 1e-6)
    belongs = OWN * np.clip((alike - _FOREIGN) / (_AT_HOME - _FOREIGN), 0, 1)
    excerpt = np.array([view.excerpt for view in views])
    alone = np.array([EXCERPT if not view.beside else OWN for view in views])
    taken: Floats = np.where(excerpt, np.where(sizes > 0, belongs, alone), 0).astype(np.float32)
    return taken


def _less_sure(scores: Floats, less: float) -> Floats:
    """float32 [C] with `less` taken from each log-odds; NaN stays."""
    if not less:
        return scores
    odds = scores * np.float32(np.exp(-less))
    lowered: Floats = (odds / (1 - scores + odds)).astype(np.float32)
    return lowered


def _against_heads(seen: Reading, concepts: Sequence[Heads]) -> list[Floats]:
    """Row n of what was seen against `concepts[n]`: one matrix product a policy."""
    rows_of: dict[int, list[int]] = {}
    for row, heads in enumerate(concepts):
        rows_of.setdefault(id(heads), []).append(row)
    scores: list[Floats] = [seen.embeddings[0]] * len(concepts)
    for rows in rows_of.values():
        found = concepts[rows[0]].probabilities(Reading(*(part[rows] for part in seen)))
        for row, score in zip(rows, found, strict=True):
            scores[row] = score
    return scores
