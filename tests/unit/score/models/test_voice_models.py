"""Speech models of transformers: the voice-safety classifier's architecture, and Whisper in batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import transformers as _transformers

from ops.guard.words import tokenizer
from worker.core.errors import ConfigError, ModelFailed
from worker.core.events import PartType
from worker.core.views import Floats, View, ViewKind
from worker.score.models.guard.checkpoint import Checkpoint
from worker.score.models.voice_safety import RATE, VoiceConcepts, VoiceSafety, cut
from worker.score.models.whisper import WhisperReader

transformers: Any = _transformers
LABELS = (
    "ABUSE_TYPE_PRIVACY_ASKING_FOR_PII",
    "ABUSE_TYPE_DISCRIMINATORY",
    "ABUSE_TYPE_HARASSMENT",
    "ABUSE_TYPE_SEXUAL_CONTENT",
    "ABUSE_TYPE_ILLEGAL_AND_REGULATED_CONTENT",
    "DatingAndRomantic",
    "Profanity",
    "ABUSE_TYPE_DISRUPTIVE_AUDIO",
)
WIDTH = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


class Spec(NamedTuple):
    path: str
    detectors: tuple[str, ...] = ()
    definition: str | None = None
    violating: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> VoiceSafety:
    """A random WavLM of eight heads."""
    torch.manual_seed(2)
    config = transformers.WavLMConfig(
        **WIDTH,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=16,
        num_buckets=32,
        id2label=dict(enumerate(LABELS)),
        label2id={label: number for number, label in enumerate(LABELS)},
    )
    folder = tmp_path_factory.mktemp("voice")
    model = transformers.WavLMForSequenceClassification(config)
    model.classifier.weight.data.mul_(200)
    model.save_pretrained(folder)
    return VoiceSafety(Checkpoint.open(str(folder)))


def clip(seconds: float, seed: int = 0) -> View:
    samples = np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)
    return View("parts/0", ViewKind.AUDIO, (PartType.AUDIO,), samples, len(samples))


def test_heads_are_detectors_of_a_policy(voice: VoiceSafety) -> None:
    """Categories take the heads that they name, the highest of several, and nothing else."""
    tree = (
        Spec("harassment", ("voice/harassment", "voice/profanity")),
        Spec("hate"),
        Spec("dating", ("voice/dating-and-romantic",)),
    )
    assert voice.heads[0] == "privacy-asking-for-pii"
    concepts = VoiceConcepts(voice.heads)
    wanted = concepts.compile(tree)["voice-safety"]
    scores = voice.score([clip(2)], [wanted])[0]
    every = concepts.compile([Spec(head, (f"voice/{head}",)) for head in voice.heads])["voice-safety"]
    heads = dict(zip(voice.heads, voice.score([clip(2)], [every])[0], strict=True))
    assert scores[0] == max(heads["harassment"], heads["profanity"])
    assert np.isnan(scores[1])
    assert scores[2] == heads["dating-and-romantic"]
    assert concepts.compile((Spec("hate", ("nsfw",)),)) == {}
    points = concepts.points(tree)
    assert points is not None
    assert np.isnan(points[:, PartType.TEXT]).all()


def test_neighbours_change_nothing(voice: VoiceSafety) -> None:
    """Clips of several lengths, alone and together."""
    wanted = VoiceConcepts(voice.heads).compile([Spec("x", (f"voice/{voice.heads[2]}",))])["voice-safety"]
    clips = [clip(1, 1), clip(4, 2), clip(16, 3), clip(1.5, 4)]
    together = np.concatenate(voice.score(clips, [wanted] * 4))
    alone = np.concatenate([voice.score([one], [wanted])[0] for one in clips])
    assert np.abs(together - alone).max() < 1e-5
    assert len(set(together.tolist())) == 4


@pytest.mark.parametrize(("seconds", "windows"), [(0, 1), (2, 1), (15, 1), (16, 2), (27, 2), (28, 3), (60, 5)])
def test_every_sample_is_in_a_window(seconds: int, windows: int) -> None:
    """Of at most 15 s, in whole numbers of 3 s."""
    samples: Floats = np.arange(1, seconds * RATE + 1, dtype=np.float32)
    found = cut(samples)
    assert len(found) == windows
    assert all(0 < len(window) <= 15 * RATE and len(window) % (3 * RATE) == 0 for window in found)
    assert set(samples.tolist()) <= {value for window in found for value in window.tolist()}


def test_what_is_no_number_is_a_failed_model(voice: VoiceSafety) -> None:
    """Sound that holds NaN gives no score."""
    broken = clip(1)
    broken.content[5] = np.nan
    wanted = VoiceConcepts(voice.heads).compile([Spec("x", (f"voice/{voice.heads[2]}",))])["voice-safety"]
    with pytest.raises(ModelFailed, match="no finite number"):
        voice.score([broken], [wanted])


@pytest.fixture(scope="module")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Whisper with a tokenizer of its kind."""
    torch.manual_seed(4)
    words = tokenizer("qwen3guard")
    config = transformers.WhisperConfig(
        vocab_size=len(words), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_mel_bins=80, pad_token_id=0,
        bos_token_id=2, eos_token_id=1, decoder_start_token_id=2, suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("whisper")
    model = transformers.WhisperForConditionalGeneration(config)
    model.proj_out.weight.data.mul_(30)
    model.save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@pytest.mark.models
def test_whisper_reads_speech_in_batches_and_leaves_silence_alone(whisper_folder: Path) -> None:
    """The words are a random model's; what counts is that each clip's are its own, whatever is read beside it."""
    import soundfile

    samples, rate = soundfile.read(Path(__file__).parents[3] / "data" / "audio" / "jfk_ask_not.flac", dtype="float32")
    assert rate == RATE
    spoken = View("parts/0", ViewKind.AUDIO, (PartType.AUDIO,), samples, len(samples))
    silent = View("parts/1", ViewKind.AUDIO, (PartType.AUDIO,), np.zeros(RATE * 2, np.float32), RATE * 2)
    reader = WhisperReader(Checkpoint.open(str(whisper_folder)))
    reader._tokens.batch_decode = lambda made, **_: [" ".join(map(str, ids[:6].tolist())) for ids in made]
    both = reader.extract([spoken, silent, spoken])
    assert both[1].text == ""
    assert both[0].text == both[2].text == reader.extract([spoken])[0].text != ""
    start, end = both[0].segments[0].evidence.t or (0, 0)
    assert 0 <= start < end <= len(samples) / RATE


def test_other_architectures_are_refused(whisper_folder: Path) -> None:
    """Before anything is loaded."""
    with pytest.raises(ConfigError, match="no WavLMForSequenceClassification"):
        VoiceSafety(Checkpoint.open(str(whisper_folder)))
