"""Bombs and liars for every decoder: each is read or refused in 768 MB of address space and ten seconds, or fails."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
from PIL import Image

from worker.core.errors import PartUnreadable
from worker.decode.box.boxes import Boxes, DecodingSettings

PIXELS = 50_000_000
SECONDS = 10.0
BOMB = b"\0" * (32 << 20)


@pytest.fixture(scope="module")
def boxes() -> Iterator[Boxes]:
    """Tight ones: what needs more than its share ends as `decoder_memory`, `decoder_slow` or `decoder_died`."""
    made = Boxes(DecodingSettings(memory_mb=768, part_s=10.0))
    yield made
    made.close()


def image(boxes: Boxes, data: bytes) -> str:
    """The code of what is said of a picture; "read" where it is one."""
    try:
        _, problem = boxes.image(data, "parts/0", max_pixels=PIXELS, max_side=640)
    except PartUnreadable as error:
        return error.code
    return problem.code if problem else "read"


def audio(boxes: Boxes, data: bytes) -> str:
    """The same of a clip: "cut" where it is longer than allowed."""
    try:
        clip = boxes.clip(data, max_seconds=SECONDS)
    except PartUnreadable as error:
        return error.code
    assert len(clip.mono) <= SECONDS * clip.rate
    if not len(clip.mono):
        return "audio_empty"
    return "cut" if clip.cut else "audio_damaged" if clip.broken else "read"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, rows: bytes | None = None) -> bytes:
    """Eight-bit grey."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = zlib.compress(rows if rows is not None else b"\0" * (width + 1) * height)
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif(width: int, height: int, frames: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frames + b";"


def gif_frame(left: int, top: int, width: int, height: int) -> bytes:
    """An empty frame of that claim: its codes end at once."""
    return b"," + struct.pack("<HHHHB", left, top, width, height, 0) + b"\x02\x02\x4c\x01\0"


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def webp_claiming(width: int, height: int) -> bytes:
    body = struct.pack("<I", 0x02) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    inner = b"WEBPVP8X" + struct.pack("<I", 10) + body
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def jpeg_claiming(width: int, height: int) -> bytes:
    small = saved(Image.new("RGB", (8, 8)), "JPEG")
    at = small.index(b"\xff\xc0") + 5
    return small[:at] + struct.pack(">HH", height, width) + small[at + 4 :]


TEXT_BOMB = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(BOMB))
SMALL = png(8, 8)

