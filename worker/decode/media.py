"""Where media are decoded: the port behind which a codec runs, here in this process or in one of its own."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from worker.core.events import Degradation, ImagePart
from worker.decode.audio import read_clip
from worker.decode.image import decode_image


class Clip(NamedTuple):
    """
    A clip as its codec gave it.

    mono: float32 [T] at `rate`; cut: there is more than was asked for; broken: the file ends in damage.
    """

    mono: npt.NDArray[np.float32]
    rate: int
    cut: bool
    broken: bool


class Media(Protocol):
    """Runs the codecs of other people over bytes of strangers."""

    def image(self, data: bytes, path: str, *, max_pixels: int, max_side: int) -> tuple[ImagePart, Degradation | None]:
        """As `worker.decode.image.decode_image`; also PartUnreadable `decoder_slow` and `decoder_died`."""
        ...

    def clip(self, data: bytes, max_seconds: float) -> Clip:
        """As `worker.decode.audio.read_clip`; also PartUnreadable `decoder_slow` and `decoder_died`."""
        ...


class InProcess:
    """Port `Media` here: for tools and tests. A codec that crashes takes the process along."""

    def image(self, data: bytes, path: str, *, max_pixels: int, max_side: int) -> tuple[ImagePart, Degradation | None]:
        """As the port says."""
        return decode_image(data, path, max_pixels=max_pixels, max_side=max_side)

    def clip(self, data: bytes, max_seconds: float) -> Clip:
        """As the port says."""
        return Clip(*read_clip(data, max_seconds))
