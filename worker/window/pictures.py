"""Perceptual hashes of pictures, for the lists of pictures that policies have."""

from __future__ import annotations

import numpy as np
from PIL import Image

from worker.core.events import ImagePart
from worker.core.views import Hashes


def picture_hashes(part: ImagePart) -> Hashes:
    """uint64 [F]: imagehash's phash of each frame, 8 x 8 bits, the first bit the highest as in its text."""
    import imagehash  # here, since it takes scipy along and most workers have no list of pictures

    bits = np.stack([imagehash.phash(Image.fromarray(frame)).hash.ravel() for frame in part.frames])
    hashes: Hashes = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    return hashes
