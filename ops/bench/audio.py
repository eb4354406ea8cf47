"""
Seconds of speech judged a second: clips in batches as the worker runs them, against faster-whisper file by file.

Clips of 2 to 12 s are sentences of LibriVox readings and parts of a speech between its pauses, one or two at a time,
at seeded loudness over faint noise, so that each has a known reference. Both sides start from 16 kHz samples and have
two threads; rounds are interleaved, because the machine is seldom quiet. Left out: decoding, Kafka, the policy and
the text model that reads what was said.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jiwer
import numpy as np
import numpy.typing as npt
import soundfile
from faster_whisper import WhisperModel
from scipy.signal import resample_poly

from worker.core.events import PartType
from worker.core.views import View, ViewKind
from worker.score.models.speech import SpeechReader
from worker.score.weights import WHISPER_TINY_EN

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "audio" / "speech"
RATE = 16_000
CLIPS = 48
BATCH = 16
THREADS = 2
SEED = 20_261_123
SHORTEST_S, LONGEST_S = 2, 12
# the pauses of jfk.flac, and what is said between them
JFK = (
    (0.0, 3.0, "and so my fellow americans"),
    (2.95, 4.95, "ask not"),
    (5.05, 7.75, "what your country can do for you"),
    (7.9, 11.0, "ask what you can do for your country"),
    (5.05, 11.0, "what your country can do for you ask what you can do for your country"),
    (
        0.0,
        11.0,
        "and so my fellow americans ask not what your country can do for you ask what you can do for your country",
    ),
)

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Clip:
    """Float32 [T] at 16 kHz, and what is said in it, normalised."""

    samples: Samples
    said: str


@dataclass(slots=True)
class Side:
    """One competitor's figures."""

    seconds: float = 0.0
    texts: list[str] = field(default_factory=list)


def normalised(text: str) -> str:
    """Lower case without punctuation; titles written out, as the references have them."""
    text = text.lower().replace("mr.", "mister").replace("-", " ")
    return " ".join(re.sub(r"[^a-z' ]", " ", text).split())


def loaded(name: str) -> Samples:
    samples, rate = soundfile.read(DATA / name, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    return np.asarray(mono if rate == RATE else resample_poly(mono, RATE // 100, rate // 100), dtype=np.float32)


def sentences() -> list[Clip]:
    """Every stretch whose words are known."""
    # the reader says once what the reference has twice: "a more a amiable"
    transcription = (DATA / "librivox_transcription.txt").read_text().replace("more a amiable", "more amiable")
    readings = re.findall(r"<s> (.*) </s> \(.*-(\d+)\)", transcription)
    spoken = [Clip(loaded(f"librivox_{number}.wav"), said) for said, number in readings]
    speech = loaded("jfk.flac")
    return spoken + [Clip(speech[int(a * RATE) : int(b * RATE)], said) for a, b, said in JFK]


def clips() -> list[Clip]:
    random, known, made = np.random.default_rng(SEED), sentences(), list[Clip]()
    while len(made) < CLIPS:
        chosen = [known[n] for n in random.integers(len(known), size=random.integers(1, 3))]
        pieces = [
            np.pad(part.samples * random.uniform(0.4, 1.1), (0, int(random.uniform(0.1, 0.6) * RATE)))
            for part in chosen
        ]
        samples = np.concatenate(pieces)
        samples = np.clip(samples + random.normal(0, 0.002, len(samples)), -1, 1).astype(np.float32)
        if SHORTEST_S * RATE <= len(samples) <= LONGEST_S * RATE:
            made.append(Clip(samples, " ".join(part.said for part in chosen)))
    return made


class Worker:
    """Ours: batches as the lanes form them."""

    def __init__(self) -> None:
        self._reader = SpeechReader(THREADS)

    def run(self, batch: Sequence[Clip], side: Side) -> None:
        audio = (PartType.AUDIO,)
        views = [View(str(n), ViewKind.AUDIO, audio, c.samples, len(c.samples)) for n, c in enumerate(batch)]
        side.texts += [source.text for source in self._reader.extract(views)]


class FileByFile:
    """The rival: faster-whisper at its fastest settings that cost it no words (without time stamps it loses some)."""

    def __init__(self) -> None:
        folder = str(WHISPER_TINY_EN.path().parent)
        self._model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=THREADS, num_workers=1)

    def run(self, batch: Sequence[Clip], side: Side) -> None:
        for clip in batch:
            segments, _ = self._model.transcribe(
                clip.samples,
                language="en",
                beam_size=1,
                temperature=0,
                condition_on_previous_text=False,
                vad_filter=False,
            )
            side.texts.append(" ".join(segment.text for segment in segments))


def main() -> None:
    load = clips()
    worker, rival = Worker(), FileByFile()
    worker.run(load[:2], Side())
    rival.run(load[:2], Side())
    ours, theirs = Side(), Side()
    for first in range(0, len(load), BATCH):
        batch = load[first : first + BATCH]
        turns: list[tuple[Worker | FileByFile, Side]] = [(worker, ours), (rival, theirs)]
        for runner, side in turns if (first // BATCH) % 2 else turns[::-1]:
            begun = time.perf_counter()
            runner.run(batch, side)
            side.seconds += time.perf_counter() - begun
    spoken = sum(len(clip.samples) for clip in load) / RATE
    said = [clip.said for clip in load]
    errors = [100 * jiwer.wer(said, [normalised(text) for text in side.texts]) for side in (ours, theirs)]
    print(f"{len(load)} clips of {SHORTEST_S} to {LONGEST_S} s, {spoken:.0f} s in all")
    print(f"ours: VAD, then Whisper tiny.en int8, beam 1, on speech alone; {THREADS} threads, batches of {BATCH}")
    print("rival: faster-whisper tiny.en int8, beam 1, temperature 0, no VAD, no earlier text, file by file")
    values = {
        "speech_s_per_s": f"{spoken / ours.seconds:.1f}",
        "rival_speech_s_per_s": f"{spoken / theirs.seconds:.1f}",
        "ratio": f"{theirs.seconds / ours.seconds:.2f}",
        "wer_percent": f"{errors[0]:.1f}",
        "rival_wer_percent": f"{errors[1]:.1f}",
    }
    print(" ".join(f"{name}={value}" for name, value in values.items()))


if __name__ == "__main__":
    main()