PICTURES: list[tuple[str, bytes, set[str]]] = [
    ("a PNG with a zTXt bomb", png(8, 8, TEXT_BOMB), {"read", "image_damaged"}),
    ("a PNG with a hundred zTXt bombs", png(8, 8, TEXT_BOMB * 100), {"read", "image_damaged"}),
    (
        "a PNG with an iTXt bomb",
        png(8, 8, chunk(b"iTXt", b"C\0\1\0\0\0" + zlib.compress(BOMB))),
        {"read", "image_damaged"},
    ),
    ("a PNG with an iCCP bomb", png(8, 8, chunk(b"iCCP", b"p\0\0" + zlib.compress(BOMB))), {"read", "image_damaged"}),
    ("a PNG whose pixels inflate past its size", png(8, 8, rows=BOMB), {"read", "image_damaged"}),
    ("a PNG of fewer pixels than it says", png(5_000, 5_000, rows=b"\0"), {"image_truncated", "image_damaged"}),
    ("a PNG of 60,000 x 60,000", png(60_000, 60_000, rows=b""), {"image_too_large"}),
    ("a PNG of 2^31 x 2^31", png(2**31 - 1, 2**31 - 1, rows=b""), {"image_too_large"}),
    ("a PNG of 50 million x 1", png(PIXELS, 1), {"read", "image_damaged"}),
    ("a PNG of no pixels", png(0, 9, rows=b""), {"image_truncated"}),
    (
        "a PNG with a chunk of 2 GB claimed",
        SMALL[:33] + struct.pack(">I", 2**31 - 1) + b"tEXt",
        {"image_truncated", "image_damaged"},
    ),
    (
        "an animated PNG of a million claimed frames",
        png(8, 8, chunk(b"acTL", struct.pack(">II", 1_000_000, 0))),
        {"read", "image_damaged", "image_frames_damaged"},
    ),
    ("a GIF of 60,000 x 60,000", gif(60_000, 60_000, gif_frame(0, 0, 1, 1)), {"image_too_large"}),
    ("a GIF with a frame beyond its screen", gif(1, 1, gif_frame(0, 0, 65_535, 65_535)), {"image_too_large"}),
    (
        "a GIF whose second frame is beyond its screen",
        gif(1, 1, gif_frame(0, 0, 1, 1) + gif_frame(9, 9, 65_000, 65_000)),
        {"image_too_large", "image_frames_damaged", "image_truncated"},
    ),
    (
        "a GIF of 100,000 frames",
        gif(2, 2, gif_frame(0, 0, 2, 2) * 100_000),
        {"read", "image_frames_damaged", "image_truncated"},
    ),
    (
        "a GIF of large frames, one on the other",
        gif(7_000, 7_000, gif_frame(0, 0, 7_000, 7_000) * 200),
        {"read", "image_frames_damaged", "image_truncated", "decoder_memory"},
    ),
    (
        "a GIF in a GIF's comment",
        gif(
            2,
            2,
            b"!\xfe"
            + b"".join(b"\xff" + b"GIF89a".ljust(255, b"a") for _ in range(9_000))
            + b"\0"
            + gif_frame(0, 0, 2, 2),
        ),
        {"read", "image_truncated", "image_damaged"},
    ),
    ("a WebP of 16,384 x 16,384", webp_claiming(16_384, 16_384), {"image_too_large"}),
    (
        "a WebP animation",
        saved(
            Image.new("RGB", (64, 64)),
            "WEBP",
            save_all=True,
            append_images=[Image.new("RGB", (64, 64), (k % 256, k // 256, 0)) for k in range(1, 400)],
            lossless=True,
        ),
        {"read"},
    ),
    ("a WebP with nothing behind its header", webp_claiming(64, 64), {"image_damaged", "image_truncated"}),
    ("a JPEG of 65,500 x 65,500", jpeg_claiming(65_500, 65_500), {"image_too_large"}),
    ("a JPEG that is nearly all missing, yet ends", jpeg_claiming(7_000, 7_000), {"read"}),
    ("a TIFF", saved(Image.new("RGB", (8, 8)), "TIFF"), {"image_format"}),
    ("a BMP", saved(Image.new("RGB", (8, 8)), "BMP"), {"image_format"}),
    ("an ICO", saved(Image.new("RGB", (16, 16)), "ICO"), {"image_format"}),
    ("an SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', {"image_format"}),
    (
        "an SVG with endless entities",
        b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 99 + b'">]><svg>&b;</svg>',
        {"image_format"},
    ),
    ("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", {"image_format"}),
    ("a PDF", b"%PDF-1.7\n", {"image_format"}),
    (
        "a PNG's beginning before a TIFF",
        b"\x89PNG\r\n\x1a\n" + saved(Image.new("RGB", (8, 8)), "TIFF"),
        {"image_truncated"},
    ),
    ("base64 of base64", base64.b64encode(base64.b64encode(SMALL)), {"image_format"}),
]


@pytest.mark.parametrize(("data", "codes"), [p[1:] for p in PICTURES], ids=[p[0] for p in PICTURES])
def test_a_hostile_picture_is_read_or_refused(boxes: Boxes, data: bytes, codes: set[str]) -> None:
    """And the process lives on to read the next one."""
    assert image(boxes, data) in codes
    assert image(boxes, SMALL) == "read"


def clip(seconds: float = 0.2, kind: str = "WAV", subtype: str | None = None, rate: int = 16_000) -> bytes:
    out = io.BytesIO()
    samples = np.sin(np.arange(int(seconds * rate), dtype=np.float32) / 9) / 2
    soundfile.write(out, samples, rate, format=kind, subtype=subtype)
    return out.getvalue()


def hour_of_silence() -> bytes:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(3_600 * 8_000, np.int16), 8_000, format="FLAC")
    return out.getvalue()


def put(data: bytes, at: int, form: str, *values: int) -> bytes:
    new = struct.pack(form, *values)
    return data[:at] + new + data[at + len(new) :]


def id3(claimed: int, body: bytes = b"") -> bytes:
    """A tag's header with the length it claims, seven bits a byte."""
    return b"ID3\4\0\0" + bytes((claimed >> shift) & 0x7F for shift in (21, 14, 7, 0)) + body


WAV, FLAC, MP3 = clip(), clip(kind="FLAC"), clip(kind="MP3")
VORBIS, OPUS = clip(kind="OGG", subtype="VORBIS"), clip(kind="OGG", subtype="OPUS")
ANY = {"read", "cut", "audio_damaged", "audio_format", "audio_empty"}
REFUSED = {"audio_damaged", "audio_format", "audio_empty"}

CLIPS: list[tuple[str, bytes, set[str]]] = [
    ("a WAV that claims 4 GB", put(put(WAV, 4, "<I", 2**32 - 9), 40, "<I", 2**32 - 45), {"read", "audio_damaged"}),
    ("a WAV of 65,535 channels", put(WAV, 22, "<H", 65_535), REFUSED),
    ("a WAV of 4 billion samples a second", put(WAV, 24, "<I", 2**32 - 1), REFUSED),
    ("a WAV of no channels", put(WAV, 22, "<H", 0), REFUSED),
    ("a WAV of no bits", put(WAV, 34, "<H", 0), ANY),
    ("a WAV with a block of nothing", put(WAV, 32, "<H", 0), ANY),
    ("a WAV with endless small chunks", WAV[:36] + (b"junk" + struct.pack("<I", 0)) * 200_000 + WAV[36:], ANY),
    ("a WAV whose chunk claims to begin before itself", put(WAV, 16, "<I", 2**32 - 4), REFUSED),
    ("a FLAC that claims 2^36 samples", put(FLAC, 21, ">BI", FLAC[21] | 0x0F, 2**32 - 1), ANY),
    ("a FLAC of 655,350 samples a second", put(FLAC, 18, ">I", (0x9FFF6 << 12) | 0x0F0), REFUSED),
    ("a FLAC with a picture of 16 MB claimed", FLAC[:4] + b"\6\xff\xff\xff" + FLAC[4:], REFUSED),
    ("an hour of silence in a FLAC", hour_of_silence(), {"cut"}),
    ("an Ogg chain of 300 streams", VORBIS * 300, ANY),
    ("an Ogg chain of two codecs", VORBIS + OPUS, ANY),
    ("an Ogg chain of two rates", VORBIS + clip(kind="OGG", subtype="VORBIS", rate=44_100), ANY),
    ("an Ogg of pages without sound", VORBIS[:58] * 20_000, REFUSED),
    ("an Ogg that ends nowhere", VORBIS[:-40], ANY),
    ("an MP3 behind a tag that claims 256 MB", id3(2**28 - 1) + MP3, ANY),
    ("an MP3 behind 8 MB of tag", id3(8 << 20, bytes(8 << 20)) + MP3, ANY),
    ("an MP3 behind 100,000 tags", id3(0) * 100_000 + MP3, ANY),
    (
        "an MP3 with a tag whose frame claims more than the tag",
        id3(30, b"TXXX\x7f\x7f\x7f\x7f\0\0" + bytes(20)) + MP3,
        ANY,
    ),
    (
        "an MP3 with a packed tag frame",
        id3(1 << 20, b"APIC\0\x3f\x7f\x76\0\x08" + zlib.compress(BOMB).ljust(1 << 20, b"\0")) + MP3,
        ANY,
    ),
    ("an MP3 of headers alone", b"\xff\xfb\x90\0" * 500_000, ANY),
    ("an AIFF", clip(kind="AIFF"), {"audio_format"}),
    ("an AU that claims 4 GB", put(clip(kind="AU"), 8, ">I", 2**32 - 2), ANY),
    ("a video's beginning", b"\0\0\0\x18ftypmp42" + bytes(64), {"audio_format"}),
    ("base64 of base64", base64.b64encode(WAV), {"audio_format"}),
]


@pytest.mark.parametrize(("data", "codes"), [c[1:] for c in CLIPS], ids=[c[0] for c in CLIPS])
def test_a_hostile_clip_is_read_or_refused(boxes: Boxes, data: bytes, codes: set[str]) -> None:
    """And the process lives on to read the next one."""
    assert audio(boxes, data) in codes
    assert audio(boxes, WAV) == "read"
