"""A checkpoint from a folder or the hub: its files, their digest, and the model loaded from nothing but them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import transformers

from worker.core.errors import ConfigError, WeightsRejected
from worker.score.models.guard.int8 import with_int8_weights
from worker.score.weights import content_digest, file_digest

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "int8": torch.bfloat16}
Dtype = Literal["auto", "float32", "bfloat16", "float16", "int8"]

_READ = (".safetensors", ".json", ".jinja", ".model", ".txt")
_WANTED = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder whose files are all there. digest: 64 hexadecimal digits over names and contents of what is read."""

    folder: Path
    name: str
    digest: str
    config: dict[str, Any]

    @classmethod
    def open(
        cls,
        place: str,
        *,
        revision: str | None = None,
        sha256: str | None = None,
        weights: bool = True,
        setting: str = "models.guard.sha256",
    ) -> Checkpoint:
        """
        Find a checkpoint and check it; weights are looked at by their digest alone.

        Args:
            place: a folder, else the name of a repository on the hub. revision: of the repository.
            sha256: the digest that it must have, by the setting `setting`. weights: False where a server has them.

        Raises:
            WeightsRejected: files are missing, or the digest is another one.
        """
        folder = Path(place) if Path(place).is_dir() else _downloaded(place, revision, weights)
        name = Path(place).name or place
        config = _json(folder, "config.json", name)
        if weights:
            _all_shards(folder, name)
        files = sorted(path for path in folder.iterdir() if path.suffix in _READ and path.is_file())
        digest = content_digest(*(f"{path.name} {file_digest(path)}" for path in files))
        if sha256 is not None and sha256 != digest:
            raise WeightsRejected(
                f"checkpoint {name} is not the pinned one: expected sha256 {sha256}, found {digest}, "
                f"fetch it again or change {setting}"
            )
        return cls(folder, name, digest, config)

    @property
    def architectures(self) -> tuple[str, ...]:
        """Class names of its model."""
        return tuple(self.config.get("architectures") or ())

    def tokenizer(self) -> tuple[Any, Any]:
        """
        Its tokenizer with the chat template, and the processor where it reads pictures too (else None).

        Raises:
            WeightsRejected: one of their files is missing.
        """
        processor = None
        try:
            if (self.folder / "preprocessor_config.json").is_file() or (
                self.folder / "processor_config.json"
            ).is_file():
                processor = transformers.AutoProcessor.from_pretrained(self.folder, local_files_only=True)  # type: ignore[no-untyped-call]
            tokenizer = getattr(processor, "tokenizer", None) or transformers.AutoTokenizer.from_pretrained(
                self.folder, local_files_only=True
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise WeightsRejected(
                f"checkpoint {self.name} has no tokenizer that loads ({type(error).__name__}): fetch all of its files"
            ) from error
        if not tokenizer.chat_template:
            tokenizer.chat_template = getattr(processor, "chat_template", None)
        if not tokenizer.chat_template:
            raise WeightsRejected(f"checkpoint {self.name} has no chat template: fetch chat_template.jinja with it")
        return tokenizer, processor

    def model(self, device: str, dtype: Dtype = "auto") -> Any:
        """
        The model in eval mode on `device` ("cpu", "cuda"); "auto" is bfloat16 on CUDA, float32 else.

        Raises:
            WeightsRejected: weights are missing, or are not of this architecture.
            ConfigError: transformers does not know the architecture.
        """
        kind = next((getattr(transformers, a) for a in self.architectures if hasattr(transformers, a)), None)
        if kind is None:
            raise ConfigError(
                f"checkpoint {self.name} has architecture {', '.join(self.architectures) or '(none)'}, "
                "which the installed transformers does not know"
            )
        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        named: Dtype = ("bfloat16" if device == "cuda" else "float32") if dtype == "auto" else dtype
        try:
            model, found = kind.from_pretrained(
                self.folder,
                dtype=DTYPES[named],
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
        except Exception as error:  # every library below raises its own
            raise WeightsRejected(
                f"checkpoint {self.name} does not load ({type(error).__name__}): fetch its files again"
            ) from error
        # transformers fills missing weights with noise and goes on; a guard of noise must not judge anybody
        lost = [*found["missing_keys"], *found.get("mismatched_keys", ())]
        if lost:
            raise WeightsRejected(
                f"checkpoint {self.name} lacks {len(lost)} tensors of its architecture, first {lost[0]}: "
                "fetch its files again"
            )
        model = model.eval().requires_grad_(False)
        if named == "int8":
            with_int8_weights(model)
        return model.to(device)


def _downloaded(repository: str, revision: str | None, weights: bool) -> Path:
    """The snapshot's folder; files that are there already are not fetched again."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=_WANTED[0 if weights else 1 :]))
    except HFValidationError as error:
        raise WeightsRejected(f"there is no folder at {repository}: name one with models.guard.path") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise WeightsRejected(
            f"checkpoint {repository} is neither a folder nor to be had from the hub ({type(error).__name__}): "
            "fetch it on a machine with access, and name its folder with models.guard.path"
        ) from error


def _all_shards(folder: Path, name: str) -> None:
    """Every file of weights that the index names is there; without an index, `model.safetensors` is."""
    index = folder / "model.safetensors.index.json"
    shards = {"model.safetensors"}
    if index.is_file():
        shards = set(_json(folder, index.name, name).get("weight_map", {}).values())
    for shard in sorted(shards):
        if not (folder / shard).is_file():
            raise WeightsRejected(f"checkpoint {name} lacks {shard}: fetch all of its files")


def _json(folder: Path, file: str, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / file).read_text("utf-8"))
    except FileNotFoundError:
        raise WeightsRejected(f"checkpoint {name} lacks {file}: fetch all of its files") from None
    except ValueError:
        raise WeightsRejected(f"{file} of checkpoint {name} is not JSON: fetch it again") from None
    return found
