"""What a media file's first bytes say of it: format, size, length. Nothing is decoded and no library is asked."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEAD_BYTES = 1 << 16  # how much of a file is looked at; a JPEG's size stands behind its metadata


class ImageHeader(NamedTuple):
    """format: as Pillow names it; width and height in pixels as the header claims them."""

    format: str
    width: int
    height: int


def image_header(data: bytes) -> ImageHeader | None:
    """The header of a PNG, JPEG, WebP or GIF; None for anything else or when the size cannot be found."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        return ImageHeader("PNG", *struct.unpack(">II", data[16:24]))
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) >= 10:
        return ImageHeader("GIF", *struct.unpack("<HH", data[6:10]))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    return None


def image_format(data: bytes) -> str | None:
    """PNG, JPEG, WEBP or GIF by the first bytes alone; None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    return "WEBP" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _webp(data: bytes) -> ImageHeader | None:
    if len(data) < 30:
        return None
    chunk = data[12:16]
    if chunk == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        return ImageHeader("WEBP", width, int.from_bytes(data[27:30], "little") + 1)
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return ImageHeader("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if chunk == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return ImageHeader("WEBP", width & 0x3FFF, height & 0x3FFF)
    return None


def _jpeg(data: bytes) -> ImageHeader | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return ImageHeader("JPEG", width, height)
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def seconds_bound(data: bytes, size: int) -> float:
    """
    An upper bound of the seconds of sound in a file of `size` bytes that begins with `data`, if its header is honest.

    Formats without a length in their first bytes are taken at the lowest rate that their codecs have.
    """
    if data[:4] == b"RIFF":
        return size / 4_000  # 8-bit mono at 4 kHz, the lowest rate that is read
    if data[:4] == b"fLaC" and len(data) >= 26:
        bits = int.from_bytes(data[18:26], "big")
        rate, samples = bits >> 44, bits & ((1 << 36) - 1)
        return samples / rate if rate and samples else float("inf")
    return size / 700  # Opus at 6 kbit/s; MP3 begins at 8 kbit/s


def wav_is_cut(data: bytes) -> bool:
    """
    Whether a WAV file ends before the length that its data chunk claims.

    A recorder that cannot seek back claims no length (0 or over 2 GB): such a file is as long as it is.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return False
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"data":
            return size < 0x7FFF0000 and at + 8 + size > len(data)
        at += 8 + size + size % 2
    return False
