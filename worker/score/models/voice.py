"""Silero VAD: the stretches of a clip in which somebody speaks."""

from __future__ import annotations

from silero_vad.sequence_vad import SileroVADSequence, get_speech_timestamps_sequence

from worker.core.views import Floats
from worker.score.weights import Pinned

RATE = 16_000

SILERO_VAD = Pinned(
    "silero-vad",
    "silero_vad",
    "data/silero_vad_16k_sequence.onnx",
    "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
)

_LONGEST_S = 28.0  # Whisper reads 30 s at once, and needs some silence after the last word
_PAUSE_MS = 2000  # a shorter pause stays inside the utterance, where it tells Whisper about the sentence
_SHORTEST_MS = 100  # one shouted word counts
_MARGIN_MS = 300  # first and last consonants are quieter than the threshold


class VoiceFinder:
    """
    Finds utterances. Safe to call from several threads at once.

    Raises:
        WeightsRejected: the weights are missing or not the pinned ones.
    """

    def __init__(self, weights: Pinned = SILERO_VAD) -> None:
        self._model = SileroVADSequence(str(weights.path()), sampling_rate=RATE)

    def find(self, samples: Floats) -> list[tuple[int, int]]:
        """
        Start and end, in samples, of each utterance of at most 28 s.

        samples: float32 [T] at 16 kHz. Empty for silence and noise.
        """
        found = get_speech_timestamps_sequence(
            samples,
            self._model,
            sampling_rate=RATE,
            min_speech_duration_ms=_SHORTEST_MS,
            max_speech_duration_s=_LONGEST_S,
            min_silence_duration_ms=_PAUSE_MS,
            speech_pad_ms=_MARGIN_MS,
        )
        return [(int(stretch["start"]), int(stretch["end"])) for stretch in found]
