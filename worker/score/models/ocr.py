"""Text in pictures: lines found in each picture, and read together with the lines of all others in the batch."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode
from rapidocr.utils.process_img import get_rotate_crop_image

from worker.core.errors import ModelFailed
from worker.core.views import Evidence, Floats, ModelRef, Segment, TextSource, View, ViewKind
from worker.score.models.lines import DETECTOR, Boxes, LineFinder, Picture
from worker.score.models.upright import Place, in_reading_order, stronger
from worker.score.onnx import open_session
from worker.score.weights import Pinned

NAME = "rapidocr"
RECOGNISER = Pinned(
    "rapidocr",
    "rapidocr",
    "models/PP-OCRv6_rec_small.onnx",
    "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
)

_HEIGHT = 48  # of a line, as the recogniser wants it
_WIDTH_STEP = 64  # lines are padded to whole steps, so that a reading never depends on its neighbours
_WIDEST = 3200  # 66 times as wide as high: about 150 letters
_BATCH = 8
_LEAST_SCORE = 0.5  # rapidocr's own
_LEAST_SCORE_ALONE = 0.9  # for a single character: photographs are full of shapes like 0 and *
_CLEAR = 0.9  # below this a line may be upside down
_TURNED = 0.75  # a line turned over is believed from here on
_TALL = 1.5  # times as high as wide: rapidocr lays such a crop on its side


@dataclass(slots=True)
class Line:
    """
    A line of text: of which view, where in the original's pixels, its crop (BGR) and what stands in it.

    along: the way it is read, of length 1; middle, high: its place and its height in the view's pixels.
    """

    view: int
    box: tuple[int, int, int, int]
    crop: Picture
    along: Place
    middle: Place
    high: float
    text: str = ""
    score: float = 0.0


class LineReader:
    """
    Reads crops of single lines with PP-OCRv6's recogniser.

    Args:
        pool: threads to read with, a group of lines each.
        weights: the pinned model file.

    Raises:
        WeightsRejected: the weights are missing or not the pinned ones.
    """

    def __init__(self, pool: Executor, weights: Pinned = RECOGNISER, device: str = "auto") -> None:
        self._session = open_session(weights, device)
        self._input: str = self._session.get_inputs()[0].name
        characters = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._decode = CTCLabelDecode(character=characters)
        self._pool = pool

    def read(self, crops: Sequence[Picture]) -> list[tuple[str, float]]:
        """For each crop its text and the mean probability of its characters, 0 when there are none."""
        readings: list[tuple[str, float]] = [("", 0.0)] * len(crops)
        groups = list(_by_width(crops))
        for (_, places), found in zip(
            groups, self._pool.map(lambda group: self._group(crops, *group), groups), strict=True
        ):
            for place, (text, score) in zip(places, found, strict=True):
                readings[place] = (text, float(score))
        return readings

    def _group(self, crops: Sequence[Picture], width: int, places: Sequence[int]) -> list[tuple[str, float]]:
        inputs = np.stack([_prepared(crops[place], width) for place in places])
        chances = self._session.run(None, {self._input: inputs})[0]
        found: list[tuple[str, float]] = self._decode(chances)[0]
        return found


class RapidOcrReader:
    """
    The extractor of pictures: uint8 [H, W, 3] RGB.

    Args:
        threads: CPU threads; each takes some of the pictures and lines, which wastes less than sharing one.
        detector, recogniser: the pinned model files.
        device: "cpu", "cuda" or "auto".

    Raises:
        WeightsRejected: weights are missing or not the pinned ones.
    """

    kind = ViewKind.IMAGE

    def __init__(
        self, threads: int = 2, detector: Pinned = DETECTOR, recogniser: Pinned = RECOGNISER, device: str = "auto"
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=NAME)
        self._finder = LineFinder(detector, device)
        self._reader = LineReader(self._pool, recogniser, device)
        both = hashlib.sha256(f"{detector.sha256}{recogniser.sha256}".encode()).hexdigest()
        self.ref = ModelRef(NAME, importlib.metadata.version(recogniser.distribution), f"sha256:{both}")

    def extract(self, views: Sequence[View]) -> list[TextSource]:
        """
        For each view the text in it, line by line in reading order, with each line's box in the original's pixels.

        Raises:
            ModelFailed: a model raised; the message holds no content.
        """
        try:
            lines = [line for found in self._pool.map(self._lines, range(len(views)), views) for line in found]
            self._read(lines)
        except Exception as error:
            raise ModelFailed(f"{NAME} failed on a batch of {len(views)} pictures: {type(error).__name__}") from error
        read: list[list[Line]] = [[] for _ in views]
        for line in lines:
            if _believable(line):
                read[line.view].append(line)
        kept = [in_reading_order(_without_shadows(found)) for found in read]
        return [_source(view, found) for view, found in zip(views, kept, strict=True)]

    def _lines(self, place: int, view: View) -> list[Line]:
        picture = stronger(np.asarray(cv2.cvtColor(view.content, cv2.COLOR_RGB2BGR), dtype=np.uint8))
        lines = []
        for box in self._finder.find(picture):
            left, top = box.min(axis=0) * view.scale
            right, bottom = box.max(axis=0) * view.scale
            crop = get_rotate_crop_image(picture, box.copy())
            around = (int(left), int(top), math.ceil(right), math.ceil(bottom))
            lines.append(Line(place, around, crop, *_standing(box)))
        return lines

    def _read(self, lines: Sequence[Line]) -> None:
        for line, (text, score) in zip(lines, self._reader.read([line.crop for line in lines]), strict=True):
            line.text, line.score = text, score
        doubtful = [line for line in lines if line.score < _CLEAR]
        turned = [np.ascontiguousarray(line.crop[::-1, ::-1]) for line in doubtful]
        for line, (text, score) in zip(doubtful, self._reader.read(turned), strict=True):
            if score > max(line.score, _TURNED):
                line.text, line.score, line.along = text, score, -line.along


def _standing(box: Boxes) -> tuple[Place, Place, float]:
    """`along`, `middle` and `high` of a line in `box`, [4, 2], as its crop is read: a tall one is laid on its side."""
    across, down = box[1] - box[0], box[3] - box[0]
    wide, high = float(np.linalg.norm(across)), float(np.linalg.norm(down))
    tall = int(high) >= _TALL * int(wide)
    along, length, short = (down, high, wide) if tall else (across, wide, high)
    return along / max(length, 1.0), box.mean(axis=0), short


def _by_width(crops: Sequence[Picture]) -> Iterator[tuple[int, list[int]]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for place, crop in enumerate(crops):
        height, width = crop.shape[:2]
        steps = math.ceil(_HEIGHT * width / height / _WIDTH_STEP)
        groups[min(steps * _WIDTH_STEP, _WIDEST)].append(place)
    for width, places in sorted(groups.items()):
        for first in range(0, len(places), _BATCH):
            yield width, places[first : first + _BATCH]


def _prepared(crop: Picture, width: int) -> Floats:
    """float32 [3, 48, width] in [-1, 1], zeros to the right of the line."""
    height, wide = crop.shape[:2]
    size = (min(max(math.ceil(_HEIGHT * wide / height), 1), width), _HEIGHT)
    planes = cv2.resize(crop, size).astype(np.float32).transpose(2, 0, 1) / 127.5 - 1.0
    padded = np.zeros((3, _HEIGHT, width), dtype=np.float32)
    padded[:, :, : size[0]] = planes
    return padded


def _believable(line: Line) -> bool:
    text = line.text.strip()
    return bool(text) and line.score >= (_LEAST_SCORE if len(text) > 1 else _LEAST_SCORE_ALONE)


def _without_shadows(lines: Sequence[Line]) -> list[Line]:
    """Leaves out what is a poor reading of a place that another line reads well: two looks may box it differently."""
    return [line for line in lines if line.score >= _CLEAR or not any(_outshines(other, line) for other in lines)]


def _outshines(other: Line, line: Line) -> bool:
    left, top = max(other.box[0], line.box[0]), max(other.box[1], line.box[1])
    right, bottom = min(other.box[2], line.box[2]), min(other.box[3], line.box[3])
    shared = max(right - left, 0) * max(bottom - top, 0)
    return other.score >= _CLEAR and 2 * shared > min(_area(other.box), _area(line.box))


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _source(view: View, lines: Sequence[Line]) -> TextSource:
    segments, place = [], 0
    for line in lines:
        evidence = Evidence(box=line.box, frame=view.evidence.frame)
        segments.append(Segment(place, place + len(line.text), evidence))
        place += len(line.text) + 1
    return TextSource(f"{view.path}/ocr", "\n".join(line.text for line in lines), view.types, tuple(segments))
