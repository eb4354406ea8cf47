"""
What it costs to decode in processes of their own: pictures and clips decoded there and here, in processor time.

The pictures are those of `ops/bench/image.py` (768 pixels, JPEG and PNG in turn, half with text), the clips those of
`ops/bench/audio.py` as FLAC. Rounds are interleaved. Processor time is the worker's and its decoders' together: it says
what is taken from the models, and depends little on who else uses the machine. Left out: models, Kafka.
"""

from __future__ import annotations

import io
import resource
import statistics
from collections.abc import Sequence

import soundfile

from ops.bench.audio import clips
from ops.bench.image import pictures
from worker.decode.audio import RATE, Samples
from worker.decode.box.boxes import Boxes, DecodingSettings
from worker.decode.media import InProcess, Media

ROUNDS = 7
PICTURES, CLIPS = 40, 40


def flac(samples: Samples) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, RATE, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def used() -> float:
    """Processor seconds of this process and of those that it has ended."""
    both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(one.ru_utime + one.ru_stime for one in both)


def decode(media: Media, files: Sequence[bytes], kind: str) -> float:
    """Processor seconds of decoding `files`, those of the decoder's process and its start included."""
    before = used()
    for file in files:
        if kind == "image":
            media.image(file, "parts/0", max_pixels=50_000_000, max_side=1_280)
        else:
            media.clip(file, max_seconds=300.0)
    if isinstance(media, Boxes):
        media.close()
    return used() - before


def apart(files: Sequence[bytes], kind: str) -> float:
    return decode(Boxes(DecodingSettings()), files, kind)


def main() -> None:
    """Interleaved rounds, medians, milliseconds of processor time a file."""
    loads = {
        "image": [one.encoded for one in pictures()[:PICTURES]],
        "audio": [flac(one.samples) for one in clips()[:CLIPS]],
    }
    figures: dict[str, float] = {}
    for kind, files in loads.items():
        here, there = list[float](), list[float]()
        for _ in range(ROUNDS):
            here.append(decode(InProcess(), files, kind))
            there.append(apart(files * 2, kind) - apart(files, kind))  # leaves out the start
        figures[f"{kind}_here_ms"] = statistics.median(here) / len(files) * 1e3
        figures[f"{kind}_apart_ms"] = statistics.median(there) / len(files) * 1e3
    figures["start_ms"] = statistics.median(apart(loads["image"][:1], "image") for _ in range(ROUNDS)) * 1e3
    print(" ".join(f"{name}={value:.2f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
