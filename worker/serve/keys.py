"""
API keys: which tenant asks.

A key is `tg_<name>_<secret>`: the name, 8 letters, finds its row in the file; the secret, 256 random bits, is kept as
its SHA-256. A plain hash is enough: a password can be guessed and wants a slow one, 256 random bits cannot. The
comparison takes the same time whatever differs, and as long for a name that is not there.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from worker.serve.rows import read_rows

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
    """The keys of a file. Raises ConfigError, as `read_rows` does."""
    return KeyRing(read_rows(path, KeyRow, "tidegate keys add"))


def new_key(tenant: str, note: str = "") -> tuple[str, str, KeyRow]:
    """A fresh key, its name, and the row to keep of it."""
    name = "".join(secrets.choice(_NAME_LETTERS) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    return f"tg_{name}_{secret}", name, KeyRow(tenant=tenant, sha256=_digest(secret), note=note)
