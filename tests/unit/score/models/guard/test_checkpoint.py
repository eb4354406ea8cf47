"""A checkpoint with missing files, missing tensors or a wrong digest is refused; from the hub's cache it loads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.unit.score.models.guard.tiny import POLICY, Tiny, taught
from worker.core.errors import ConfigError, WeightsRejected
from worker.score.models.guard.checkpoint import Checkpoint
from worker.score.models.guard.families import family_of
from worker.score.models.guard.loading import load_guard
from worker.score.models.guard.startup import check_answer, check_logits
from worker.score.settings import GuardSettings


@pytest.fixture
def copy(nemotron: Tiny, tmp_path: Path) -> Path:
    """The tiny checkpoint, to be damaged."""
    return Path(shutil.copytree(nemotron.folder, tmp_path / "copy"))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(copy: Path, file: str) -> None:
    """Before anything is loaded."""
    (copy / file).unlink()
    with pytest.raises(WeightsRejected, match=file):
        Checkpoint.open(str(copy))


def test_a_shard_that_only_the_index_knows_is_missed(copy: Path) -> None:
    """Large checkpoints come in several files."""
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsRejected, match="model-00001-of-00002"):
        Checkpoint.open(str(copy))


def test_a_missing_tokenizer_or_template_is_refused(copy: Path) -> None:
    """Neither is replaced by a default."""
    (copy / "chat_template.jinja").unlink()
    with pytest.raises(WeightsRejected, match="no chat template"):
        Checkpoint.open(str(copy)).tokenizer()
    (copy / "tokenizer.json").unlink()
    with pytest.raises(WeightsRejected, match="no tokenizer"):
        Checkpoint.open(str(copy)).tokenizer()


def test_missing_tensors_are_refused(copy: Path) -> None:
    """transformers would fill them with noise."""
    tensors = load_file(copy / "model.safetensors")
    lost = next(name for name in tensors if "mlp" in name and "language" in name)
    del tensors[lost]
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsRejected, match="lacks 1 tensors"):
        Checkpoint.open(str(copy)).model("cpu")


def test_damaged_weights_are_refused(copy: Path) -> None:
    """Cut short by a download that broke."""
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsRejected, match="does not load"):
        Checkpoint.open(str(copy)).model("cpu")


def test_the_digest_covers_weights_template_and_tokenizer(nemotron: Tiny, copy: Path) -> None:
    """A pinned digest refuses a changed template as it refuses changed weights."""
    pinned = nemotron.checkpoint.digest
    assert Checkpoint.open(str(copy), sha256=pinned).digest == pinned
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text("utf-8").replace("safe or unsafe", "safe"), "utf-8")
    with pytest.raises(WeightsRejected, match="not the pinned one"):
        Checkpoint.open(str(copy), sha256=pinned)
    with pytest.raises(WeightsRejected, match=r"models\.guard\.voice_sha256"):  # what is to be changed is named
        load_guard(GuardSettings(path=str(copy), answers="warn", voice=str(copy), voice_sha256=pinned), "cpu")


def test_it_loads_from_the_hubs_cache(nemotron: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real library, offline, as on a machine that fetched it before."""
    revision = "0" * 40
    home = tmp_path / "models--org--guard"
    shutil.copytree(nemotron.folder, home / "snapshots" / revision)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(revision)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert Checkpoint.open("org/guard", revision=revision).digest == nemotron.checkpoint.digest


def test_what_is_neither_folder_nor_repository_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the remedy."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsRejected, match=r"fetch it on a machine|no folder"):
        Checkpoint.open("org/none")
    with pytest.raises(WeightsRejected, match="no folder"):
        Checkpoint.open("/there/is/no/such/folder")


def test_families_are_told_by_architecture_and_template() -> None:
    """And one that nobody reads is refused."""
    assert family_of(["GraniteForCausalLM"], "… guardian_config …").name == "granite-guardian"
    assert family_of(["GraniteForCausalLM"], "…").name == "granite-guardian-4"
    assert family_of(["Whatever"], "", "qwen3guard").name == "qwen3guard"
    with pytest.raises(ConfigError, match="no family of guard models reads BertModel"):
        family_of(["BertModel"], "")
    with pytest.raises(ConfigError, match="there is no family"):
        family_of(["BertModel"], "", "bert")


@pytest.mark.parametrize("family", ["nemotron", "llama-guard"])
def test_greedy_decoding_must_begin_with_the_forced_answer(family: str, guard_of: Callable[[str], Tiny]) -> None:
    """A random model does not and is refused; one that was taught to is taken."""
    one = guard_of(family)
    with pytest.raises(ConfigError, match="does not begin its answer"):
        check_answer(one.model, one.prompts, one.question, refuse=True)
    assert not check_answer(one.model, one.prompts, one.question, refuse=False)
    label = one.prompts.family.labels[1].spellings[0]
    assert check_answer(taught(one, one.prompts.family.forced + label), one.prompts, one.question, refuse=True)
    other = taught(one, one.prompts.family.forced + " Thank you")
    with pytest.raises(ConfigError, match="does not begin its answer"):
        check_answer(other, one.prompts, one.question, refuse=True)


def test_a_head_of_its_own_is_refused(nemotron: Tiny) -> None:
    """A model whose logits are not hidden state times columns, as far as we know how, would be scored wrongly."""
    model = nemotron.checkpoint.model("cpu")
    check_logits(model, nemotron.prompts, nemotron.question)
    whole = model.forward

    def twisted(**inputs: object) -> object:
        answer = whole(**inputs)
        answer.logits = answer.logits * 1.5 + 1.0
        return answer

    model.forward = twisted
    with pytest.raises(ConfigError, match="way of its own"):
        check_logits(model, nemotron.prompts, nemotron.question)


def test_a_guard_loads_by_its_settings(nemotron: Tiny) -> None:
    """Text and picture scorers; without a path, or with answers unlike its family's, it refuses."""
    loaded = load_guard(GuardSettings(path=str(nemotron.folder), answers="warn"), "cpu")
    assert loaded.family.name == "nemotron"
    assert loaded.pictures is not None
    assert loaded.texts.ref.digest.startswith("sha256:")
    with pytest.raises(ConfigError, match="does not begin its answer"):
        load_guard(GuardSettings(path=str(nemotron.folder)), "cpu")
    with pytest.raises(ConfigError, match=r"models\.guard\.path"):
        load_guard(GuardSettings())


def test_the_policys_words_reach_the_prompt(nemotron: Tiny) -> None:
    """Each definition, in the tenant's order."""
    before = nemotron.question.before
    assert before.index(POLICY[0].definition) < before.index(POLICY[1].definition)
