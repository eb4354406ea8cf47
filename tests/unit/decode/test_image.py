"""Pictures: formats, bombs, damage, animation, orientation and transparency."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from tests.unit.decode.records import media, read, record
from worker.core.events import Degradation, ImagePart
from worker.decode.decoder import EventDecoder
from worker.decode.envelope import OuterLimits
from worker.decode.headers import image_header


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image file's bytes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width: int, height: int) -> Image.Image:
    """A picture that does not compress away."""
    values = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def part_of(content: bytes, **fields: Any) -> ImagePart:
    """The one picture of an event, nothing said against it."""
    event = read(media("image", content, **fields))
    assert event.degraded == []
    (part,) = event.parts
    assert isinstance(part, ImagePart)
    return part


def problem_of(content: bytes) -> Degradation:
    """The one thing said about a picture that cannot be read."""
    event = read(media("image", content))
    assert event.parts == ()
    (problem,) = event.degraded
    return problem


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("JPEG", {}), ("GIF", {}), ("WEBP", {}), ("WEBP", {"lossless": True})]
)
def test_each_format_is_read_and_its_size_known_from_the_header(kind: str, options: dict[str, Any]) -> None:
    """uint8 [1, H, W, 3] in the picture's own size when it is small."""
    content = saved(noise(60, 40), kind, **options)
    part = part_of(content)
    assert part.frames.dtype == np.uint8
    assert (part.frames.shape, part.scale) == ((1, 40, 60, 3), 1.0)
    header = image_header(content)
    assert header is not None
    assert header == (kind, 60, 40)


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "PPM"])
def test_other_formats_are_refused_by_their_content(kind: str) -> None:
    """Whatever the part says it is."""
    assert problem_of(saved(noise(8, 8), kind)).code == "image_format"


def test_a_header_claiming_60000_by_60000_is_refused_undecoded() -> None:
    """The claim alone decides: there are no pixels to decode here."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    problem = problem_of(content)
    assert (problem.code, problem.rule) == ("image_too_large", "too_long")
    assert "60000 x 60000" in problem.reason


def test_the_memory_bound_is_capped_by_what_would_be_decoded() -> None:
    """A lying header cannot take all credits."""
    sent = orjson.dumps(media("image", saved(noise(300, 200), "PNG")))
    envelope = EventDecoder(OuterLimits()).envelope(record(sent))
    assert envelope.heavy
    assert 300 * 200 * 3 <= envelope.decoded_bytes <= 50_000_000 * 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_file_cut_in_half_is_said_to_be_unreadable(kind: str) -> None:
    """Half a picture is not judged as if it were whole."""
    content = saved(noise(200, 200), kind)
    assert problem_of(content[: len(content) // 2]).code in ("image_truncated", "image_damaged")


def test_a_png_cut_in_half_is_named_so() -> None:
    """The code tells a cut file from another format."""
    content = saved(noise(200, 200), "PNG")
    assert problem_of(content[: len(content) // 2]).code == "image_truncated"
    assert problem_of(content[:20]).code == "image_truncated"


def test_an_animation_of_5000_frames_gives_four() -> None:
    """The first and three more within reach."""
    frames = [Image.new("P", (32, 32), k % 251) for k in range(5_000)]
    for k, frame in enumerate(frames):
        frame.putpalette([k % 256, k // 256, 0] * 256)
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], optimize=False)
    part = part_of(content)
    assert part.frames.shape == (4, 32, 32, 3)
    assert len({frame.tobytes() for frame in part.frames}) == 4


def test_a_short_animation_gives_its_first_and_last_frame() -> None:
    """Evenly spread, ends included."""
    frames = [Image.new("RGB", (8, 8), (k * 20, 0, 0)) for k in range(10)]
    part = part_of(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
    assert [int(frame[0, 0, 0]) for frame in part.frames] == [0, 60, 120, 180]


def test_an_animation_damaged_after_its_first_frame_keeps_it_and_says_so() -> None:
    """What can be read is scored; the rest is decided by `failed`."""
    frames = [noise(64, 64).rotate(90 * k) for k in range(4)]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    event = read(media("image", content[: len(content) * 5 // 8]))
    assert len(event.parts) == 1
    assert [(d.code, d.rule) for d in event.degraded] == [("image_frames_damaged", "failed")]


def test_exif_orientation_is_honoured() -> None:
    """A photo taken sideways is seen upright."""
    image = Image.new("RGB", (40, 20), "white")
    image.paste("black", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned clockwise to be seen: the left half is on top
    part = part_of(saved(image, "JPEG", exif=exif, quality=95))
    assert part.frames.shape == (1, 40, 20, 3)
    assert part.frames[0, 5, 10].mean() < 60
    assert part.frames[0, 35, 10].mean() > 200


def test_what_is_transparent_shows_white() -> None:
    """As most pages show it; black text on nothing stays readable."""
    assert part_of(saved(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG")).frames.min() == 255


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    """Scaled, not clipped."""
    deep = Image.fromarray(np.full((4, 4), 0x8000, dtype=np.uint16))
    assert int(part_of(saved(deep, "PNG")).frames[0, 0, 0, 0]) == 0x80


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_large_picture_is_reduced_and_its_scale_kept(kind: str) -> None:
    """Boxes found in the frames can be given in the original's pixels."""
    part = part_of(saved(Image.new("RGB", (4_000, 1_000), "red"), kind))
    assert part.frames.shape == (1, 320, 1_280, 3)
    assert part.scale == pytest.approx(4_000 / 1_280)


def test_a_raw_picture_is_read_from_a_binary_cloudevent() -> None:
    """The record's value is the file; identity comes from the headers."""
    headers = (("ce_id", b"i-1"), ("ce_tenant", b"acme"), ("content-type", b"image/png"))
    event = read(saved(noise(6, 5), "PNG"), headers)
    (part,) = event.parts
    assert isinstance(part, ImagePart)
    assert part.frames.shape == (1, 5, 6, 3)
