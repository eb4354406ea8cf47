"""A profile: which models judge, in which lanes, with which ceilings. Loads them, checked, with progress."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from worker.core.clock import Clock
from worker.core.errors import ConfigError
from worker.core.ports import CategorySpec, ConceptCompiler, Extractor, Scorer, Tokenizer
from worker.core.views import Concepts, ModelRef, Thresholds, ViewKind
from worker.score.batch import BatchLimits
from worker.score.cascade import Band, Cascade
from worker.score.lane import Lane
from worker.score.settings import GuardSettings

if TYPE_CHECKING:
    from worker.score.models.guard.loading import LoadedGuard

OnLoading = Callable[[str, int, int], None]  # what is loading now, how many are done, of how many

PROCESSOR = "the processor"
# Most items and most padded cost of one batch: tokens, pixels, samples.
_TEXT = (64, 8_192)
_IMAGE = (16, 32_000_000)
_AUDIO = (16, 8 * 30 * 16_000)
_AT_ONCE = 2  # batches on the processor: while one decodes speech word by word, another lane's fills what it leaves


class _Compilers:
    """Several concept compilers as one."""

    def __init__(self, compilers: Sequence[ConceptCompiler]) -> None:
        self._compilers = compilers

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """What every scorer looks for."""
        return {name: concepts for one in self._compilers for name, concepts in one.compile(categories).items()}

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """Where several scorers give a category a score, the highest of their thresholds: each must be that sure."""
        found = [points for one in self._compilers if (points := one.points(categories)) is not None]
        return functools.reduce(np.fmax, found) if found else None


@dataclass(frozen=True, slots=True)
class Models:
    """A loaded profile."""

    tokenizer: Tokenizer | None = None
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    readers: Mapping[ViewKind, tuple[str, Extractor]] = field(default_factory=dict)
    concepts: ConceptCompiler = field(default_factory=lambda: _Compilers(()))
    limits: Mapping[str, BatchLimits] = field(default_factory=dict)
    cascade: Callable[[Callable[[str], bool]], Cascade] | None = None  # given whether the first model reads a language
    repeats: int = 0  # answers of a guard that are kept a tenant
    languages: frozenset[str] = frozenset()  # ISO 639-1, that the text model reads; none: it does not say
    at_once: int = 1  # batches that may run at once, each of another model

    @property
    def refs(self) -> list[ModelRef]:
        """Every model with its version and digest."""
        return [scorer.ref for scorer in self.scorers.values()] + [reader.ref for _, reader in self.readers.values()]

    def lanes(self, clock: Clock) -> list[Lane]:
        """A fresh lane for each model."""
        models: dict[str, Scorer | Extractor] = {**self.scorers, **dict(self.readers.values())}
        return [Lane(name, model, self.limits[name], clock) for name, model in models.items()]


def load_models(settings: Mapping[str, Any], on_loading: OnLoading = lambda what, done, of: None) -> Models:
    """
    Load the profile that `settings` (`settings.ModelSettings`, as a dict) names.

    Raises:
        WeightsRejected: weights are missing or not the pinned ones.
        ConfigError: the device asked for is not there.
    """
    if settings["profile"] == "words":
        return Models()
    # Imported here: a worker of lists alone starts in a moment and needs no inference library.
    from threadpoolctl import threadpool_limits

    from worker.score.concepts import TextConcepts
    from worker.score.models.minilm import MiniLM
    from worker.score.models.minilm_scorer import MiniLMScorer
    from worker.score.models.nsfw import NsfwConcepts, OpenNsfw
    from worker.score.models.ocr import RapidOcrReader
    from worker.score.models.speech import SpeechReader

    # The products here are small and each core has work: BLAS's own threads spun for a third of the processor's time.
    threadpool_limits(1, user_api="blas")
    threads, device = settings["threads"], settings["device"]
    device_in_use(device)  # refuses a device that is not there
    loaded: list[Any] = []
    steps: list[tuple[str, Callable[[], Any]]] = [
        ("text: all-MiniLM-L6-v2", lambda: MiniLM(device=device, threads=threads)),
        ("pictures: open_nsfw", lambda: OpenNsfw(threads, device=device)),
        ("text in pictures: RapidOCR", lambda: RapidOcrReader(threads, device=device)),
        ("speech: Silero VAD and Whisper tiny.en", lambda: SpeechReader(threads, device=device)),
    ]
    if settings["profile"] == "guard":
        # Imported here: it brings torch and transformers.
        from worker.score.models.guard.loading import load_guard

        steps.append(("guard", lambda: load_guard(GuardSettings(**settings["guard"]), device)))
    for done, (what, load) in enumerate(steps):
        on_loading(what, done, len(steps))
        loaded.append(load())
    on_loading("done", len(steps), len(steps))
    minilm, nsfw, ocr, speech = loaded[:4]
    concepts = TextConcepts(minilm)
    text = MiniLMScorer(minilm, concepts)
    wait_s = settings["max_wait_ms"] / 1000
    embedded = Models(
        tokenizer=minilm,
        languages=minilm.languages,
        scorers={text.ref.name: text, nsfw.ref.name: nsfw},
        readers={ViewKind.IMAGE: (ocr.ref.name, ocr), ViewKind.AUDIO: (speech.ref.name, speech)},
        concepts=_Compilers([concepts, NsfwConcepts()]),
        limits={
            text.ref.name: BatchLimits(*_TEXT, wait_s),
            nsfw.ref.name: BatchLimits(*_IMAGE, wait_s),
            ocr.ref.name: BatchLimits(*_IMAGE, wait_s),
            speech.ref.name: BatchLimits(*_AUDIO, wait_s),
        },
        at_once=min(threads, _AT_ONCE) if device_in_use(device) == PROCESSOR else 1,
    )
    return guarded(embedded, loaded[4], settings["guard"]) if settings["profile"] == "guard" else embedded


def guarded(embedded: Models, guard: LoadedGuard, settings: Mapping[str, Any]) -> Models:
    """The embedded profile with a guard behind its text model, and beside its picture model."""
    from worker.score.models.minilm import EveryText, MiniLM

    first, minilm = "minilm", embedded.tokenizer
    assert isinstance(minilm, MiniLM), "the first model of a cascade is MiniLM. This is a bug."
    band = Band.shipped(minilm.heads_digest) if settings["cascade"] else None
    scorers, compilers = dict(embedded.scorers), [embedded.concepts, guard.text_concepts]
    name = guard.texts.ref.name
    scorers[name] = guard.texts
    limits, wait_s = dict(embedded.limits), embedded.limits[first].wait_s
    limits[name] = BatchLimits(settings["batch_rows"], settings["batch_tokens"], wait_s, packs=guard.packs)
    if guard.pictures is not None and guard.picture_concepts is not None:
        scorers[guard.pictures.ref.name] = guard.pictures
        compilers.append(guard.picture_concepts)
        limits[guard.pictures.ref.name] = BatchLimits(*_IMAGE, wait_s)
    readers = dict(embedded.readers)
    if guard.voice is not None and guard.voice_concepts is not None:
        scorers[guard.voice.ref.name] = guard.voice
        compilers.append(guard.voice_concepts)
        limits[guard.voice.ref.name] = BatchLimits(*_AUDIO, wait_s)
    if guard.whisper is not None:
        readers[ViewKind.AUDIO] = (guard.whisper.ref.name, guard.whisper)
        limits[guard.whisper.ref.name] = BatchLimits(*_AUDIO, wait_s)
    return replace(
        embedded,
        tokenizer=EveryText(minilm),
        scorers=scorers,
        readers=readers,
        concepts=_Compilers(compilers),
        limits=limits,
        cascade=functools.partial(Cascade, first, name, band, minilm.says),
        repeats=settings["repeats"],
        at_once=1,  # torch takes every core for one batch
        languages=guard.family.languages | minilm.languages if guard.family.languages else frozenset(),
    )


def device_in_use(wanted: str) -> str:
    """
    Which device the models will run on, in words.

    Raises:
        ConfigError: "cuda" was asked for and there is none.
    """
    import ctranslate2

    cards = ctranslate2.get_cuda_device_count()
    if wanted == "cuda" and not cards:
        raise ConfigError('models.device is "cuda" and no CUDA device is there: use "auto" or "cpu"')
    return f"{cards} CUDA device(s)" if cards and wanted != "cpu" else PROCESSOR
