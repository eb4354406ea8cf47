"""Real pictures and clips, and the views a lane would make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from PIL import Image

from worker.core.events import PartType
from worker.core.views import View, ViewKind

DATA = Path(__file__).resolve().parents[3] / "data"

Pictured = Callable[..., View]
Heard = Callable[..., View]


@pytest.fixture(scope="session")
def photo() -> npt.NDArray[np.uint8]:
    """A cat: nothing to read, nothing to moderate."""
    return np.asarray(Image.open(DATA / "image" / "chelsea.jpg").convert("RGB"))


@pytest.fixture(scope="session")
def page() -> npt.NDArray[np.uint8]:
    """Large print: "List of symptoms to diagnose diabetes. 1. 2. 3."."""
    return np.asarray(Image.open(DATA / "image" / "symptoms.png").convert("RGB"))


@pytest.fixture(scope="session")
def other_page() -> npt.NDArray[np.uint8]:
    """Large print: "Methods to remedy high blood pressure. 1. 2. 3."."""
    return np.asarray(Image.open(DATA / "image" / "blood_pressure.png").convert("RGB"))


@pytest.fixture(scope="session")
def speech() -> npt.NDArray[np.float32]:
    """Eight seconds: "ask not what your country can do for you, ask what you can do for your country"."""
    samples, _ = soundfile.read(DATA / "audio" / "jfk_ask_not.flac", dtype="float32")
    return np.asarray(samples, dtype=np.float32)


@pytest.fixture
def picture_view() -> Pictured:
    """Makes an image view of uint8 [H, W, 3]."""

    def make(frame: npt.NDArray[np.uint8], path: str = "parts/0", scale: float = 1.0) -> View:
        return View(path, ViewKind.IMAGE, (PartType.IMAGE,), frame, frame.shape[0] * frame.shape[1], scale=scale)

    return make


@pytest.fixture
def sound_view() -> Heard:
    """Makes an audio view of float32 [T]."""

    def make(samples: npt.NDArray[np.float32], path: str = "parts/0") -> View:
        return View(path, ViewKind.AUDIO, (PartType.AUDIO,), samples, len(samples))

    return make
