"""Categories to heads: a linear scorer for each, in closed form, from its definition and examples alone."""

from __future__ import annotations

import hashlib
import json
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
from worker.score.clauses import sentences
from worker.score.embeddings import EmbeddingCache, Vectors
from worker.score.features import HEARD, MOST_HEARD, WIDTH, features
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
_Key = tuple[str, tuple[str, ...], tuple[str, ...]]  # a category's own words
_Wanted = _Key | str | None  # those, or the detector whose trained head is asked for, or nothing


class TextModel(Protocol):
    """What concepts are compiled with."""

    digest: str  # of all that scores depend on
    trained: Mapping[str, Thresholds]  # its trained heads by detector, in their columns' order: operating points [3]

    def read_texts(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Embeddings float32 [N, D] of unit length, and log-odds float32 [N, T] of the trained heads."""
        ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Heads:
    """
    What the text scorer looks for under one policy: a head for each of its C categories.

    weights: float32 [C, 397], for what `features` gives. bias: float32 [C]. known: bool [C], False where a category
    has neither words nor a trained head. digest: sha256 over them, 64 hexadecimal digits. trained: int64 [C], the
    column of the trained head that a category asks for; -1 where it goes by its own words.
    """

    weights: Floats
    bias: Floats
    known: npt.NDArray[np.bool_]
    digest: str
    trained: npt.NDArray[np.int64]

    def probabilities(self, embeddings: Floats, trained: Floats) -> Floats:
        """
        How likely each text violates each category: float32 [N, C], NaN where unknown.

        embeddings: float32 [N, 384]. trained: float32 [N, T], log-odds of the model's trained heads.
        """
        return self._from(features(embeddings, trained), trained)

    def by_own_words(self, seen: Floats) -> Floats:
        """The same for categories that ask for no trained head, from float32 [N, 397] features."""
        return self._from(seen, None)

    def _from(self, seen: Floats, trained: Floats | None) -> Floats:
        log_odds = seen @ self.weights.T + self.bias
        asked = np.flatnonzero(self.trained >= 0)
        if len(asked) and trained is not None:
            log_odds[:, asked] = trained[:, self.trained[asked]]
        log_odds = np.clip(log_odds, -30, 30)
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
        parameters = (HEARD, MOST_HEARD, _RIDGE, _BACKGROUND, _ALLOWED, _DEFINITION, _ENOUGH, _PRIOR, _TYPICAL)
        self._embeddings = EmbeddingCache(
            content_digest(model.digest, repr((HEARD, MOST_HEARD))), lambda texts: features(*model.read_texts(texts))
        )
        self._sample = Sample(self._embeddings.embed, harmless)
        made_by = (*lines, json.dumps(parameters))
        self._heads_digest = content_digest(model.digest, *made_by)
        self.digest = content_digest(model.digest, *made_by, self._sample.digest)
        self._columns = {name: column for column, name in enumerate(model.trained)}
        self._trained_points = model.trained
        self._background = _Background(_with_one(self._embeddings.embed(lines)))
        self._heads: OrderedDict[_Key, _Head] = OrderedDict()
        self._stored = Vectors("heads")  # float32 [398] each: weights, and bias last
        self._stacks: WeakValueDictionary[tuple[_Wanted, ...], Heads] = WeakValueDictionary()  # while a policy has it
        self._points: OrderedDict[_Key, Thresholds] = OrderedDict()  # float64 [3] each
        self._lock = Lock()

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """`Heads` by scorer name; nothing when no category has words or asks for a trained head."""
        keys = [self._wanted(category) for category in categories]
        if not any(keys):
            return {}
        with self._lock:
            return {NAME: self._stacks.setdefault(tuple(keys), self._stacked(keys))}

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """The same for every type: a transcript and a text in a picture are scored like any other text."""
        keys = [self._wanted(category) for category in categories]
        if not any(keys):
            return None
        nothing = np.full(len(RATES), np.nan)
        with self._lock:
            own = [key for key in dict.fromkeys(keys) if isinstance(key, tuple)]
            missing = [key for key in own if key not in self._points]
            if missing:
                heads = self._stacked(missing)
                scores = heads.by_own_words(self._sample.embeddings)
                _remember(self._points, dict(zip(missing, thresholds(scores).T, strict=True)))
            found = [nothing if key is None else self._points_of(key) for key in keys]
        return np.repeat(np.column_stack(found)[:, np.newaxis], len(PART_TYPES), axis=1)

    def _points_of(self, key: _Key | str) -> Thresholds:
        return self._trained_points[key] if isinstance(key, str) else self._points[key]

    def _wanted(self, category: CategorySpec) -> _Wanted:
        """A trained head where the category asks for one, else its words."""
        return next((name for name in category.detectors if name in self._columns), None) or _key(category)

    def _stacked(self, keys: Sequence[_Wanted]) -> Heads:
        """The heads of `keys`, those fitted that are not known; under the lock."""
        own = [key for key in dict.fromkeys(keys) if isinstance(key, tuple)]
        self._fit([key for key in own if key not in self._heads])
        _remember(self._heads, {key: self._heads[key] for key in own})
        heads = [self._heads[key] if isinstance(key, tuple) else None for key in keys]
        columns = [self._columns[key] if isinstance(key, str) else -1 for key in keys]
        return _stacked(heads, np.array(columns, np.int64))

    def _fit(self, keys: Sequence[_Key]) -> None:
        """Heads for `keys`, from the disk where an earlier start left them."""
        names = {key: bytes.fromhex(content_digest(self._heads_digest, json.dumps(key))) for key in keys}
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
        parts = [(sentences(definition), violating, allowed) for definition, violating, allowed in keys]
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

        definition, violating, allowed: float64 [n, 398], any of them empty. The background's share of the normal
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
    if not sentences(definition) and not violating:
        return None
    return definition, violating, tuple(text for text in category.allowed if text.strip())


def _with_one(embeddings: Floats) -> Doubles:
    """float64 [N, 398]: what is seen and a column of ones for the intercept."""
    return np.column_stack([embeddings.astype(np.float64), np.ones(len(embeddings))])


def _rows(rows: Sequence[Doubles]) -> Doubles:
    return np.array(rows, np.float64).reshape(len(rows), -1) if rows else np.empty((0, WIDTH + 1))


def _stacked(heads: Sequence[_Head | None], trained: npt.NDArray[np.int64]) -> Heads:
    weights = np.zeros((len(heads), WIDTH), np.float32)
    bias = np.zeros(len(heads), np.float32)
    known = trained >= 0
    for place, head in enumerate(heads):
        if head is not None:
            weights[place], bias[place], known[place] = head.weights, head.bias, True
    parts = (weights.tobytes(), bias.tobytes(), known.tobytes(), trained.tobytes())
    return Heads(weights, bias, known, hashlib.sha256(b"".join(parts)).hexdigest(), trained)
