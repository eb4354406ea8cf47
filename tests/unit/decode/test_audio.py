"""Sound: formats, rates, channels, depths, limits and damage."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from tests.unit.decode.records import ALLOWED, media, read
from worker.core.events import AudioPart, Event
from worker.decode.envelope import OuterLimits

DATA = Path(__file__).parents[2] / "data" / "audio"


def tone(seconds: float, rate: int, channels: int = 1) -> npt.NDArray[np.float32]:
    """A 440 Hz tone at half loudness, float32 [T, channels]."""
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    return np.repeat(wave.astype(np.float32)[:, None], channels, axis=1)


def saved(samples: npt.NDArray[np.float32], rate: int, kind: str, subtype: str | None = None) -> bytes:
    """A sound file's bytes."""
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind, subtype=subtype)
    return out.getvalue()


def clip_of(content: bytes, **fields: Any) -> npt.NDArray[np.float32]:
    """The samples of an event's one clip, nothing said against it."""
    event = read(media("audio", content, **fields))
    assert event.degraded == []
    (part,) = event.parts
    assert isinstance(part, AudioPart)
    assert part.samples.dtype == np.float32
    return part.samples


def loudest_hz(samples: npt.NDArray[np.float32]) -> float:
    """The strongest frequency of samples at 16 kHz."""
    return float(np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples))


def codes_of(event: Event) -> list[tuple[str, str]]:
    """What is said of an event, with the rule that decides."""
    return [(d.code, d.rule) for d in event.degraded]


@pytest.mark.parametrize(
    ("kind", "subtype", "rate", "channels"),
    [
        ("WAV", "PCM_16", 16_000, 1),
        ("WAV", "PCM_U8", 8_000, 1),
        ("WAV", "PCM_24", 44_100, 2),
        ("WAV", "PCM_32", 48_000, 6),
        ("WAV", "FLOAT", 22_050, 1),
        ("FLAC", "PCM_24", 44_100, 2),
        ("OGG", "VORBIS", 32_000, 1),
        ("OGG", "OPUS", 48_000, 2),
        ("MP3", None, 44_100, 2),
        ("WAV", "ULAW", 8_000, 1),
        ("WAV", "ALAW", 8_000, 1),
        ("AU", "ULAW", 8_000, 1),
    ],
)
def test_any_format_rate_and_channel_count_becomes_16_khz_mono(
    kind: str, subtype: str | None, rate: int, channels: int
) -> None:
    """The tone is where it was, as long and as loud as it was."""
    samples = clip_of(saved(tone(1.0, rate, channels), rate, kind, subtype))
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(16_000, rel=0.12)  # MP3 pads its ends
    assert loudest_hz(samples) == pytest.approx(440, abs=3)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    "fields", [{"encoding": "pcm16", "rate": 8_000, "channels": 2}, {"mime": "audio/L16;rate=8000;channels=2"}]
)
def test_raw_pcm_is_read_as_declared(fields: dict[str, Any]) -> None:
    """By the part's fields or by its media type."""
    raw = (tone(1.0, 8_000, 2) * 32_767).astype("<i2").tobytes()
    samples = clip_of(raw, **fields)
    assert len(samples) == 16_000
    assert loudest_hz(samples) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("subtype", "fields"),
    [
        ("ULAW", {"encoding": "pcmu"}),
        ("ULAW", {"mime": "audio/PCMU"}),
        ("ULAW", {"mime": "audio/basic"}),
        ("ALAW", {"encoding": "PCMA", "rate": 8_000, "channels": 1}),
        ("ALAW", {"mime": "audio/PCMA;rate=8000"}),
    ],
)
def test_raw_telephone_sound_is_read_at_8_khz_unless_it_says_otherwise(subtype: str, fields: dict[str, Any]) -> None:
    """G.711 as a gateway sends it: one byte a sample, no header."""
    samples = clip_of(saved(tone(1.0, 8_000), 8_000, "RAW", subtype), **fields)
    assert len(samples) == 16_000
    assert loudest_hz(samples) == pytest.approx(440, abs=2)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)


