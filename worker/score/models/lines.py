"""Where the lines of text are in a picture: a cheap look at all of it, and a sharp one where print may be small."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
from rapidocr.ch_ppocr_det.main import TextDetector
from rapidocr.ch_ppocr_det.utils import DBPostProcess

from worker.core.views import Floats
from worker.score.weights import Pinned

Picture = npt.NDArray[np.uint8]  # [H, W, 3] BGR, as the networks learnt it
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


class LineFinder:
    """
    Finds lines of text with PP-OCRv6's detector.

    Raises:
        WeightsRejected: the weights are missing or not the pinned ones.
    """

    def __init__(self, threads: int = 2, weights: Pinned = DETECTOR) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(weights.path()), sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._input: str = self._session.get_inputs()[0].name
        # rapidocr's own settings
        self._boxes = DBPostProcess(thresh=0.3, box_thresh=0.5, unclip_ratio=1.6, use_dilation=True)

    def find(self, picture: Picture) -> Boxes:
        """Boxes of a picture's lines in reading order, in its own pixels."""
        height, width = picture.shape[:2]
        longest = max(height, width)
        return self._look(picture, min(1.0, max(_FIRST_SIDE / longest, _FIRST_SCALE)))

    def _look(self, picture: Picture, scale: float) -> Boxes:
        height, width = picture.shape[:2]
        size = (_whole(width * scale), _whole(height * scale))
        small = cv2.resize(picture, size).astype(np.float32)
        planes = np.ascontiguousarray((small / 127.5 - 1.0).transpose(2, 0, 1)[np.newaxis])
        chances = self._session.run(None, {self._input: planes})[0]
        boxes, _ = self._boxes(chances, (height, width))
        return _ordered(boxes)


def _ordered(boxes: Sequence[npt.NDArray[np.float32]] | Boxes) -> Boxes:
    if len(boxes) == 0:
        return np.zeros((0, 4, 2), dtype=np.float32)
    return np.asarray(TextDetector.sorted_boxes(np.asarray(boxes)), dtype=np.float32)


def _whole(side: float) -> int:
    return max(round(side / _STRIDE), 1) * _STRIDE
