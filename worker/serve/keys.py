"""
API keys: which tenant asks.

A key is `tg_<name>_<secret>`: the name, 8 letters, finds its row in the file; the secret, 256 random bits, is kept as
its SHA-256. A plain hash is enough: a password can be guessed and wants a slow one, 256 random bits cannot. The
comparison takes the same time whatever differs, and as long for a name that is not there.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worker.core.errors import ConfigError

_FORM = re.compile(r"tg_([a-z2-7]{8})_([A-Za-z0-9_-]{43})")
_NAME_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


class KeyRow(BaseModel):
    """One key as its file keeps it: never the key itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str = Field(min_length=1, max_length=256)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the key's secret")
    note: str = ""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a file, by name."""

    rows: Mapping[str, KeyRow]

    def tenant_of(self, key: str) -> str | None:
        """Whose key it is; None for one that is not known."""
        found = _FORM.fullmatch(key)
        name, secret = found.groups() if found else ("", "")
        row = self.rows.get(name)
        same = hmac.compare_digest(_digest(secret), row.sha256 if row is not None else _NOBODY)
        return row.tenant if row is not None and same else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def read_keys(path: Path) -> KeyRing:
    """
    The keys of a file.

    Raises:
        ConfigError: it is not there, or not a file of keys; the message holds no key.
    """
    try:
        rows: dict[str, Any] = orjson.loads(path.read_bytes())
        return KeyRing({name: KeyRow.model_validate(row) for name, row in rows.items()})
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}: make keys with `tidegate keys add`") from None
    except (orjson.JSONDecodeError, AttributeError):
        raise ConfigError(f"{path} is not a file of keys: make one with `tidegate keys add`") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ConfigError(f"{path}: {where}: {error.errors()[0]['msg']}") from None


def new_key(tenant: str, note: str = "") -> tuple[str, str, KeyRow]:
    """A fresh key, its name, and the row to keep of it."""
    name = "".join(secrets.choice(_NAME_LETTERS) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    return f"tg_{name}_{secret}", name, KeyRow(tenant=tenant, sha256=_digest(secret), note=note)


def write_keys(path: Path, rows: Mapping[str, KeyRow]) -> None:
    """`write_rows`. Raises ConfigError."""
    write_rows(path, rows)


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
