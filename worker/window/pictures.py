"""Perceptual hashes of pictures, for the lists of pictures that policies have: what a copy may have been through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from worker.core.events import ImagePart
from worker.core.views import Hashes

Grey = npt.NDArray[np.int16]  # [H, W]

PLAIN: Final = 2.0  # standard deviation of grey values below which a picture says nothing
_SIDE: Final = 32  # what imagehash shrinks to before it transforms
_SAME: Final = 16  # grey levels: this near to a border's own is border
_BORDER_LINE: Final = 0.95  # share of the outermost line that must be border for there to be one,
_CAPTION_LINE: Final = 0.6  # and of each further one: words written on a border are on it
_WIDEST: Final = 0.3  # of the picture: a border is no wider
_SAMPLES: Final = 192  # pixels of a line that are looked at
_KEPT: Final = (0.9, 0.8)  # of each side, by the crops that a list may hold beside a picture
_BAR: Final = 0.15  # of the height: a caption laid over the top or the bottom


def picture_hashes(part: ImagePart) -> Hashes:
    """
    uint64 [F, 4]: imagehash's phash of each frame as it is and mirrored, and both without its border.

    8 x 8 bits, the first bit the highest as in imagehash's text. Without a border the last two repeat the first two. A
    border is a plain margin or a bar with a caption, on any side.
    """
    return np.array([_looks(Image.fromarray(frame).convert("L")) for frame in part.frames], np.uint64)


def crop_hashes(part: ImagePart) -> Hashes:
    """
    uint64 [N]: hashes for a list, of crops of each frame: a copy that was cropped by up to a fifth is near one of them.

    Nine places of nine and of eight tenths of each side, all but the top or the bottom, and what a border leaves. Crops
    that are one plain colour are left out.
    """
    found: list[int] = []
    for frame in part.frames:
        grey = Image.fromarray(frame).convert("L")
        found.extend(_hash(_shrunk(crop)) for crop in _crops(grey) if np.asarray(crop).std() >= PLAIN)
    return np.array(list(dict.fromkeys(found)), np.uint64)


def _looks(grey: Image.Image) -> list[int]:
    looks = [_shrunk(grey)]
    inner = _without_border(grey)
    looks.append(_shrunk(inner) if inner is not None else looks[0])
    return [_hash(turned) for look in looks for turned in (look, ImageOps.mirror(look))]


def _shrunk(grey: Image.Image) -> Image.Image:
    return grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)


def _hash(shrunk: Image.Image) -> int:
    import imagehash  # here, since it takes scipy along and most workers have no list of pictures

    bits = np.packbits(imagehash.phash(shrunk).hash)
    return int.from_bytes(bits.tobytes(), "big")


def _without_border(grey: Image.Image) -> Image.Image | None:
    """What is within the borders; None when there are none."""
    pixels = np.asarray(grey, dtype=np.int16)
    columns = pixels.T
    top, bottom = _border(pixels), _border(pixels[::-1])
    left, right = _border(columns), _border(columns[::-1])
    if not top + bottom + left + right:
        return None
    return grey.crop((left, top, grey.width - right, grey.height - bottom))


def _border(lines: Grey) -> int:
    """How many of the first lines are a border."""
    outer = lines[: int(_WIDEST * len(lines)) + 1, :: max(lines.shape[1] // _SAMPLES, 1)]
    like = np.mean(np.abs(outer - np.median(outer[0])) <= _SAME, axis=1)
    if like[0] < _BORDER_LINE:
        return 0
    inside = like < _CAPTION_LINE
    return int(np.argmax(inside)) if inside.any() else 0


def _crops(grey: Image.Image) -> Iterator[Image.Image]:
    yield _part(grey, 0, 0, 1, 1 - _BAR)
    yield _part(grey, 0, _BAR, 1, 1)
    for kept in _KEPT:
        places = [(1 - kept) * step / 2 for step in range(3)]
        yield from (_part(grey, x, y, x + kept, y + kept) for x in places for y in places)
    inner = _without_border(grey)
    if inner is not None:
        yield inner


def _part(grey: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    wide, high = grey.size
    return grey.crop((round(left * wide), round(top * high), round(right * wide), round(bottom * high)))
