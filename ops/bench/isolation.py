"""
What it costs to decode in processes of their own: pictures and clips decoded there and here, in processor time.

The pictures are those of `ops/bench/image.py` (768 pixels, JPEG and PNG in turn, half with text), the clips those of
`ops/bench/audio.py` as FLAC. Rounds are interleaved. Processor time counts the worker's and its decoders' together, since it
says what is taken from the models and depends little on who else uses the machine; the share of a picture's or clip's
whole cost is against the figures of those benches (docs/performance.md). Left out: models, Kafka.
"""

from __future__ import annotations

import io
import resource
import statistics
import time
from collections.abc import Callable, Sequence

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


def processor_s(work: Callable[[], Media]) -> float:
    """Processor seconds of `work` here and in the processes that it ends."""

    def used() -> float:
        both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return sum(one.ru_utime + one.ru_stime for one in both)

    before = used()
    media = work()
    if isinstance(media, Boxes):
        media.close()
    return used() - before


def decode(media: Media, files: Sequence[bytes], kind: str) -> Media:
    for file in files:
        if kind == "image":
            media.image(file, "parts/0", max_pixels=50_000_000, max_side=1_280)
        else:
            media.clip(file, max_seconds=300.0)
    return media


def main() -> None:
    """Interleaved rounds, medians."""
    loads = {
        "image": [one.encoded for one in pictures()[:PICTURES]],
        "audio": [flac(one.samples) for one in clips()[:CLIPS]],
    }
    figures: dict[str, float] = {}
    starts = [
        processor_s(lambda: decode(Boxes(DecodingSettings()), loads["image"][:1], "image")) for _ in range(ROUNDS)
    ]
    figures["start_ms"] = statistics.median(starts) * 1e3
    for kind, files in loads.items():
        here, apart = list[float](), list[float]()
        for _ in range(ROUNDS):
            here.append(processor_s(lambda: decode(InProcess(), files, kind)))
            apart.append(processor_s(lambda: decode(Boxes(DecodingSettings()), files * 2, kind)))
            apart[-1] -= processor_s(lambda: decode(Boxes(DecodingSettings()), files, kind))  # leaves out the start
        figures[f"{kind}_here_ms"] = statistics.median(here) / len(files) * 1e3
        figures[f"{kind}_apart_ms"] = statistics.median(apart) / len(files) * 1e3
    since = time.perf_counter()
    decode(Boxes(DecodingSettings()), loads["image"][:1], "image")
    figures["start_wall_ms"] = (time.perf_counter() - since) * 1e3
    print(" ".join(f"{name}={value:.2f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
