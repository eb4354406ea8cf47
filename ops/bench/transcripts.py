"""
Word error rate of calls heard in windows, by the length of their chunks, against Whisper on the whole file.

Both sides have the same Whisper tiny.en, int8, one beam. The calls are readings and a speech joined with pauses, as
they are, in white noise, and through G.711; the rival is faster-whisper on the whole file at temperature 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import jiwer
import numpy as np
from faster_whisper import WhisperModel

from ops.bench.audio import normalised
from ops.calls import RATE, Samples, call, noisy, over_telephone
from worker.core.events import PartType
from worker.core.streams import CallRules
from worker.core.views import View, ViewKind
from worker.score.models.speech import SpeechReader
from worker.score.weights import WHISPER_TINY_EN
from worker.window.call import Hop, Speaker
from worker.window.track import Chunk, to_pcm
from worker.window.transcript import Transcript, Word

CHUNKS_S = (0.02, 0.2, 1.0, 5.0)
SEED = 20_261_125
THREADS = 2


def hops(samples: Samples, chunk_s: float) -> list[Hop]:
    """The windows of one speaker, in chunks of one length."""
    speaker, pcm, length, found = Speaker(CallRules()), to_pcm(samples), round(chunk_s * RATE), list[Hop]()
    for place, at in enumerate(range(0, len(pcm), length)):
        chunk = Chunk(str(place), pcm[at : at + length], RATE, at * 1000 // RATE, place, place)
        found += speaker.take(chunk, final=at + length >= len(pcm))[1]
    return found


class Ears:
    """Reads hops; what was read once is remembered, since many chunkings give the same hops."""

    def __init__(self) -> None:
        self._reader = SpeechReader(THREADS)
        self._known: dict[bytes, list[tuple[str, float, float]]] = {}

    def transcript(self, found: Sequence[Hop]) -> str:
        unknown = [hop for hop in found if hop.samples.tobytes() not in self._known]
        kind, audio = ViewKind.AUDIO, (PartType.AUDIO,)
        views = [View("hop", kind, audio, hop.samples, len(hop.samples), word_times=True) for hop in unknown]
        for hop, source in zip(unknown, self._reader.extract(views), strict=True):
            words = [(source.text[s.start : s.end], *(s.evidence.t or (0.0, 0.0))) for s in source.segments]
            self._known[hop.samples.tobytes()] = words
        running, said = Transcript(), list[Word]()
        for hop in found:
            since = hop.heard_from / RATE
            words = self._known[hop.samples.tobytes()]
            running.read([Word(text, since + start, since + end) for text, start, end in words], since)
            said += running.forget(hop.start / RATE)
        return " ".join(word.text for word in [*said, *running.words(-1.0, float("inf"))])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=90.0)
    asked = parser.parse_args()
    ears = Ears()
    folder = str(WHISPER_TINY_EN.path().parent)
    whole = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=THREADS)
    made = call(asked.seconds, SEED)
    conditions = {
        "clean": made.samples,
        **{f"{snr} dB": noisy(made.samples, snr, SEED + snr) for snr in (20, 10, 5)},
        "G.711": over_telephone(made.samples),
    }
    rival, ours = list[float](), {chunk_s: list[float]() for chunk_s in CHUNKS_S}
    for name, samples in conditions.items():
        segments, _ = whole.transcribe(
            samples, language="en", beam_size=1, temperature=0, condition_on_previous_text=False
        )
        rival.append(jiwer.wer(made.said, normalised(" ".join(segment.text for segment in segments))))
        for chunk_s in CHUNKS_S:
            ours[chunk_s].append(jiwer.wer(made.said, normalised(ears.transcript(hops(samples, chunk_s)))))
        rates = " ".join(f"{chunk_s:g} s {100 * found[-1]:.1f} %" for chunk_s, found in ours.items())
        print(f"{name}: whole file {100 * rival[-1]:.1f} %, chunks of {rates}")
    base = float(np.mean(rival))
    values = {"wer_whole_percent": f"{100 * base:.2f}"}
    for chunk_s, found in ours.items():
        values[f"wer_{round(chunk_s * 1000)}ms_percent"] = f"{100 * float(np.mean(found)):.2f}"
    worst = max(float(np.mean(found)) for found in ours.values())
    values["ratio"] = f"{worst / base:.2f}" if base else "nan"
    print(" ".join(f"{name}={value}" for name, value in values.items()))


if __name__ == "__main__":
    main()
