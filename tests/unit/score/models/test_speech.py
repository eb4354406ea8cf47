"""Speech is read and located, silence costs nothing, and clips are read the same however they are batched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from tests.unit.score.models.conftest import Heard
from worker.core.errors import ModelFailed, WeightsRejected
from worker.core.events import PartType
from worker.score.models.speech import SpeechReader
from worker.score.models.voice import RATE, SILERO_VAD, VoiceFinder
from worker.score.weights import WHISPER_TINY_EN

pytestmark = pytest.mark.models

Samples = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def reader() -> SpeechReader:
    return SpeechReader()


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), dtype=np.float32)


def noise(seconds: float) -> Samples:
    return np.random.default_rng(7).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def plain(text: str) -> str:
    return " ".join("".join(c for c in text.lower() if c.isalpha() or c.isspace()).split())


def test_words_are_read_as_text_that_counts_for_the_sound(
    reader: SpeechReader, speech: Samples, sound_view: Heard
) -> None:
    """The sentence comes out whole."""
    (source,) = reader.extract([sound_view(speech, path="parts/2")])
    assert source.path == "parts/2/transcript"
    assert source.types == (PartType.AUDIO,)
    assert "what your country can do for you" in plain(source.text)
    assert plain(source.text).endswith("ask what you can do for your country")


def test_each_utterance_is_located_in_the_clip(reader: SpeechReader, speech: Samples, sound_view: Heard) -> None:
    """Words after a long silence have the time at which they were said."""
    clip = np.concatenate((silence(3), speech[int(5 * RATE) :], silence(4), speech[int(5 * RATE) :]))
    (source,) = reader.extract([sound_view(clip)])
    assert len(source.segments) == 2
    times = [segment.evidence.t for segment in source.segments]
    assert times[0] is not None
    assert times[1] is not None
    assert 2.5 < times[0][0] < 3.5 < times[0][1] < 7
    assert 9 < times[1][0] < times[1][1] <= len(clip) / RATE
    assert source.evidence(len(source.text) - 3, len(source.text)).t == times[1]


@pytest.mark.parametrize(
    "clip", [silence(5), noise(5), silence(0), silence(0.004)], ids=["still", "noise", "no", "tick"]
)
def test_where_nobody_speaks_whisper_never_runs(reader: SpeechReader, clip: Samples, sound_view: Heard) -> None:
    """Empty text, and nothing spent on it: Whisper would make up words."""
    before = reader.utterances_read
    (source,) = reader.extract([sound_view(clip)])
    assert (source.text, source.segments) == ("", ())
    assert reader.utterances_read == before


def test_a_short_cut_does_not_loop(reader: SpeechReader, speech: Samples, sound_view: Heard) -> None:
    """Whisper says short clips over and over when it sees no silence after them; ours says them once."""
    (source,) = reader.extract([sound_view(speech[int(5 * RATE) :])])
    assert plain(source.text).count("your country") == 1


def test_a_transcript_does_not_depend_on_the_batch(reader: SpeechReader, speech: Samples, sound_view: Heard) -> None:
    """Clips of all lengths, with and without speech, read together as each alone."""
    clips = (speech, silence(2), speech[: 5 * RATE], speech[5 * RATE :], noise(1), speech * np.float32(0.5))
    views = [sound_view(clip, path=f"parts/{n}") for n, clip in enumerate(clips)]
    assert reader.extract(views) == [reader.extract([view])[0] for view in views]


def test_a_clip_that_is_none_fails_the_batch_without_playing_it(reader: SpeechReader, sound_view: Heard) -> None:
    """The caller splits the batch; the message holds a type, no samples."""
    with pytest.raises(ModelFailed, match="batch of 1 clips"):
        reader.extract([sound_view(np.array(["not sound"]))])


def test_other_weights_are_refused() -> None:
    """Neither network loads with a digest that is not the pinned one."""
    with pytest.raises(WeightsRejected, match=r"model\.bin"):
        SpeechReader(weights=replace(WHISPER_TINY_EN, sha256="0" * 64))
    with pytest.raises(WeightsRejected, match="silero"):
        VoiceFinder(weights=replace(SILERO_VAD, sha256="0" * 64))
