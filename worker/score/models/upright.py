"""Pictures that are hard to read as they come: turned ones, whose lines need another order, and faint ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]  # [H, W, 3] BGR
Place = npt.NDArray[np.floating]  # [2] x to the right, y down

_LEVEL: Final = 0.985  # cosine of ten degrees: print that leans no more is found in its order
_AGREED: Final = 0.5  # less than this, and the lines go many ways
_BESIDE: Final = 0.5  # of its height further down, and a line is a new row
_FAINT: Final = 64  # grey levels from the darkest to the brightest of a picture that is made stronger
_NOTHING: Final = 4  # grey levels: a plain picture, whose noise must not become shapes
_OUTLIERS: Final = (0.05, 99.95)  # percentiles that stand for the darkest and the brightest
_EVERY: Final = 3  # pixels looked at for that, in both directions


class Read(Protocol):
    """A line that was read. along: the way it is read, of length 1; middle: its place; high: its height in pixels."""

    text: str
    along: Place
    middle: Place
    high: float


L = TypeVar("L", bound=Read)


def in_reading_order(lines: Sequence[L]) -> list[L]:
    """The lines of one picture, found from top to bottom, in the order of whoever turns the picture to read it."""
    letters = [len(line.text) for line in lines]
    way = sum((count * line.along for count, line in zip(letters, lines, strict=True)), np.zeros(2))
    length = float(np.linalg.norm(way))
    if length < _AGREED * sum(letters) or way[0] >= _LEVEL * length:
        return list(lines)
    right, down = way / length, np.array((-way[1], way[0])) / length
    rows: list[list[L]] = []
    for line in sorted(lines, key=lambda one: float(one.middle @ down)):
        if rows and (line.middle - rows[-1][-1].middle) @ down < _BESIDE * line.high:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda one: float(one.middle @ right))]


def stronger(picture: Picture) -> Picture:
    """The picture itself, or a faint one with its contrast drawn out to all of black to white."""
    sample = cv2.cvtColor(np.ascontiguousarray(picture[::_EVERY, ::_EVERY]), cv2.COLOR_BGR2GRAY)
    low, high = np.percentile(sample, _OUTLIERS)
    if not _NOTHING <= high - low < _FAINT:
        return picture
    drawn_out = ((np.arange(256) - low) * 255 / (high - low)).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, drawn_out), dtype=np.uint8)
