"""Calls to test with: noise as far below the speech as asked, telephone lines, and the same call for the same seed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ops import calls
from ops.bench.audio import Clip
from ops.calls import RATE, call, main, noisy, over_telephone, telephone, threat

READING = Path(__file__).parents[2] / "data" / "audio" / "librivox_0880.wav"


@pytest.mark.parametrize("snr_db", [20, 10, 5])
def test_noise_is_as_far_below_the_speech_as_asked(snr_db: float) -> None:
    """By power where somebody speaks."""
    clean = threat() * 0.5  # so that nothing is clipped
    noise = noisy(clean, snr_db, 1) - clean
    spoken = np.abs(clean) > 1e-3
    assert 10 * np.log10(np.mean(clean[spoken] ** 2) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.5)


@pytest.mark.parametrize("codec", ["ULAW", "ALAW"])
def test_a_telephone_line_has_one_byte_a_sample_at_8_khz(codec: str) -> None:
    """And what comes out is the speech."""
    said = threat()
    sent = telephone(said, codec)
    assert len(sent) == (len(said) + 1) // 2
    read, _ = soundfile.read(io.BytesIO(sent), format="RAW", subtype=codec, samplerate=RATE // 2, channels=1)
    assert np.corrcoef(read, said[::2][: len(read)])[0, 1] > 0.8
    assert np.corrcoef(over_telephone(said)[: len(said)], said)[0, 1] > 0.9


def test_a_call_is_made_with_what_is_said_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise and telephone together, of the one reading that is in the repository; the same again for the same seed."""
    reading, _ = soundfile.read(READING, dtype="float32")
    monkeypatch.setattr(calls, "whole_sentences", lambda: [Clip(reading, "he was not a young man")])
    main([str(tmp_path), "--minutes", "0.2", "--snr", "10", "--telephone", "--seed", "3"])
    samples, rate = soundfile.read(tmp_path / "call-3.wav")
    assert (rate, len(samples) >= 12 * RATE) == (RATE, True)
    assert (tmp_path / "call-3.txt").read_text().strip() == call(12, 3).said
    np.testing.assert_array_equal(call(12, 3).samples, call(12, 3).samples)
    spoken = np.mean([np.abs(part).max() > 0 for part in np.array_split(call(60, 3).samples, 600)])
    assert spoken == pytest.approx(0.6, abs=0.1)
