"""Perceptual hashes: what they bear, and that other tools make the same."""

from __future__ import annotations

import io
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

from worker.core.events import ImagePart
from worker.window.pictures import picture_hashes

PICTURES = Path(__file__).parents[2] / "data" / "image"
NAMES = ("chelsea.jpg", "symptoms.png", "blood_pressure.png")


def opened(name: str) -> Image.Image:
    return Image.open(PICTURES / name).convert("RGB")


def hashed(*pictures: Image.Image) -> list[int]:
    return [int(h) for h in picture_hashes(ImagePart("parts/0", np.stack([np.asarray(p) for p in pictures])))]


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
