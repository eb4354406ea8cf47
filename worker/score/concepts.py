"""Categories to heads: a linear scorer for each, in closed form, from its definition and examples alone."""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from threading import Lock
from typing import NamedTuple, Protocol, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from worker.core.events import PART_TYPES
from worker.core.ports import CategorySpec
from worker.core.views import Concepts, Floats, Thresholds
from worker.score.calibration import RATES, Sample, thresholds
from worker.score.embeddings import EmbeddingCache, Vectors
from worker.score.platt import Line, fit_line
from worker.score.weights import content_digest

NAME = "minilm"

# Tuned on the development sets that docs/models.md names; a digest of them is part of the model's.
_RIDGE = 0.03  # penalty on a head's weights
_BACKGROUND = 2.0  # weight of the everyday lines beside the violating examples, which together weigh 1
_ALLOWED = 0.2  # weight of a category's allowed examples
_DEFINITION = 0.5  # share of the definition beside a single example; none at `_ENOUGH` examples
_ENOUGH = 8
_PRIOR = 0.05  # how common a violation is taken to be when scores are made probabilities
_TYPICAL = Line(6.0, 1.0)  # the line that turns raw values into log-odds where examples are too few to tell
_REMEMBERED = 4096

Doubles = npt.NDArray[np.float64]
_Kept = TypeVar("_Kept")
_Key = tuple[str, tuple[str, ...], tuple[str, ...]]


class TextModel(Protocol):
    """What concepts are compiled with."""

    @property
    def digest(self) -> str: ...

    def embed_texts(self, texts: Sequence[str]) -> Floats: ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Heads:
    """
    What the text scorer looks for under one policy: a head for each of its C categories.

    weights: float32 [C, 384], for embeddings of unit length. bias: float32 [C]. known: bool [C], False where a category
    has no words to go by. digest: sha256 over them, 64 hexadecimal digits.
    """

    weights: Floats
    bias: Floats
    known: npt.NDArray[np.bool_]
    digest: str

    def probabilities(self, embeddings: Floats) -> Floats:
        """float32 [N, C] from float32 [N, 384]: how likely each text violates each category; NaN where unknown."""
        log_odds = np.clip(embeddings @ self.weights.T + self.bias, -30, 30)
        scores: Floats = (1 / (1 + np.exp(-log_odds))).astype(np.float32)
        scores[:, ~self.known] = np.nan
        return scores


class _Head(NamedTuple):
    weights: Floats
    bias: float


