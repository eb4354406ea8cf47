"""One picture or clip of an event: its bytes out of base64, judged by size, decoded; problems become degradations."""

from __future__ import annotations

import binascii
import re
from typing import Any, Final

from worker.core import ports
from worker.core.errors import OverLimit, PartUnreadable
from worker.core.events import AudioPart, Claim, Degradation, ImagePart
from worker.decode.audio import RawSound, decode_audio, raw_sound
from worker.decode.envelope import OuterLimits
from worker.decode.media import Media

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def read_media(
    part: dict[str, Any],
    index: int,
    given: bytes | PartUnreadable | None,
    limits: ports.Limits,
    outer: OuterLimits,
    media: Media,
    *,
    of_call: bool = False,
) -> tuple[ImagePart | AudioPart | None, list[Degradation]]:
    """
    Decode a part that is not text.

    Args:
        part: as it stands in the event's body.
        index: its place there.
        given: the part's content when it does not stand in `data`: the record's value, or what was fetched of a
            `ref`; or why it could not be fetched.
        media: where codecs run.
        of_call: sound keeps its own rate, for the window of its call.

    Returns:
        the part, None when nothing of it can be read; and what is to be said of it.
    """
    path = f"parts/{index}"
    try:
        if part["type"] == "image":
            image, problem = media.image(
                _content(part, index, given, limits, outer),
                path,
                max_pixels=min(limits.image_pixels, outer.image_pixels),
                max_side=outer.image_side,
            )
            return image, [problem] if problem else []
        if part["type"] == "audio":
            form: RawSound | None = raw_sound(part)
            content, longest = _content(part, index, given, limits, outer), min(limits.audio_s, outer.audio_s)
            clip, problem = decode_audio(
                content, path, max_seconds=longest, raw=form, own_rate=of_call, clip=media.clip
            )
            return clip, [problem] if problem else []
        raise PartUnreadable("part_type_unknown", "the part is of no known type: send text, image or audio")
    except OverLimit as error:
        return None, [Degradation(error.code, "too_long", path, error.reason)]
    except PartUnreadable as error:
        return None, [Degradation(error.code, "failed", path, error.reason)]


def claim_of(part: dict[str, Any], index: int, limits: ports.Limits, outer: OuterLimits) -> Claim:
    """
    What a part by `ref` claims: where it lies and what it must be.

    Raises:
        OverLimit: it says itself that it is too large.
        PartUnreadable: `ref_incomplete`; without length and digest nobody could tell that it is what was sent.
    """
    ref = part["ref"]
    sha256, length = ref.get("sha256"), ref.get("bytes")
    if not length or sha256 is None or not _SHA256.fullmatch(sha256):
        reason = "`ref` needs `bytes` above 0 and `sha256` of 64 lower-case hexadecimal digits beside its `url`"
        raise PartUnreadable("ref_incomplete", reason)
    if length > (most := _most(part, limits, outer)):
        raise _too_large(part["type"], length, most)
    return Claim(index, ref["url"], sha256, length)


def claims_are_off() -> PartUnreadable:
    """What is said of content by `ref` where nothing is fetched."""
    reason = "content by `ref` is off: name its host in claims.hosts or its folder in claims.roots, or send `data`"
    return PartUnreadable("ref_not_allowed", reason)


def _content(
    part: dict[str, Any], index: int, given: bytes | PartUnreadable | None, limits: ports.Limits, outer: OuterLimits
) -> bytes:
    """The part's file as bytes, within the limits."""
    kind, most, data = part["type"], _most(part, limits, outer), part.get("data")
    if isinstance(given, PartUnreadable):
        raise given
    if given is not None:
        if len(given) > most:
            raise _too_large(kind, len(given), most)
        return given
    if data is None:
        raise _not_here(part, index, limits, outer)
    if len(data) * 3 // 4 - 2 > most:
        raise _too_large(kind, len(data) * 3 // 4, most)
    try:
        content = binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        raise PartUnreadable("base64_broken", "`data` is not standard base64 with padding") from None
    if not content:
        raise PartUnreadable("part_empty", "`data` holds no bytes")
    return content


def _not_here(part: dict[str, Any], index: int, limits: ports.Limits, outer: OuterLimits) -> PartUnreadable:
    """Why a part has no content: what is wrong with its `ref`, that nobody fetched it, or that there is neither."""
    if part.get("ref") is None:
        return PartUnreadable("part_empty", "the part has neither `data` nor `ref`")
    try:
        claim_of(part, index, limits, outer)
    except PartUnreadable as error:
        return error
    reason = "content by `ref` is fetched for events of the queue only: send it in `data`"
    return PartUnreadable("ref_not_allowed", reason)


def _most(part: dict[str, Any], limits: ports.Limits, outer: OuterLimits) -> int:
    """Bytes that the part's file may have."""
    if part["type"] == "image":
        return min(limits.image_bytes, outer.image_bytes)
    return min(limits.audio_bytes, outer.audio_bytes)


def _too_large(kind: str, size: int, most: int) -> OverLimit:
    return OverLimit(f"{kind}_too_large", f"the file has {size} bytes, more than the limit `{kind}_bytes` of {most}")
