"""
Who may come in: names with their password's scrypt hash, their tenants, and whether they may write.

scrypt (RFC 7914) with n = 2^15, r = 8, p = 1 takes 32 MiB and about a tenth of a second: a stolen file is dear to guess
from. A name that is not there costs as much as one that is, so nobody learns names by timing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from worker.serve.rows import read_rows

_N, _R, _P, _BYTES = 1 << 15, 8, 1, 32
_LONGEST = 1_024  # of a password, so that hashing one is never slow
EVERY_TENANT = "*"


class PersonRow(BaseModel):
    """One person as the file keeps them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    scrypt: str = Field(pattern=r"^[0-9a-f]{64}$")
    tenants: list[str] = Field(default_factory=lambda: [EVERY_TENANT], min_length=1)
    write: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in. tenants: None for all of them."""

    name: str
    tenants: frozenset[str] | None
    write: bool

    def may_see(self, tenant: str) -> bool:
        """True when the decisions of `tenant` are theirs to see."""
        return self.tenants is None or tenant in self.tenants


LOCAL = Person("local", None, True)  # whoever sits at this machine, where no file of people is named
_NOBODY = PersonRow(salt="0" * 32, scrypt="0" * 64)


def find_person(rows: Mapping[str, PersonRow], name: str, password: str) -> Person | None:
    """Who has this name and password; None for nobody. Takes about a tenth of a second either way."""
    row = rows.get(name, _NOBODY)
    same = hmac.compare_digest(_hash(password[:_LONGEST], row.salt), row.scrypt)
    if not same or name not in rows:
        return None
    everyone = EVERY_TENANT in row.tenants
    return Person(name, None if everyone else frozenset(row.tenants), row.write)


def new_row(password: str, tenants: list[str], *, write: bool) -> PersonRow:
    """A person's row, with fresh salt."""
    salt = secrets.token_hex(16)
    return PersonRow(salt=salt, scrypt=_hash(password[:_LONGEST], salt), tenants=tenants, write=write)


def _hash(password: str, salt: str) -> str:
    memory = 128 * _N * _R * 2
    made = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=_N, r=_R, p=_P, maxmem=memory, dklen=_BYTES)
    return made.hex()


def read_people(path: Path) -> dict[str, PersonRow]:
    """The rows of a file, by name. Raises ConfigError, as `read_rows` does."""
    return read_rows(path, PersonRow, "tidegate people add")
