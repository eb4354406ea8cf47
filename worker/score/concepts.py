"""Categories to heads: a linear scorer for each, from its definition and examples alone; fitted ones are kept."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from threading import Lock
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from worker.core.events import PART_TYPES
from worker.core.ports import CategorySpec
from worker.core.views import Concepts, Floats, Thresholds
from worker.score.asked import Asked
from worker.score.calibration import RATES, Sample, thresholds
from worker.score.clauses import sentences
from worker.score.embeddings import EmbeddingCache, Vectors
from worker.score.features import HEARD, MOST_HEARD, WIDTH, Reading, log_odds
from worker.score.heads import PARAMETERS, Background, Head
from worker.score.weights import content_digest

NAME = "minilm"

_BALANCED = 1  # its place among the points
_REMEMBERED = 4096

_Kept = TypeVar("_Kept")
_Key = tuple[str, tuple[str, ...], tuple[str, ...]]  # a category's own words
_Wanted = _Key | str | None  # those, or the detector whose trained head is asked for, or nothing


class TextModel(Protocol):
    """What concepts are compiled with."""

    digest: str  # of all that scores depend on
    trained: Mapping[str, Thresholds]  # its trained heads by detector, in their columns' order: operating points [3]
    asked: Asked  # its conditioned head

    def read_texts(self, texts: Sequence[str]) -> Reading:
        """What is seen in each text's first window."""
        ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Heads:
    """
    What the text scorer looks for under one policy: a head for each of its C categories.

    weights: float32 [C, 589], for `Reading.features`. bias: float32 [C]. known: bool [C], False where a category
    has neither words nor a trained head. digest: sha256 over them, 64 hexadecimal digits. trained: int64 [C], the
    column of the trained head that a category asks for; -1 where it goes by its own words. balanced: float32 [C], the
    log-odds of the operating point of that name, by the background's lines where a category goes by its own words, so a
    little lower; NaN where it was not asked for.
    """

    weights: Floats
    bias: Floats
    known: npt.NDArray[np.bool_]
    digest: str
    trained: npt.NDArray[np.int64]
    balanced: Floats

    def probabilities(self, seen: Reading) -> Floats:
        """How likely each of N texts violates each category: float32 [N, C], NaN where unknown."""
        return self._from(seen.features, seen.log_odds)

    def by_own_words(self, seen: Floats) -> Floats:
        """The same for categories that ask for no trained head, from float32 [N, 589] features."""
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
        self._embeddings = EmbeddingCache(
            content_digest(model.digest, repr((HEARD, MOST_HEARD, WIDTH))),
            lambda texts: model.read_texts(texts).features,
        )
        self._sample = Sample(self._embeddings.embed, harmless)
        made_by = (*lines, json.dumps((HEARD, MOST_HEARD, *PARAMETERS)))
        self._heads_digest = content_digest(model.digest, *made_by)
        self.digest = content_digest(model.digest, *made_by, self._sample.digest)
        self._columns = {name: column for column, name in enumerate(model.trained)}
        self._trained_points = model.trained
        self._background = Background(self._embeddings.embed(lines), model.asked)
        self._heads: OrderedDict[_Key, Head] = OrderedDict()
        self._stored = Vectors("heads")  # float32 [590] each: weights, and bias last
        self._stacks: WeakValueDictionary[tuple[_Wanted, ...], Heads] = WeakValueDictionary()  # while a policy has it
        self._points: OrderedDict[_Key, Thresholds] = OrderedDict()  # float64 [3] each
        self._lock = Lock()

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """`Heads` by scorer name; nothing when no category has words or asks for a trained head."""
        keys = [self._wanted(category) for category in categories]
        if not any(keys):
            return {}
        with self._lock:
            found = self._stacks.get(tuple(keys))
            if found is None:
                heads = self._stacked(keys)
                found = self._stacks[tuple(keys)] = replace(heads, balanced=self._balanced(keys, heads))
            return {NAME: found}

    def _balanced(self, keys: Sequence[_Wanted], heads: Heads) -> Floats:
        """float32 [C] log-odds. The sample that sets points is not asked: it takes ten seconds to read, once."""
        points = thresholds(heads.by_own_words(self._background.lines))[_BALANCED]
        for place, key in enumerate(keys):
            if isinstance(key, str):
                points[place] = self._trained_points[key][_BALANCED]
        return log_odds(points).astype(np.float32)

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
                self._heads[key] = Head(stored[name][:-1], float(stored[name][-1]))
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
        rows = iter(self._embeddings.embed(texts) if texts else ())
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


def _key(category: CategorySpec) -> _Key | None:
    definition = (category.definition or "").strip()
    violating = tuple(text for text in category.violating if text.strip())
    if not sentences(definition) and not violating:
        return None
    return definition, violating, tuple(text for text in category.allowed if text.strip())


def _rows(rows: Sequence[Floats]) -> Floats:
    return np.array(rows, np.float32).reshape(len(rows), -1) if rows else np.empty((0, WIDTH), np.float32)


def _stacked(heads: Sequence[Head | None], trained: npt.NDArray[np.int64]) -> Heads:
    weights = np.zeros((len(heads), WIDTH), np.float32)
    bias = np.zeros(len(heads), np.float32)
    known = trained >= 0
    for place, head in enumerate(heads):
        if head is not None:
            weights[place], bias[place], known[place] = head.weights, head.bias, True
    parts = (weights.tobytes(), bias.tobytes(), known.tobytes(), trained.tobytes())
    balanced = np.full(len(heads), np.nan, np.float32)
    return Heads(weights, bias, known, hashlib.sha256(b"".join(parts)).hexdigest(), trained, balanced)
