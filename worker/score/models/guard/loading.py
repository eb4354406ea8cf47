"""A guard from its settings: checkpoint, template, checks, scorers. Refuses what it could not score rightly."""

from __future__ import annotations

import functools
from typing import Any, Literal, NamedTuple

import torch
from PIL import Image

from worker.core.clock import Clock, SystemClock
from worker.core.errors import ConfigError
from worker.core.views import ModelRef
from worker.score.models.guard.calibration import Curves
from worker.score.models.guard.checkpoint import Checkpoint
from worker.score.models.guard.concepts import GuardConcepts
from worker.score.models.guard.families import family_of
from worker.score.models.guard.family import Category, Family
from worker.score.models.guard.forward import OneForward
from worker.score.models.guard.onednn import pack
from worker.score.models.guard.prefixes import Prefixes
from worker.score.models.guard.prompts import Prompts, Question, Row
from worker.score.models.guard.remote import RemoteGuard
from worker.score.models.guard.scorer import GREY, Guard, GuardPictures, GuardTexts, Reads
from worker.score.models.guard.startup import check_answer, check_logits
from worker.score.models.voice_safety import VoiceConcepts, VoiceSafety
from worker.score.models.whisper import WhisperReader
from worker.score.settings import GuardSettings
from worker.score.weights import content_digest

Place = Literal["cpu", "cuda"]
_PROTOCOL = "1"  # raised when rows or labels are made otherwise: scores are then others


class LoadedGuard(NamedTuple):
    """The scorers with what compiles policies for them; `pictures` None where it reads none."""

    family: Family
    checkpoint: str  # digest of the files, which calibrations are kept by
    texts: GuardTexts
    text_concepts: GuardConcepts
    pictures: GuardPictures | None
    picture_concepts: GuardConcepts | None
    voice: VoiceSafety | None = None
    voice_concepts: VoiceConcepts | None = None
    whisper: WhisperReader | None = None
    packs: bool = False  # its batches compute no padding


def load_guard(settings: GuardSettings, device: str = "auto", clock: Clock | None = None) -> LoadedGuard:
    """The guard with the speech models beside it, each where its path is given; raises what `_guard` raises."""
    place: Place = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    loaded = _guard(settings, place, clock or SystemClock())
    if settings.voice:
        named = "models.guard.voice_sha256"
        voice = VoiceSafety(Checkpoint.open(settings.voice, sha256=settings.voice_sha256, setting=named), place)
        loaded = loaded._replace(voice=voice, voice_concepts=VoiceConcepts(voice.heads))
    if settings.whisper:
        named = "models.guard.whisper_sha256"
        whisper = WhisperReader(Checkpoint.open(settings.whisper, sha256=settings.whisper_sha256, setting=named), place)
        loaded = loaded._replace(whisper=whisper)
    return loaded


def _guard(settings: GuardSettings, place: Place, clock: Clock) -> LoadedGuard:
    """
    Load, check, wire.

    Raises:
        WeightsRejected: files are missing or not the pinned ones.
        ConfigError: template, labels or answers are not those of the family; no path is given.
    """
    if not settings.path:
        raise ConfigError('models.profile is "guard" and models.guard.path names no checkpoint: name a folder')
    checkpoint = Checkpoint.open(
        settings.path,
        revision=settings.revision,
        sha256=settings.sha256,
        weights=settings.remote is None,
    )
    tokenizer, processor = checkpoint.tokenizer()
    family = family_of(checkpoint.architectures, str(tokenizer.chat_template), settings.family)
    prompts = Prompts(tokenizer, family, checkpoint.name, processor)
    probe = prompts.question((Category("violence", "Threatens people with harm"),))
    reads, precision = _reads(settings, checkpoint, prompts, probe, place, clock)
    curves = Curves(checkpoint.digest, settings.calibration)
    guard = Guard(reads, prompts, curves, settings.floor)
    marks = (checkpoint.digest, precision, _PROTOCOL, str(settings.floor), str(settings.calibration))
    digest = f"sha256:{content_digest(*marks)}"
    texts = GuardTexts(guard, prompts, ModelRef(family.name, checkpoint.name, digest))
    concepts = GuardConcepts(family.name, prompts, learn=guard.learn)
    packs = not isinstance(reads, OneForward) or reads.packs  # servers pack, too
    if not family.pictures or processor is None or settings.remote is not None:
        return LoadedGuard(family, checkpoint.digest, texts, concepts, None, None, packs=packs)
    name = f"{family.name}-pictures"
    pictures = GuardPictures(guard, prompts, ModelRef(name, checkpoint.name, digest))
    learn = functools.partial(guard.learn, picture=GREY)
    picture_concepts = GuardConcepts(name, prompts, picture=True, learn=learn)
    return LoadedGuard(family, checkpoint.digest, texts, concepts, pictures, picture_concepts, packs=packs)


def _reads(
    settings: GuardSettings, checkpoint: Checkpoint, prompts: Prompts, probe: Question, place: Place, clock: Clock
) -> tuple[Reads, str]:
    """What answers rows, and its precision, which scores depend on."""
    if settings.remote is not None:
        return RemoteGuard(settings.remote, clock), f"remote {settings.remote.url} {settings.remote.model}"
    model = checkpoint.model(place, settings.dtype)
    check_logits(model, prompts, probe)
    check_answer(model, prompts, probe, refuse=settings.answers == "refuse")
    pack(model)
    if settings.compile and place == "cuda":
        model.model.forward = torch.compile(model.model.forward, dynamic=True)
    forward = OneForward(
        model,
        batch_rows=settings.batch_rows,
        batch_tokens=settings.batch_tokens,
        prefixes=Prefixes(settings.prefix_mb << 20) if settings.prefix_mb else None,
        picture_inputs=_pictures(prompts) if prompts.family.pictures and prompts.processor is not None else None,
    )
    return forward, str(next(model.parameters()).dtype) + settings.dtype


def _pictures(prompts: Prompts) -> Any:
    """Rows with a picture to a model's inputs: the processor puts the picture's tokens where the template names it."""

    def inputs(row: Row) -> dict[str, torch.Tensor]:
        assert row.picture is not None, "a row without a picture. This is a bug."
        picture = Image.fromarray(row.picture)
        found = prompts.processor(text=[row.text], images=[[picture]], return_tensors="pt", add_special_tokens=False)
        return dict(found)

    return inputs
