"""
Calls to test with: real speech joined with pauses, threats spoken by espeak-ng, noise and telephone lines.

    python -m ops.calls FOLDER --minutes 2 --snr 10 --telephone     # WAV files and what is said in them

Nothing of it is kept in the repository: it is made anew from readings and the demo's threat, with fixed seeds.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from scipy.signal import resample_poly

from ops.bench.audio import Clip, sentences

RATE = 16_000
SPEECH_SHARE = 0.6
READINGS = 5  # of sentences(): the readings come first, then pieces of one speech; its last piece is all of it
THREAT = Path(__file__).resolve().parents[1] / "worker" / "cli" / "demo_events" / "threat.flac"

Samples = npt.NDArray[np.float32]


def whole_sentences() -> list[Clip]:
    """The readings, and the speech as a whole."""
    known = sentences()
    return [*known[:READINGS], known[-1]]


def threat() -> Samples:
    """The demo's: espeak-ng threatens."""
    samples, rate = soundfile.read(THREAT, dtype="float32")
    assert rate == RATE, "the demo's threat has another rate: make it again"
    return np.asarray(samples, np.float32)


def call(seconds: float, seed: int) -> Clip:
    """Sentences in a seeded order with pauses between them, so that speech is `SPEECH_SHARE` of it; and its words."""
    random, known = np.random.default_rng(seed), whole_sentences()
    pieces, said, length = list[Samples](), list[str](), 0
    while length < seconds * RATE:
        spoken = known[int(random.integers(len(known)))]
        pause = len(spoken.samples) * (1 / SPEECH_SHARE - 1) * random.uniform(0.5, 1.5)
        pieces += [spoken.samples * random.uniform(0.5, 1.0), np.zeros(int(pause), np.float32)]
        said.append(spoken.said)
        length += len(spoken.samples) + int(pause)
    return Clip(np.concatenate(pieces).astype(np.float32), " ".join(said))


def noisy(samples: Samples, snr_db: float, seed: int) -> Samples:
    """White noise `snr_db` below the speech, by power where somebody speaks."""
    power = float(np.mean(samples[np.abs(samples) > 1e-3] ** 2))
    noise = np.random.default_rng(seed).normal(0, np.sqrt(power / 10 ** (snr_db / 10)), len(samples))
    return np.clip(samples + noise, -1, 1).astype(np.float32)


def telephone(samples: Samples, codec: str = "ULAW") -> bytes:
    """8 kHz G.711 without a header, as a gateway sends it."""
    out = io.BytesIO()
    soundfile.write(out, resample_poly(samples, 1, 2), RATE // 2, format="RAW", subtype=codec)
    return out.getvalue()


def over_telephone(samples: Samples) -> Samples:
    """What comes out at the other end, at 16 kHz."""
    heard, _ = soundfile.read(
        io.BytesIO(telephone(samples)), format="RAW", subtype="ULAW", samplerate=RATE // 2, channels=1, dtype="float32"
    )
    return np.asarray(resample_poly(heard, 2, 1), np.float32)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--snr", type=float)
    parser.add_argument("--telephone", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    made = call(asked.minutes * 60, asked.seed)
    samples = made.samples if asked.snr is None else noisy(made.samples, asked.snr, asked.seed)
    samples = over_telephone(samples) if asked.telephone else samples
    asked.folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(asked.folder / f"call-{asked.seed}.wav", samples, RATE, subtype="PCM_16")
    (asked.folder / f"call-{asked.seed}.txt").write_text(made.said + "\n")


if __name__ == "__main__":
    main()
