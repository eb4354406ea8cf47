"""Where the lines of text are in a picture: a cheap look at all of it, and a sharp one where print may be small."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from rapidocr.ch_ppocr_det.main import TextDetector
from rapidocr.ch_ppocr_det.utils import DBPostProcess

from worker.core.views import Floats
from worker.score.models.fineprint import Rects, fine_print
from worker.score.onnx import open_session
from worker.score.weights import Pinned

Picture = npt.NDArray[np.uint8]  # [H, W, 3] BGR, as the networks learnt it
Mask = npt.NDArray[np.bool_]
Boxes = Floats  # [n, 4, 2] corners x, y: top left, top right, bottom right, bottom left

DETECTOR = Pinned(
    "rapidocr",
    "rapidocr",
    "models/PP-OCRv6_det_small.onnx",
    "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
)

_STRIDE = 32  # the network takes whole multiples of it
_FIRST_SIDE = 320
_FIRST_SCALE = 0.42  # large pictures keep this much, so that the smallest print found does not grow with the picture
_FIRST_LARGEST = 2.0
_SMALL = 14  # a box lower than this in the shrunk picture may have neighbours that were not seen
_AROUND = 24  # pixels looked at around what called for the second look
_SECOND_AREA = 768 * 768
_SECOND_SCALE = 1.5  # print of eight pixels is found when it is enlarged
_EDGE = 3  # pixels
_SAME = 0.5  # boxes that share this much of the smaller one are one line,
_ALIKE = 1.5  # unless one is so many times as high as the other: then both are read


class LineFinder:
    """
    Finds lines of text with PP-OCRv6's detector. Safe to call from several threads at once, and made for it.

    Raises:
        WeightsRejected: the weights are missing or not the pinned ones.
    """

    def __init__(self, weights: Pinned = DETECTOR, device: str = "auto") -> None:
        self._session = open_session(weights, device)
        self._input: str = self._session.get_inputs()[0].name
        # rapidocr's own settings
        self._boxes = DBPostProcess(thresh=0.3, box_thresh=0.5, unclip_ratio=1.6, use_dilation=True)

    def find(self, picture: Picture) -> Boxes:
        """Boxes of a picture's lines in reading order, in its own pixels."""
        height, width = picture.shape[:2]
        longest = max(height, width)
        scale = min(_FIRST_LARGEST, max(_FIRST_SIDE / longest, _FIRST_SCALE))
        first = self._look(picture, scale)
        small = _heights(first) * scale < _SMALL
        unsure = np.concatenate((fine_print(picture), _around(first[small])))
        if len(unsure) == 0:
            return _ordered(first)
        left, top = np.maximum(unsure[:, :2].min(axis=0) - _AROUND, 0)
        right, bottom = unsure[:, 2:].max(axis=0) + _AROUND
        region = picture[top:bottom, left:right]
        enlarged = min(_SECOND_SCALE, (_SECOND_AREA / (region.shape[0] * region.shape[1])) ** 0.5)
        second = self._look(region, enlarged)
        cut = _at_edge(second, region.shape[1], region.shape[0])
        return _ordered(_merged(first, small, second + np.array((left, top), dtype=np.float32), cut))

    def _look(self, picture: Picture, scale: float) -> Boxes:
        height, width = picture.shape[:2]
        size = (_whole(width * scale), _whole(height * scale))
        small = cv2.resize(picture, size).astype(np.float32)
        planes = np.ascontiguousarray((small / 127.5 - 1.0).transpose(2, 0, 1)[np.newaxis])
        chances = self._session.run(None, {self._input: planes})[0]
        boxes, _ = self._boxes(chances, (height, width))
        return np.asarray(boxes, dtype=np.float32).reshape(-1, 4, 2)


def _merged(first: Boxes, small: Mask, second: Boxes, cut: Mask) -> Boxes:
    """Large print from the first look, small print from the second where that saw it, no pieces of large print."""
    large = first[~small]
    second = second[~(_covered(second, large, _ALIKE) | cut & _covered(second, large, np.inf))]
    missed = first[small][~_covered(first[small], second, _ALIKE)]
    return np.concatenate((large, missed, second))


def _at_edge(boxes: Boxes, width: int, height: int) -> Mask:
    """bool [n]: which boxes touch the edge of what was looked at, and so may be pieces of something."""
    far = boxes.max(axis=1) >= np.array((width - _EDGE, height - _EDGE))
    return np.asarray(((boxes.min(axis=1) <= _EDGE) | far).any(axis=1))


def _covered(boxes: Boxes, by: Boxes, alike: float) -> Mask:
    """
    bool [n]: which of `boxes` share half of the smaller area with one in `by` less than `alike` times as high.

    The first look takes a label for one fat line, or a thing for a letter: that must not hide what is printed on it.
    """
    if len(boxes) == 0 or len(by) == 0:
        return np.zeros(len(boxes), dtype=np.bool_)
    low, high = boxes.min(axis=1)[:, np.newaxis], boxes.max(axis=1)[:, np.newaxis]
    other_low, other_high = by.min(axis=1), by.max(axis=1)
    shared = np.maximum(np.minimum(high, other_high) - np.maximum(low, other_low), 0).prod(axis=2)
    smaller = np.minimum((high - low).prod(axis=2), (other_high - other_low).prod(axis=1))
    comparable = _heights(by) < alike * _heights(boxes)[:, np.newaxis]
    return np.asarray(((shared > _SAME * smaller) & comparable).any(axis=1))


def _heights(boxes: Boxes) -> Floats:
    """float32 [n]: the shorter side of each box."""
    across = np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1)
    down = np.linalg.norm(boxes[:, 3] - boxes[:, 0], axis=1)
    return np.asarray(np.minimum(across, down), dtype=np.float32)


def _around(boxes: Boxes) -> Rects:
    """int64 [n, 4]: each box with three of its heights on every side, where more lines of its kind would be."""
    reach = 3 * _heights(boxes)[:, np.newaxis]
    return np.concatenate((boxes.min(axis=1) - reach, boxes.max(axis=1) + reach), axis=1).astype(np.int64)


def _ordered(boxes: Boxes) -> Boxes:
    return np.asarray(TextDetector.sorted_boxes(boxes), dtype=np.float32)


def _whole(side: float) -> int:
    return max(round(side / _STRIDE), 1) * _STRIDE