class TextConcepts:
    """
    Compiles categories for `MiniLMScorer`. Safe to call from several threads.

    A head depends on its own category alone: adding a category never moves the scores of another, and tenants that
    share categories share the work.

    Args:
        harmless: lines to set operating points by, in place of those that ship.
    """

    def __init__(self, model: TextModel, harmless: Sequence[str] | None = None) -> None:
        lines = files("worker.score").joinpath("background.txt").read_text("utf-8").splitlines()
        parameters = (_RIDGE, _BACKGROUND, _ALLOWED, _DEFINITION, _ENOUGH, _PRIOR, _TYPICAL)
        self._embeddings = EmbeddingCache(model.digest, model.embed_texts)
        self._sample = Sample(self._embeddings.embed, harmless)
        self.digest = content_digest(model.digest, *lines, json.dumps(parameters), self._sample.digest)
        self._background = _Background(_with_one(self._embeddings.embed(lines)))
        self._heads: OrderedDict[_Key, _Head] = OrderedDict()
        self._stored = Vectors("heads")  # float32 [385] each: weights, and bias last
        self._stacks: WeakValueDictionary[tuple[_Key | None, ...], Heads] = (
            WeakValueDictionary()
        )  # while a policy has it
        self._points: OrderedDict[_Key, Thresholds] = OrderedDict()  # float64 [3] each
        self._lock = Lock()

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """`Heads` by scorer name; nothing when no category has a definition or a violating example."""
        keys = [_key(category) for category in categories]
        if not any(keys):
            return {}
        with self._lock:
            return {NAME: self._stacks.setdefault(tuple(keys), _stacked(self._fitted(keys)))}

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """The same for every type: a transcript and a text in a picture are scored like any other text."""
        keys = [_key(category) for category in categories]
        if not any(keys):
            return None
        nothing = np.full(len(RATES), np.nan)
        with self._lock:
            heads = dict(zip(keys, self._fitted(keys), strict=True))
            missing = [key for key in heads if key is not None and key not in self._points]
            if missing:
                scores = _stacked([heads[key] for key in missing]).probabilities(self._sample.embeddings)
                _remember(self._points, dict(zip(missing, thresholds(scores).T, strict=True)))
            found = np.column_stack([nothing if key is None else self._points[key] for key in keys])
        return np.repeat(found[:, np.newaxis], len(PART_TYPES), axis=1)

    def _fitted(self, keys: Sequence[_Key | None]) -> list[_Head | None]:
        """The heads of `keys`, those fitted that are not known; under the lock."""
        wanted = [key for key in dict.fromkeys(keys) if key is not None]
        self._fit([key for key in wanted if key not in self._heads])
        _remember(self._heads, {key: self._heads[key] for key in wanted})
        return [None if key is None else self._heads[key] for key in keys]

    def _fit(self, keys: Sequence[_Key]) -> None:
        """Heads for `keys`, from the disk where an earlier start left them."""
        names = {key: bytes.fromhex(content_digest(self.digest, json.dumps(key))) for key in keys}
        stored = self._stored.get(list(names.values())) if names else {}
        for key, name in names.items():
            if name in stored:
                self._heads[key] = _Head(stored[name][:-1], float(stored[name][-1]))
        missing = [key for key, name in names.items() if name not in stored]
        if missing:
            self._make(missing)
            made = {
                names[key]: np.append(self._heads[key].weights, np.float32(self._heads[key].bias)) for key in missing
            }
            self._stored.put(made)

    def _make(self, keys: Sequence[_Key]) -> None:
        """Heads for `keys`, all their texts embedded together."""
        parts = [(_sentences(definition), violating, allowed) for definition, violating, allowed in keys]
        texts = [text for groups in parts for group in groups for text in group]
        rows = iter(_with_one(self._embeddings.embed(texts)) if texts else ())
        for key, groups in zip(keys, parts, strict=True):
            definition, violating, allowed = (_rows([next(rows) for _ in group]) for group in groups)
            self._heads[key] = self._background.head(definition, violating, allowed)


def _remember(kept: OrderedDict[_Key, _Kept], newest: Mapping[_Key, _Kept]) -> None:
    """Put `newest` last, and let go of the oldest beyond what is kept."""
    for key, value in newest.items():
        kept[key] = value
        kept.move_to_end(key)
    while len(kept) > max(_REMEMBERED, len(newest)):
        kept.popitem(last=False)


