"""Where small print may be, by its edges alone: it vanishes when a picture is shrunk for the text detector."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Rects = npt.NDArray[np.int64]  # [n, 4] left, top, right, bottom in pixels

_EDGES = (40, 100)  # grey levels between neighbours: faint print on paper, strong print on a photograph
_HEIGHTS = (4, 22)  # pixels; the shrunk look finds what is larger
_ELONGATED = 5  # times as wide as high: a word at least
_NARROWEST = 40
_FILLED = 0.5  # letters joined together fill their box; twigs do not
_STROKES = 1.2  # edges a row, for each height of width
_BETWEEN = 0.25  # share of pixels neither ink nor paper: photographs are made of them

_PIXEL = np.ones((2, 2), dtype=np.uint8)
_JOIN = np.ones((1, 11), dtype=np.uint8)
_CLEAN = np.ones((3, 7), dtype=np.uint8)


def fine_print(picture: npt.NDArray[np.uint8]) -> Rects:
    """
    Rectangles that look like lines of small, level print; a few milliseconds for a picture of a megapixel.

    picture: uint8 [H, W, 3] BGR. What is in a rectangle may well be something else: look again before believing it.
    """
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    contrast = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, _PIXEL)
    return np.concatenate([_level_rows((contrast > edge).astype(np.uint8), grey) for edge in _EDGES])


def _level_rows(edges: npt.NDArray[np.uint8], grey: npt.NDArray[np.uint8]) -> Rects:
    joined = cv2.morphologyEx(cv2.morphologyEx(edges, cv2.MORPH_CLOSE, _JOIN), cv2.MORPH_OPEN, _CLEAN)
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=4)
    left, top, width, height, area = stats[1:].astype(np.int64).T
    shaped = (height >= _HEIGHTS[0]) & (height <= _HEIGHTS[1])
    shaped &= (width >= _ELONGATED * height) & (width >= _NARROWEST) & (area > _FILLED * width * height)
    rects: Rects = np.stack((left, top, left + width, top + height), axis=1)[shaped]
    printed = np.array([_is_print(edges, grey, rect) for rect in rects], dtype=np.bool_)
    return np.asarray(rects[printed])


def _is_print(edges: npt.NDArray[np.uint8], grey: npt.NDArray[np.uint8], rect: npt.NDArray[np.int64]) -> bool:
    left, top, right, bottom = rect
    strokes = np.abs(np.diff(edges[top:bottom, left:right].astype(np.int8), axis=1)).sum(axis=1).mean()
    if strokes * (bottom - top) < _STROKES * (right - left):
        return False
    ink = grey[top:bottom, left:right]
    dark, bright = np.percentile(ink, (5, 95))
    reach = 0.35 * (bright - dark)
    return bool(((ink > dark + reach) & (ink < bright - reach)).mean() <= _BETWEEN)
