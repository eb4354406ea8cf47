"""Files of rows by name, with hashes of secrets in them: read and checked, and replaced at once for the owner alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from worker.core.errors import ConfigError

Row = TypeVar("Row", bound=BaseModel)


def read_rows(path: Path, model: type[Row], made_by: str) -> dict[str, Row]:
    """
    The rows of a file, by name.

    Args:
        made_by: the command that makes such a file, for messages.

    Raises:
        ConfigError: it is not there, or not such a file; the message holds no secret.
    """
    try:
        return {name: model.model_validate(row) for name, row in orjson.loads(path.read_bytes()).items()}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}: make it with `{made_by}`") from None
    except (orjson.JSONDecodeError, AttributeError):
        raise ConfigError(f"{path} is not a file that `{made_by}` makes: make one with it") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ConfigError(f"{path}: {where}: {error.errors()[0]['msg']}") from None


def write_rows(path: Path, rows: Mapping[str, BaseModel]) -> None:
    """Replace the file at once, readable by its owner alone. Raises ConfigError when that cannot be."""
    new = path.with_name(f".{path.name}.new")
    text = orjson.dumps({name: row.model_dump() for name, row in rows.items()}, option=orjson.OPT_INDENT_2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
