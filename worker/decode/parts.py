"""One picture or clip of an event: its bytes out of base64, judged by size, decoded; problems become degradations."""

from __future__ import annotations

import binascii
from typing import Any

from worker.core import ports
from worker.core.errors import OverLimit, PartUnreadable
from worker.core.events import AudioPart, Degradation, ImagePart
from worker.decode.audio import RawPcm, decode_audio, raw_pcm
from worker.decode.envelope import OuterLimits
from worker.decode.image import decode_image


def read_media(
    part: dict[str, Any], path: str, raw: bytes | None, limits: ports.Limits, outer: OuterLimits
) -> tuple[ImagePart | AudioPart | None, list[Degradation]]:
    """
    Decode a part that is not text.

    Args:
        part: as it stands in the event's body.
        path: "parts/1".
        raw: the part's content when the record's value was that content itself.

    Returns:
        the part, None when nothing of it can be read; and what is to be said of it.
    """
    try:
        if part["type"] == "image":
            most = min(limits.image_bytes, outer.image_bytes)
            image, problem = decode_image(
                _content(part, raw, most, "image"),
                path,
                max_pixels=min(limits.image_pixels, outer.image_pixels),
                max_side=outer.image_side,
            )
            return image, [problem] if problem else []
        if part["type"] == "audio":
            most = min(limits.audio_bytes, outer.audio_bytes)
            pcm: RawPcm | None = raw_pcm(part)
            clip, problem = decode_audio(
                _content(part, raw, most, "audio"), path, max_seconds=min(limits.audio_s, outer.audio_s), pcm=pcm
            )
            return clip, [problem] if problem else []
        raise PartUnreadable("part_type_unknown", "the part is of no known type: send text, image or audio")
    except OverLimit as error:
        return None, [Degradation(error.code, "too_long", path, error.reason)]
    except PartUnreadable as error:
        return None, [Degradation(error.code, "failed", path, error.reason)]


def _content(part: dict[str, Any], raw: bytes | None, most: int, kind: str) -> bytes:
    """The part's file as bytes, at most `most` of them."""
    if raw is not None:
        if len(raw) > most:
            raise _too_large(kind, len(raw), most)
        return raw
    data = part.get("data")
    if data is None:
        if part.get("ref") is not None:
            raise PartUnreadable(
                "ref_not_allowed", "content by `ref` is off by default and not fetched by this build: send it in `data`"
            )
        raise PartUnreadable("part_empty", "the part has neither `data` nor `ref`")
    if len(data) * 3 // 4 - 2 > most:
        raise _too_large(kind, len(data) * 3 // 4, most)
    try:
        content = binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        raise PartUnreadable("base64_broken", "`data` is not standard base64 with padding") from None
    if not content:
        raise PartUnreadable("part_empty", "`data` holds no bytes")
    return content


def _too_large(kind: str, size: int, most: int) -> OverLimit:
    return OverLimit(f"{kind}_too_large", f"the file has {size} bytes, more than the limit `{kind}_bytes` of {most}")
