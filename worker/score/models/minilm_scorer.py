"""Scores views by MiniLM: each glanced at, read exactly where it may decide; sentences doubted by their neighbours."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np

from worker.core.errors import ModelFailed
from worker.core.views import Floats, ModelRef, View, ViewKind
from worker.score.concepts import NAME, Heads, TextConcepts
from worker.score.features import Reading, log_odds
from worker.score.models.minilm import MiniLM
from worker.score.models.minilm_encoders import Ids
from worker.score.weights import content_digest

# Log-odds taken from an excerpt, since the maximum over many is what counts: from a sentence of a call or from messages
# read together always as many, from a sentence of a long text as many as it belongs there (`doubt`).
EXCERPT = 1.5
OWN = 3.0
_FOREIGN, _AT_HOME = 0.2, 0.4  # cosines of a sentence and its neighbours' mean
LOW = -2.2  # log-odds of a score that decides nothing, 0.1
SURELY_LOW = -2.94  # of a glance that needs no closer look, 0.05
UNSURE = 0.75  # log-odds that a glance is hardly ever off by: so much lower where a category's balanced point is as low
_DOUBT = repr((EXCERPT, OWN, _FOREIGN, _AT_HOME, LOW, SURELY_LOW, UNSURE))


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
        scores: list[Floats] = [np.empty(0, np.float32)] * len(views)

        def look(found: Reading, rows: Sequence[int]) -> Weight:
            asked = [concepts[row] for row in rows]
            for row, score in zip(rows, _against_heads(found, asked), strict=True):
                scores[row] = score
            return _weight([scores[row] for row in rows], asked)

        try:
            _, less = read_views(self._model, views, look, self._kept)
        except RuntimeError as error:
            raise ModelFailed(f"{NAME} could not embed {len(views)} texts: {type(error).__name__}") from error
        return [_less_sure(score, taken) for score, taken in zip(scores, less.tolist(), strict=True)]


class Weight(NamedTuple):
    """
    Of n views. highest: float32 [n], the highest log-odds that any category has. over: float32 [n], how far they are
    over what surely decides nothing.
    """

    highest: Floats
    over: Floats


Look = Callable[[Reading, Sequence[int]], Weight]


def trained_alone(found: Reading, _: Sequence[int]) -> Weight:
    """The weight of views by what the trained heads say."""
    return weight_of(found.log_odds.max(1))


def weight_of(highest: Floats) -> Weight:
    """Where all categories are surely low at the same log-odds. highest: float32 [n]."""
    return Weight(highest, highest - SURELY_LOW)


def read_views(
    model: MiniLM, views: Sequence[View], look: Look, kept: Readings | None = None
) -> tuple[Reading, Floats]:
    """
    What is seen in each view, and what is to be taken from its log-odds: float32 [N].

    Each is glanced at, and read exactly where that may decide something. A content is read once.

    look: the weight of what is seen in the views of n places; asked again of what is read exactly. An excerpt at `LOW`
    or less decides nothing, whatever its neighbours are: it is taken to belong.
    kept: what was seen in excerpts of earlier batches: neighbours often stand in different ones.
    """
    kept = Readings() if kept is None else kept
    contents, own = [view.content for view in views], [bool(view.beside) for view in views]
    seen = kept.read(model.glance, contents, own)
    high, over = look(seen, range(len(views)))
    asked = [view.beside if some > LOW else () for view, some in zip(views, high, strict=True)]
    near = [content for neighbours in asked for content in neighbours]
    around = np.zeros_like(seen.embeddings)
    if near:
        of = np.repeat(np.arange(len(views)), [len(neighbours) for neighbours in asked])
        np.add.at(around, of, kept.read(model.glance, near, [True] * len(near)).embeddings)
    less = doubt(views, seen.embeddings, around)
    closely = np.flatnonzero(over > less).tolist() if model.glances else []
    if closely:
        exact = kept.read(model.read, [contents[row] for row in closely], [own[row] for row in closely])
        look(exact, closely)
        for parts, some in zip(seen, exact, strict=True):
            parts[closely] = some
    return seen, less


class Readings:
    """What was seen in the last excerpts, by who read them and their content alone. Any thread."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._rows: OrderedDict[tuple[str, bytes], tuple[Floats, ...]] = OrderedDict()
        self._lock = Lock()

    def read(self, read: Callable[[Sequence[Ids]], Reading], contents: Sequence[Ids], keep: Sequence[bool]) -> Reading:
        """Each content's reading; those to `keep` are remembered."""
        keys = [(read.__name__, content.tobytes()) for content in contents]
        with self._lock:
            rows = {key: self._rows[key] for key in keys if key in self._rows}
        fresh = {key: content for key, content in zip(keys, contents, strict=True) if key not in rows}
        if fresh:
            found = read(list(fresh.values()))
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


def _weight(scores: Sequence[Floats], asked: Sequence[Heads]) -> Weight:
    """Of each view's probabilities, float32 [C] with NaN."""
    highest, over = np.empty(len(scores), np.float32), np.empty(len(scores), np.float32)
    for row, (score, heads) in enumerate(zip(scores, asked, strict=True)):
        odds = log_odds(np.nan_to_num(score))
        highest[row] = odds.max()
        over[row] = (odds - np.fmin(heads.balanced - UNSURE, SURELY_LOW)).max()
    return Weight(highest, over)


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
