"""Perceptual hashes: what they bear, and that other tools make the same."""

from __future__ import annotations

import io
import random
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

from worker.core.events import ImagePart
from worker.core.views import Hashes
from worker.window.pictures import crop_hashes, picture_hashes

PICTURES = Path(__file__).parents[2] / "data" / "image"
NAMES = ("chelsea.jpg", "symptoms.png", "blood_pressure.png")


def opened(name: str) -> Image.Image:
    return Image.open(PICTURES / name).convert("RGB")


def hashed(*pictures: Image.Image) -> list[int]:
    return [int(h) for h in picture_hashes(part_of(*pictures))[:, 0]]


def part_of(*pictures: Image.Image) -> ImagePart:
    return ImagePart("parts/0", np.stack([np.asarray(p) for p in pictures]))


def nearest(copy: Image.Image, entries: Hashes) -> int:
    """In how many bits the nearest look at `copy` differs from the nearest entry."""
    return int(np.bitwise_count(picture_hashes(part_of(copy)).reshape(-1, 1) ^ entries).min())


def apart(one: Image.Image, other: Image.Image) -> int:
    return (hashed(one)[0] ^ hashed(other)[0]).bit_count()


def test_the_hash_is_that_of_imagehash() -> None:
    """Lists made with it elsewhere can be used; every frame has its own."""
    cat, page = opened("chelsea.jpg"), opened("symptoms.png").resize((451, 300))
    cat = cat.resize((451, 300))
    assert [f"{h:016x}" for h in hashed(cat, page)] == [str(imagehash.phash(p)) for p in (cat, page)]


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_in_another_size_or_quality_stays_near(name: str) -> None:
    """Within the default distance of 10 bits: half the size, twice the size, a poor JPEG, a little brighter."""
    picture = opened(name)
    smaller = picture.resize((picture.width // 2, picture.height // 2))
    larger = picture.resize((picture.width * 2, picture.height * 2))
    squeezed = io.BytesIO()
    picture.save(squeezed, "JPEG", quality=20)
    brighter = picture.point(lambda value: min(255, round(value * 1.1)))
    assert max(apart(picture, p) for p in (smaller, larger, Image.open(squeezed), brighter)) <= 10


def test_other_pictures_are_far() -> None:
    """Unlike pictures differ in about half of the 64 bits; two pages of print in fewer, yet more than 10."""
    cat, page, other = (opened(name) for name in NAMES)
    assert min(apart(cat, page), apart(cat, other)) > 20
    assert apart(page, other) > 10


def test_a_mirrored_or_framed_copy_is_the_picture() -> None:
    """To the bit when mirrored; near when a plain margin or a bar with words was put around it."""
    cat = opened("chelsea.jpg")
    entry = picture_hashes(part_of(cat))[:, :1]
    framed = ImageOps.expand(cat, 30, "white")
    barred = Image.new("RGB", (cat.width, cat.height + 60), "black")
    barred.paste(cat, (0, 60))
    barred.paste("white", (40, 20, 160, 40))
    copies = (ImageOps.mirror(cat), framed, barred, ImageOps.mirror(barred))
    assert [nearest(copy, entry) for copy in copies] == [0, 0, 0, 0]


def test_a_list_with_crops_finds_cropped_copies() -> None:
    """A tenth off anywhere is near; to a list without them it is not."""
    dice, cat = random.Random(3), opened("chelsea.jpg")
    wide, high = cat.width * 9 // 10, cat.height * 9 // 10
    places = [(dice.randint(0, cat.width - wide), dice.randint(0, cat.height - high)) for _ in range(12)]
    copies = [cat.crop((x, y, x + wide, y + high)) for x, y in places]
    with_crops = np.concatenate((picture_hashes(part_of(cat))[0, :1], crop_hashes(part_of(cat))))
    assert max(nearest(copy, with_crops) for copy in copies) <= 10
    assert max(nearest(copy, with_crops[:1]) for copy in copies) > 10


def test_a_crop_of_one_colour_is_no_entry() -> None:
    """It would be near every other plain picture."""
    sky = Image.new("RGB", (200, 200), "navy")
    sky.paste("white", (0, 196, 200, 200))
    assert 0 < len(crop_hashes(part_of(sky))) < 8
