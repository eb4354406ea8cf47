"""Speech to text on a GPU: Silero VAD finds who speaks when, and transformers' Whisper reads many stretches at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers

from worker.core.errors import ConfigError, ModelFailed, WeightsRejected
from worker.core.views import ModelRef, TextSource, View, ViewKind
from worker.score.models.guard.checkpoint import Checkpoint, Dtype
from worker.score.models.speech import Utterance, repetitive, transcript
from worker.score.models.voice import RATE, VoiceFinder
from worker.score.models.word_times import SpokenWord

_BATCH = 16
_TOKENS_A_SECOND = 8  # nobody speaks faster; more is a loop
_MIN_TOKENS = 16
_MOST_TOKENS = 224


class WhisperReader:
    """
    The extractor of clips (float32 [T] at 16 kHz) for any Whisper checkpoint; views without speech never reach it.

    Args:
        checkpoint: of a `WhisperForConditionalGeneration`, with its feature extractor and tokenizer.

    Raises:
        WeightsRejected: files or tensors are missing. ConfigError: another architecture.
    """

    kind = ViewKind.AUDIO

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu", dtype: Dtype = "auto") -> None:
        if "WhisperForConditionalGeneration" not in checkpoint.architectures:
            raise ConfigError(f"checkpoint {checkpoint.name} is no Whisper: name one with models.guard.whisper")
        try:
            self._features: Any = transformers.WhisperFeatureExtractor.from_pretrained(checkpoint.folder)
            self._tokens: Any = transformers.AutoTokenizer.from_pretrained(checkpoint.folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise WeightsRejected(
                f"checkpoint {checkpoint.name} has no feature extractor or tokenizer: fetch all of its files"
            ) from error
        self._voice = VoiceFinder()
        self._model = checkpoint.model(device, dtype)
        self._device = device
        self.ref = ModelRef("whisper", checkpoint.name, f"sha256:{checkpoint.digest}")

    def extract(self, views: Sequence[View]) -> list[TextSource]:
        """
        For each view its transcript, a segment with t0 and t1 in seconds of the clip for each utterance.

        Raises:
            ModelFailed: a model raised; the message holds no content.
        """
        try:
            spoken = [
                Utterance(place, start / RATE, end / RATE, view.content[start:end])
                for place, view in enumerate(views)
                for start, end in self._voice.find(view.content)
            ]
            ordered = sorted(spoken, key=lambda one: len(one.samples))
            for first in range(0, len(ordered), _BATCH):
                self._read(ordered[first : first + _BATCH])
        except Exception as error:
            raise ModelFailed(f"whisper failed on a batch of {len(views)} clips: {type(error).__name__}") from error
        said: list[list[Utterance]] = [[] for _ in views]
        for utterance in spoken:
            if utterance.text:
                said[utterance.view].append(utterance)
        return [transcript(view, some) for view, some in zip(views, said, strict=True)]

    def _read(self, batch: Sequence[Utterance]) -> None:
        """Fills in the texts; features are those of 30 s, as Whisper was trained, so neighbours change nothing."""
        clips = [np.asarray(one.samples, np.float32) for one in batch]
        features = self._features(clips, sampling_rate=RATE, return_tensors="pt").input_features
        longest = max(len(one.samples) for one in batch) // RATE
        with torch.inference_mode():
            made = self._model.generate(
                features.to(self._device, self._model.dtype),
                do_sample=False,
                num_beams=1,
                max_new_tokens=min(_MIN_TOKENS + _TOKENS_A_SECOND * longest, _MOST_TOKENS),
            )
        for utterance, text in zip(batch, self._tokens.batch_decode(made, skip_special_tokens=True), strict=True):
            utterance.text = "" if repetitive(text) else text.strip()
            # no times of words here: where they are asked for, an utterance is one
            length = len(utterance.samples) / RATE
            utterance.words = (SpokenWord(utterance.text, 0.0, length),) if utterance.text else ()
