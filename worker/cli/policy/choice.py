"""How the policy verbs name a policy: by its id in the policies folder, or by its file; and the models they need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from worker.core.errors import ConfigError

if TYPE_CHECKING:
    from worker.policy.tools.decisions_log import Log
    from worker.policy.tools.loading import PolicyFolder
    from worker.score.profile import Models
    from worker.settings import Settings


def _drawable(path: Path | None) -> Path | None:
    """Said before minutes of reading a log, not after them."""
    if path is not None and path.suffix not in (".svg", ".png"):
        raise typer.BadParameter(f"{path}: a picture is an .svg or a .png: name it so")
    return path


Picture = Annotated[Path | None, typer.Option(callback=_drawable, help="Draw it to this file: a name in .svg or .png.")]


def write(path: Path, content: bytes) -> None:
    """Raises ConfigError with the place and the system's reason."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def chosen(name: str, policies: Path) -> tuple[PolicyFolder, str]:
    """
    The folder and the id of the policy `name`: a `.json` file stands in a folder of its own.

    Raises:
        ConfigError: there is no such folder, file or policy.
        PolicyRejected: its file has a mistake.
    """
    from worker.policy.tools.loading import open_folder

    path = Path(name)
    if path.suffix != ".json":
        folder = open_folder(policies)
        if name not in folder.folder.sources:
            folder.resolved(name)  # says why
        return folder, name
    if not path.is_file():
        raise ConfigError(f"{path}: no such file: give a policy's id, or a file that is there")
    folder = open_folder(path.parent)
    if error := folder.folder.errors.get(path.name):
        raise error
    for policy_id, source in folder.folder.sources.items():
        if source.file == path.name:
            return folder, policy_id
    raise ConfigError(f"{path}: no policy: give a policy's id, or its file")


def logs(names: Sequence[str]) -> list[Log]:
    """What `--log` names: files of lines, `-`, or the folder of a decision store."""
    from worker.store.lines import StoreLog

    return [StoreLog(Path(name)) if Path(name).is_dir() else name for name in names]


def models_for(settings: Settings) -> Models:
    """The models, loaded with a word on the terminal that this takes seconds."""
    from worker.score.profile import load_models

    with Console(stderr=True).status("loading the models"):
        return load_models(settings.models.model_dump())


def models_for_points(folders: Iterable[tuple[PolicyFolder, str]]) -> Models | None:
    """The models where some policy is written with operating points, whose numbers only they know; else None."""
    from worker.policy.tools.loading import has_points
    from worker.settings import load

    if not any(has_points(folder.resolved(policy_id)) for folder, policy_id in folders):
        return None
    return models_for(load())
