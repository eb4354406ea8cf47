"""`python -m ops.chaos.tones run …`: a worker of lists alone that hears words in tones, the same ones every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

import worker.services
from worker.cli import main
from worker.core.events import PartType
from worker.core.views import Evidence, Floats, ModelRef, Segment, TextSource, View, ViewKind
from worker.score.batch import BatchLimits
from worker.score.profile import Models

RATE = 16_000
TONES = {"free": 400, "coins": 800, "hello": 1_200, "i will hurt you": 1_600}  # Hz
_LANE = "tones"
_GRAIN = RATE // 100


def sound(words: Sequence[str | None]) -> Floats:
    """float32 [T]: a second for each word, 0.4 s of it a tone in the middle; None is silence."""
    spoken = np.zeros((len(words), RATE), np.float32)
    at = np.arange(int(0.4 * RATE)) / RATE
    for second, word in zip(spoken, words, strict=True):
        if word is not None:
            second[int(0.3 * RATE) : int(0.3 * RATE) + len(at)] = 0.5 * np.sin(2 * np.pi * TONES[word] * at)
    return spoken.reshape(-1)


class Tones:
    """An extractor that hears the word of each tone."""

    kind = ViewKind.AUDIO
    ref = ModelRef("tones", "1", "sha256:" + "0" * 64)

    def extract(self, views: Sequence[View]) -> list[TextSource]:
        """For each view (float32 [T] at 16 kHz) its words, a segment with seconds of the view for each."""
        return [self._one(view) for view in views]

    def _one(self, view: View) -> TextSource:
        text, segments = "", list[Segment]()
        for start, end in _loud(view.content):
            piece = view.content[start:end]
            crossings = int(np.count_nonzero(np.diff(np.signbit(piece))))
            heard = crossings / 2 / (len(piece) / RATE)
            word = min(TONES, key=lambda name: abs(TONES[name] - heard))
            begin = len(text) + bool(text)
            text = f"{text} {word}" if text else word
            segments.append(Segment(begin, len(text), Evidence(t=(start / RATE, end / RATE))))
        return TextSource(f"{view.path}/transcript", text, (PartType.AUDIO,), tuple(segments), view.window)


def _loud(samples: Floats) -> Iterator[tuple[int, int]]:
    """[start, end) of each stretch that is not silent, in samples."""
    grains = len(samples) // _GRAIN
    loud = np.abs(samples[: grains * _GRAIN]).reshape(grains, _GRAIN).max(axis=1) > 0.05
    edges = np.flatnonzero(np.diff(np.concatenate(([False], loud, [False]))))
    for start, end in edges.reshape(-1, 2).tolist():
        if end - start >= 5:
            yield start * _GRAIN, end * _GRAIN


def models() -> Models:
    """A profile that hears, and scores nothing."""
    return Models(readers={ViewKind.AUDIO: (_LANE, Tones())}, limits={_LANE: BatchLimits(64, 64 * 30 * RATE)})


if __name__ == "__main__":
    vars(worker.services)["load_models"] = lambda *_: models()
    main()