def test_audio_basic_with_a_file_header_is_read_as_the_file_it_is() -> None:
    """The media type means raw G.711, and many send an AU file under it."""
    content = saved(tone(1.0, 8_000), 8_000, "AU", "ULAW")
    assert len(clip_of(content, mime="audio/basic")) == 16_000


def test_a_chunk_of_a_call_keeps_its_own_rate() -> None:
    """Its ends are no ends of the sound: it becomes 16 kHz together with its neighbours."""
    content = saved(tone(0.02, 8_000), 8_000, "RAW", "ULAW")
    event = read(media("audio", content, encoding="pcmu") | {"stream": {"id": "call-1", "offset_ms": 40}})
    (part,) = event.parts
    assert isinstance(part, AudioPart)
    assert (part.rate, len(part.samples)) == (8_000, 160)


def test_a_rate_that_shares_no_factor_with_16_khz_costs_no_enormous_filter() -> None:
    """44,101 Hz is read as 44,100: a filter for the exact ratio would take gigabytes."""
    assert loudest_hz(clip_of(saved(tone(1.0, 44_101), 44_101, "WAV"))) == pytest.approx(440, abs=2)


def test_real_speech_is_read_sample_by_sample() -> None:
    """At 16 kHz mono nothing is resampled."""
    content = (DATA / "librivox_0880.wav").read_bytes()
    expected, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    np.testing.assert_array_equal(clip_of(content), expected)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("broken_awful.wav", "audio_damaged"),
        ("broken_bad.wav", "audio_damaged"),
        ("broken_evil.wav", "audio_damaged"),
        ("broken_null.wav", "audio_empty"),
    ],
)
def test_each_damaged_file_has_a_clear_reason(name: str, code: str) -> None:
    """An absurd rate, two broken headers, and no samples at all."""
    event = read(media("audio", (DATA / name).read_bytes()))
    assert event.parts == ()
    assert codes_of(event) == [(code, "failed")]


def test_an_hour_in_one_chunk_keeps_the_first_allowed_seconds() -> None:
    """Silence packs an hour into little: the limit holds on what comes out."""
    content = saved(np.zeros((3_600 * 8_000, 1), np.float32), 8_000, "FLAC")
    event = read(media("audio", content), limits=OuterLimits(audio_s=5.0))
    (part,) = event.parts
    assert isinstance(part, AudioPart)
    assert len(part.samples) == 5 * 16_000
    assert codes_of(event) == [("audio_too_long", "too_long")]


def test_a_clip_of_exactly_the_limit_is_whole() -> None:
    """One sample over is over, the limit itself is not."""
    limits = OuterLimits(audio_s=1.0)
    assert read(media("audio", saved(tone(1.0, 16_000), 16_000, "WAV")), limits=limits).degraded == []
    longer = saved(np.zeros((16_001, 1), np.float32), 16_000, "WAV")
    assert codes_of(read(media("audio", longer), limits=limits)) == [("audio_too_long", "too_long")]


def test_samples_that_are_no_numbers_are_damage() -> None:
    """A float file may hold anything; a model must not see it."""
    samples = tone(0.1, 16_000)
    samples[5] = np.nan
    assert codes_of(read(media("audio", saved(samples, 16_000, "WAV", "FLOAT")))) == [("audio_damaged", "failed")]


def test_a_flac_cut_in_half_keeps_what_was_read_or_says_so() -> None:
    """Either way the event is marked: half a clip never passes for a whole one."""
    rng = np.random.default_rng(7)
    content = saved(rng.uniform(-0.5, 0.5, (64_000, 1)).astype(np.float32), 16_000, "FLAC")
    event = read(media("audio", content[: len(content) // 2]), limits=ALLOWED)
    assert codes_of(event) == [("audio_damaged", "failed")]


def test_a_wav_cut_in_half_is_marked() -> None:
    """Its header promises more samples than there are."""
    content = saved(tone(2.0, 16_000), 16_000, "WAV")
    event = read(media("audio", content[: len(content) // 2]))
    assert codes_of(event) == [("audio_damaged", "failed")]
