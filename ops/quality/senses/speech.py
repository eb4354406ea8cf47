"""Sentences said by the voices of espeak-ng, plain and as they arrive: noisy, over the telephone, in a hurry."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

import numpy as np
import soundfile
from scipy.signal import resample_poly

from ops.calls import RATE, Samples, noisy, telephone
from ops.quality.senses.judging import Part, clip

VOICES = ("en-us", "en-us+f3", "en-gb", "en-gb+f4", "en-gb-scotland", "en-029")
_WORDS_A_MINUTE = 165
_TELEPHONE_NOISE_DB = 20

Condition = Callable[[str, str], Part]  # a sentence and a voice to an audio part


@cache
def spoken(sentence: str, voice: str, times: float = 1.0) -> Samples:
    """
    float32 [T] at 16 kHz, `times` as fast as usual.

    Raises:
        SystemExit: espeak-ng is not installed; the message says how to.
    """
    if shutil.which("espeak-ng") is None:
        raise SystemExit("espeak-ng is missing: apt-get install -y espeak-ng")
    command = ["espeak-ng", "-v", voice, "-s", str(round(_WORDS_A_MINUTE * times)), "--stdout", sentence]
    said = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(said), dtype="float32")
    return np.asarray(resample_poly(samples, RATE, rate), np.float32)


def _wav(samples: Samples) -> Part:
    out = io.BytesIO()
    soundfile.write(out, samples, RATE, format="WAV", subtype="PCM_16")
    return clip(out.getvalue())


def _with_noise(snr_db: float) -> Condition:
    return lambda sentence, voice: _wav(noisy(spoken(sentence, voice), snr_db, len(sentence)))


def _over_telephone(samples: Samples) -> Part:
    """8 kHz µ-law without a header, as a gateway sends it."""
    return clip(telephone(samples), encoding="pcmu")


CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {
        "noise at 20 dB": _with_noise(20),
        "noise at 10 dB": _with_noise(10),
        "noise at 5 dB": _with_noise(5),
        "telephone (8 kHz µ-law)": lambda sentence, voice: _over_telephone(spoken(sentence, voice)),
        "telephone, noise at 20 dB": lambda sentence, voice: _over_telephone(
            noisy(spoken(sentence, voice), _TELEPHONE_NOISE_DB, len(sentence))
        ),
        "1.3 times as fast": lambda sentence, voice: _wav(spoken(sentence, voice, 1.3)),
    }
)


def plain(sentence: str, voice: str) -> Part:
    """As espeak-ng says it."""
    return _wav(spoken(sentence, voice))