class _Background:
    """The everyday lines every head must leave alone, with what can be computed once for all heads."""

    def __init__(self, rows: Doubles) -> None:
        self._rows = rows
        penalty = np.full(rows.shape[1], _RIDGE)
        penalty[-1] = 1e-3  # the last column is the intercept, which must stay free
        self._weights = np.full(len(rows), _BACKGROUND / len(rows))
        self._inverse = np.linalg.inv((rows.T * self._weights) @ rows + np.diag(penalty))
        self._pull = -(self._weights @ rows)
        self._seen = rows @ self._inverse
        self._leverage = np.einsum("ij,ij->i", self._seen, rows)

    def head(self, definition: Doubles, violating: Doubles, allowed: Doubles) -> _Head:
        """
        Weighted ridge regression on +1 and -1, then a line that makes its value log-odds.

        definition, violating, allowed: float64 [n, 385], any of them empty. The background's share of the normal
        equations is inverted already, so a head costs an inverse of the size of its own examples (Woodbury), which is
        never multiplied out: a thousand tenants start in seconds.
        """
        share = _definition_share(len(violating)) if len(definition) else 0.0
        weights = np.concatenate(
            [
                np.full(len(definition), share / max(1, len(definition))),
                np.full(len(violating), (1 - share) / max(1, len(violating))),
                np.full(len(allowed), _ALLOWED / max(1, len(allowed))),
            ]
        )
        rows = np.concatenate([definition, violating, allowed])[weights > 0]
        signs = np.concatenate([np.ones(len(definition) + len(violating)), -np.ones(len(allowed))])[weights > 0]
        weights = weights[weights > 0]
        seen = self._inverse @ rows.T
        own = rows @ seen
        inner = np.linalg.inv(np.diag(1 / weights) + own)
        target = self._pull + rows.T @ (weights * signs)
        head = self._inverse @ target - seen @ (inner @ (seen.T @ target))
        across = np.concatenate([self._seen @ rows.T, own])
        leverage = np.concatenate([self._leverage, own.diagonal()]) - np.einsum("ij,ij->i", across @ inner, across)
        line = self._calibrated(head, leverage, rows, signs, weights, len(violating))
        return _Head((head[:-1] * line.slope).astype(np.float32), float(head[-1] * line.slope + line.shift))

    def _calibrated(
        self, head: Doubles, leverage: Doubles, rows: Doubles, signs: Doubles, weights: Doubles, examples: int
    ) -> Line:
        """The line from values to log-odds, fitted on each example's value under the head made without it."""
        everything = np.concatenate([self._rows, rows])
        targets = np.concatenate([-np.ones(len(self._rows)), signs])
        shares = np.concatenate([self._weights, weights])
        values = everything @ head
        leverage = np.minimum(shares * leverage, 0.99)
        alone = values + leverage / (1 - leverage) * (values - targets)
        for sign, prior in ((1, _PRIOR), (-1, 1 - _PRIOR)):
            shares[targets == sign] *= prior / shares[targets == sign].sum()
        return fit_line(alone, targets > 0, shares * examples, _TYPICAL)


def _definition_share(examples: int) -> float:
    """How much of the violating side is the definition: all without examples, none with `_ENOUGH`."""
    return 1.0 if examples == 0 else _DEFINITION * max(0.0, 1 - examples / _ENOUGH)


def _key(category: CategorySpec) -> _Key | None:
    definition = (category.definition or "").strip()
    violating = tuple(text for text in category.violating if text.strip())
    if not _sentences(definition) and not violating:
        return None
    return definition, violating, tuple(text for text in category.allowed if text.strip())


def _sentences(definition: str) -> list[str]:
    """A definition's clauses; those that say what the category is not would pull it the wrong way."""
    clauses = re.split(r"(?<=[.!?:;])\s+", definition)
    whole = re.split(r"(?<=[.!?])\s+", definition)
    negated = {clause for sentence in whole if sentence.lower().startswith("not ") for clause in _clauses(sentence)}
    return [clause for clause in clauses if clause.strip() and clause not in negated]


def _clauses(sentence: str) -> list[str]:
    return re.split(r"(?<=[.!?:;])\s+", sentence)


def _with_one(embeddings: Floats) -> Doubles:
    """float64 [N, 385]: the embeddings and a column of ones for the intercept."""
    return np.column_stack([embeddings.astype(np.float64), np.ones(len(embeddings))])


def _rows(rows: Sequence[Doubles]) -> Doubles:
    return np.array(rows, np.float64).reshape(len(rows), -1) if rows else np.empty((0, 385))


def _stacked(heads: Sequence[_Head | None]) -> Heads:
    weights = np.zeros((len(heads), 384), np.float32)
    bias = np.zeros(len(heads), np.float32)
    known = np.zeros(len(heads), np.bool_)
    for place, head in enumerate(heads):
        if head is not None:
            weights[place], bias[place], known[place] = head.weights, head.bias, True
    digest = hashlib.sha256(b"".join((weights.tobytes(), bias.tobytes(), known.tobytes()))).hexdigest()
    return Heads(weights, bias, known, digest)
