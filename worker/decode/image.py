"""Pictures to pixels: PNG, JPEG, WebP and GIF, their size judged from the header before anything is decoded."""

from __future__ import annotations

import io
import warnings
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from worker.core.errors import OverLimit, PartUnreadable
from worker.core.events import Degradation, ImagePart
from worker.decode.headers import image_format, image_header

# A frame of a GIF may pass its header's size: Pillow then warns, and a warning that is raised cannot be overlooked.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

FRAMES: Final = 4  # looked at in an animation
# How far into an animation one looks: frames build on each other, so every one before must be drawn.
_SEEK_FRAMES: Final = 256
_SEEK_PIXELS: Final = 64_000_000

_UPRIGHT: Final = {  # EXIF orientation to what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_image(data: bytes, path: str, *, max_pixels: int, max_side: int) -> tuple[ImagePart, Degradation | None]:
    """
    Decode a picture; of an animation the first frame and up to three more, evenly spread over what is within reach.

    Reach is 256 frames or 64 million pixels drawn, whichever is less (but four frames): later frames are not seen.

    Args:
        data: the whole file.
        path: "parts/1".
        max_pixels: width times height that the header may claim.
        max_side: longest side in pixels of the frames returned.

    Returns:
        the part, with `scale` the pixels of the upright original per pixel of the frames; and a degradation when
        later frames of an animation are damaged.

    Raises:
        OverLimit: `image_too_large`, from the header alone.
        PartUnreadable: `image_format`, `image_truncated`, `image_damaged` or `decoder_memory`.
    """
    kind = image_format(data)
    if kind is None:
        raise PartUnreadable("image_format", "the picture is no PNG, JPEG, WebP or GIF: convert it to one of them")
    header = image_header(data)
    if header is None or not header.width or not header.height:
        raise PartUnreadable("image_truncated", f"the {kind} file ends before its size, or claims a size of zero")
    _within(header.width, header.height, max_pixels)
    try:
        return _frames(data, kind, path, max_pixels, max_side)
    except OverLimit:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise OverLimit("image_too_large", "a frame of the picture is larger than its header claims") from None
    except MemoryError:
        raise PartUnreadable("decoder_memory", f"the {kind} file needs more memory than a decoder has") from None
    except Exception as error:  # noqa: BLE001 - hostile bytes make codecs raise anything; the message may quote them
        code, what = ("image_truncated", "ends early") if _is_truncation(error) else ("image_damaged", "is damaged")
        raise PartUnreadable(code, f"the {kind} file {what}: {type(error).__name__}") from None


def _is_truncation(error: Exception) -> bool:
    return isinstance(error, EOFError) or (isinstance(error, OSError) and "truncated" in str(error).lower())


def _within(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        reason = f"the picture has {width} x {height} pixels, more than the limit `image_pixels` of {max_pixels}"
        raise OverLimit("image_too_large", reason)


def _frames(data: bytes, kind: str, path: str, max_pixels: int, max_side: int) -> tuple[ImagePart, Degradation | None]:
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        width, height = image.size
        if kind == "JPEG":
            image.draft("RGB", (max_side, max_side))  # the codec halves big pictures while it decodes them
        turn = _orientation(image)
        first = _pixels(image, turn, max_side)
        frames, problem = [first], None
        try:
            for at in _chosen(image):
                image.seek(at)
                _within(*image.size, max_pixels)
                frames.append(_pixels(image, turn, max_side, like=first))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning, OverLimit, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - as above: the frames before are good, and this is said
            reason = f"the {kind} file is damaged after its first frame: {type(error).__name__}"
            problem = Degradation("image_frames_damaged", "failed", path, reason)
    scale = max(width, height) / max(first.shape[:2])
    return ImagePart(path, np.stack(frames), scale), problem


def _chosen(image: Image.Image) -> list[int]:
    """Indices of the frames after the first that are looked at."""
    count = getattr(image, "n_frames", 1)
    if count < 2:
        return []
    reach = min(count, _SEEK_FRAMES, max(FRAMES, _SEEK_PIXELS // (image.size[0] * image.size[1])))
    return sorted({round(k * (reach - 1) / (FRAMES - 1)) for k in range(1, FRAMES)} - {0})


def _orientation(image: Image.Image) -> Image.Transpose | None:
    try:
        return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - a damaged EXIF block is no reason to refuse the pixels: taken as upright
        return None


def _pixels(
    image: Image.Image, turn: Image.Transpose | None, max_side: int, like: npt.NDArray[np.uint8] | None = None
) -> npt.NDArray[np.uint8]:
    """One frame as uint8 [H, W, 3], upright, at most `max_side` long; resized to the shape of `like` when given."""
    image.load()
    frame = _opaque(image)
    if like is not None:
        height, width = like.shape[:2]
        size = (height, width) if turn is not None and turn in _SWAPPING else (width, height)
    else:
        ratio = max_side / max(frame.size)
        size = (
            frame.size if ratio >= 1 else (max(1, round(frame.size[0] * ratio)), max(1, round(frame.size[1] * ratio)))
        )
    if size != frame.size:
        frame = frame.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    if turn is not None:
        frame = frame.transpose(turn)
    return np.asarray(frame, dtype=np.uint8)


_SWAPPING: Final = frozenset(_UPRIGHT[k] for k in (5, 6, 7, 8))


def _opaque(image: Image.Image) -> Image.Image:
    """The frame as RGB; what is transparent shows white, as most pages would show it."""
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion clips instead of scaling
        deep = np.asarray(image).astype(np.uint32)
        return Image.fromarray((deep >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        white.alpha_composite(layered)
        return white.convert("RGB")
    return image.convert("RGB")
