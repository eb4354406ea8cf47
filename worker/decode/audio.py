"""Sound to samples: WAV, FLAC, OGG, MP3, AU, raw 16-bit PCM and G.711, any rate and channels, to mono float32."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from worker.core.errors import PartUnreadable
from worker.core.events import AudioPart, Degradation
from worker.decode.headers import wav_is_cut

if TYPE_CHECKING:
    from torchaudio.transforms import Resample

RATE: Final = 16_000
_RATES: Final = (4_000, 384_000)  # what a recorder can mean; beyond, the header is damaged
_CHANNELS: Final = 32
_BLOCK_SECONDS: Final = 10
_FORMATS: Final = frozenset({"WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "AU"})
_CODECS: Final = {  # names of raw sound, in `encoding` or as a media type, to libsndfile's subtypes
    **dict.fromkeys(("pcm16", "pcm_s16le", "l16", "audio/l16", "audio/pcm"), "PCM_16"),
    **dict.fromkeys(("pcmu", "mulaw", "ulaw", "pcm_mulaw", "audio/pcmu", "audio/basic"), "ULAW"),
    **dict.fromkeys(("pcma", "alaw", "pcm_alaw", "audio/pcma"), "ALAW"),
}
_TELEPHONE: Final = 8_000  # the rate of G.711 where none is declared (RFC 3551, RFC 2046)
_KERNEL_PHASES: Final = (
    1_000_000  # rates whose filter would be larger are rounded to a hundred: under 1.3 %, no word changes
)

Samples = npt.NDArray[np.float32]
ReadClip = Callable[[bytes, float], tuple[Samples, int, bool, bool]]


class RawSound(NamedTuple):
    """Declared form of sound without a header: libsndfile's subtype, samples a second, interleaved channels."""

    codec: str  # PCM_16 (little-endian), ULAW or ALAW
    rate: int
    channels: int


def raw_sound(part: dict[str, Any]) -> RawSound | None:
    """
    What a part declares of raw sound by `encoding` or `mime`; None when its file says of itself what it is.

    Raises:
        PartUnreadable: `audio_encoding` for an encoding that is not known or a rate that is missing or absurd.
    """
    encoding, mime = part.get("encoding"), part.get("mime") or ""
    kind, *fields = (piece.strip().lower() for piece in mime.split(";"))
    codec = _CODECS.get(kind if encoding is None else encoding.lower())
    if codec is None:
        if encoding is None:
            return None
        raise PartUnreadable("audio_encoding", '`encoding` is unknown: raw sound is "pcm16", "pcmu" or "pcma"')
    declared = dict(field.split("=", 1) for field in fields if "=" in field)
    usual = None if codec == "PCM_16" else _TELEPHONE
    rate = _number(part.get("rate") or declared.get("rate") or usual)
    channels = _number(part.get("channels") or declared.get("channels") or 1)
    if not _RATES[0] <= rate <= _RATES[1] or not 1 <= channels <= _CHANNELS:
        reason = f"raw sound needs a `rate` of {_RATES[0]} to {_RATES[1]} and 1 to {_CHANNELS} `channels`"
        raise PartUnreadable("audio_encoding", reason)
    return RawSound(codec, rate, channels)


def decode_audio(
    data: bytes,
    path: str,
    *,
    max_seconds: float,
    raw: RawSound | None = None,
    own_rate: bool = False,
    clip: ReadClip | None = None,
) -> tuple[AudioPart, Degradation | None]:
    """
    Decode a clip to 16 kHz mono; what passes `max_seconds` is left out and said.

    Args:
        data: the whole file, or raw sound when `raw` tells its form.
        path: "parts/1".
        max_seconds: how much of the clip is kept, from its beginning.
        own_rate: keep the rate it has: a chunk of a call, whose ends are no ends of the sound.
        clip: what reads a file that says of itself what it is; `read_clip` unless told otherwise.

    Returns:
        the part, samples in [-1, 1]; and a degradation when the clip is too long or its end damaged.

    Raises:
        PartUnreadable: `audio_format`, `audio_damaged` or `audio_empty`.
    """
    if raw is not None and data[:4] == b".snd":  # audio/basic is raw by its definition, and often a file
        raw = None
    mono, rate, cut, broken = _from_raw(data, raw, max_seconds) if raw else (clip or read_clip)(data, max_seconds)
    if not len(mono):
        raise PartUnreadable("audio_empty", "the clip holds no samples")
    if not np.isfinite(mono).all():
        raise PartUnreadable("audio_damaged", "the clip holds samples that are no numbers")
    samples = np.array(mono, np.float32) if own_rate else resample(mono, rate)
    np.clip(samples, -1.0, 1.0, out=samples)
    part = AudioPart(path, samples, rate if own_rate else RATE)
    if cut:
        reason = f"the clip is longer than the limit `audio_s`, of which the first {max_seconds:g} s are read"
        return part, Degradation("audio_too_long", "too_long", path, reason)
    if broken:
        reason = f"the clip is cut or damaged after {len(mono) / rate:.1f} s; what comes before is read"
        return part, Degradation("audio_damaged", "failed", path, reason)
    return part, None


def resample(mono: Samples, rate: int) -> Samples:
    """float32 [T] at `rate` to a new float32 array at 16 kHz."""
    if rate == RATE:
        return np.array(mono, dtype=np.float32)
    import torch  # torch is seconds to import and hundreds of MB: only those who send other rates pay

    with torch.inference_mode():
        found = _resampler(_near(rate))(torch.from_numpy(np.ascontiguousarray(mono)))
    return np.array(found.numpy(), dtype=np.float32)


def _near(rate: int) -> int:
    """`rate`, or the nearest whole hundred when its ratio to 16 kHz would need an enormous filter."""
    common = math.gcd(rate, RATE)
    return rate if rate // common * (RATE // common) <= _KERNEL_PHASES else round(rate, -2)


@lru_cache(maxsize=16)
def _resampler(rate: int) -> Resample:
    from torchaudio.transforms import Resample

    return Resample(rate, RATE)


def _from_raw(data: bytes, raw: RawSound, max_seconds: float) -> tuple[Samples, int, bool, bool]:
    """Raw sound to mono at its own rate; whether the clip is longer than allowed; whether its end is damaged."""
    width = (2 if raw.codec == "PCM_16" else 1) * raw.channels
    frames = len(data) // width
    keep = min(frames, int(max_seconds * raw.rate))
    values, _ = soundfile.read(
        io.BytesIO(data[: keep * width]),
        dtype="float32",
        always_2d=True,
        format="RAW",
        subtype=raw.codec,
        endian="LITTLE",
        samplerate=raw.rate,
        channels=raw.channels,
    )
    mono = values.mean(axis=1, dtype=np.float32) if raw.channels > 1 else values[:, 0]
    return mono, raw.rate, frames > keep, len(data) % width != 0


def read_clip(data: bytes, max_seconds: float) -> tuple[Samples, int, bool, bool]:
    """
    A file that says of itself what it is, to mono at its own rate.

    Returns:
        float32 [T]; the rate; whether the clip is longer than `max_seconds`; whether its end is damaged.

    Raises:
        PartUnreadable: `audio_format` or `audio_damaged`.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            _check_header(file)
            keep = int(max_seconds * file.samplerate)
            blocks, broken = _read(file, keep + 1)
            rate = int(file.samplerate)
    except soundfile.LibsndfileError as error:
        code = "audio_damaged" if data[:4] in (b"RIFF", b"fLaC", b"OggS", b"RF64") else "audio_format"
        remedy = "send WAV, FLAC, OGG or MP3" if code == "audio_format" else "the file is damaged"
        raise PartUnreadable(code, f"the clip cannot be opened, {remedy}: libsndfile error {error.code}") from None
    mono = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if broken and not len(mono):
        raise PartUnreadable("audio_damaged", "the clip is damaged from its first sample on")
    return mono[:keep], rate, len(mono) > keep, broken or wav_is_cut(data)


def _check_header(file: soundfile.SoundFile) -> None:
    if file.format not in _FORMATS:
        raise PartUnreadable("audio_format", "the clip is of another format: send WAV, FLAC, OGG or MP3")
    if not _RATES[0] <= file.samplerate <= _RATES[1]:
        reason = f"the clip's header claims {file.samplerate} samples a second, no rate of sound"
        raise PartUnreadable("audio_damaged", reason)
    if not 1 <= file.channels <= _CHANNELS:
        raise PartUnreadable("audio_damaged", f"the clip's header claims {file.channels} channels")


def _read(file: soundfile.SoundFile, frames: int) -> tuple[list[Samples], bool]:
    """Up to `frames` frames as mono blocks, whatever length the header claims; whether reading broke off."""
    blocks: list[Samples] = []
    while frames > 0:
        try:
            block = file.read(min(frames, _BLOCK_SECONDS * file.samplerate), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            return blocks, True
        if not len(block):
            break
        blocks.append(block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0])
        frames -= len(block)
    return blocks, False


def _number(value: Any) -> int:
    """A declared number; 0, which no rate or channel count is, for anything else."""
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9 else 0
