"""
The last good set on disk: what is in force, policy by policy, so that a restart with the source down starts with it.

A folder of files named by their sha256, and an index with a digest of its own. Each policy keeps the very files that it
was made of, since a parent may have moved on while its child's newest version was bad. Everything is written beside,
synced and renamed; whatever does not have the digest it should have is not used.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from worker.policy.files import SetFile

INDEX = "last-good.json"
_FOLDER = "policies"
_UNUSED_S = 86_400.0  # before a file nothing names any more goes: another worker may share the folder

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Good:
    """One policy as it is in force. file: the name of its own document among `files`."""

    file: str
    digest: str
    activated: float  # wall seconds
    files: Mapping[str, SetFile]


@dataclass(frozen=True, slots=True)
class GoodSet:
    """All that is in force. tenants: tenants.json as it was last good."""

    policies: Mapping[str, Good]
    tenants: SetFile | None
    revision: str  # of the source's set when this was saved
    saved: float  # wall seconds


class LastGood:
    """
    The set's place in the state folder. Its methods block: off the loop.

    Args:
        key: fingerprint of the key that sets must be signed by; what was saved without it is not used.
    """

    def __init__(self, state: Path, key: str | None = None) -> None:
        self._key = key
        self._folder = state / _FOLDER
        self._written: set[str] = set()

    def save(self, good: GoodSet) -> None:
        """
        Write what is not there yet, then the index that names it.

        Raises:
            OSError: the folder cannot be written.
            ValueError: a file of the set has changed meanwhile; the next reload saves again.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if first := not self._written:
            self._written = {path.name for path in self._folder.iterdir()}
        named = {file.sha256: file for one in good.policies.values() for file in one.files.values()}
        if good.tenants is not None:
            named[good.tenants.sha256] = good.tenants
        for digest in named.keys() - self._written:
            content = named[digest].read()
            if hashlib.sha256(content).hexdigest() != digest:
                raise ValueError("a file of the set changed while it was saved")
            self._write(digest, content)
        self._sync()  # the files' names, before an index speaks of them
        body = orjson.dumps(_as_json(good) | {"key": self._key})
        self._write(INDEX, orjson.dumps({"sha256": hashlib.sha256(body).hexdigest(), "body": body.decode()}))
        self._sync()
        self._written |= named.keys()
        if first:
            self._forget(named.keys())

    def load(self) -> GoodSet | None:
        """What was saved; None when nothing was, or when it is damaged, which is said in the log."""
        try:
            index = orjson.loads((self._folder / INDEX).read_bytes())
            body = index["body"]
            if hashlib.sha256(body.encode()).hexdigest() != index["sha256"]:
                raise ValueError("its digest is another one")
            said = orjson.loads(body)
            if self._key is not None and said["key"] != self._key:
                log.warning("policies.last_good_unsigned", effect="not used: it was not saved under this public key")
                return None
            return self._from_json(said)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.error(
                "policies.last_good_damaged",
                file=str(self._folder / INDEX),
                reason=type(error).__name__,
                effect="not used; it is written again after the next good load",
            )
            return None

    def _write(self, name: str, content: bytes) -> None:
        """Beside, synced, renamed."""
        draft = self._folder / f".{name}.{os.getpid()}"
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / name)

    def _sync(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _forget(self, named: Collection[str]) -> None:
        """Remove files that nothing names and that are old."""
        oldest = time.time() - _UNUSED_S
        for path in self._folder.iterdir():
            if path.name != INDEX and path.name not in named and path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)

    def _from_json(self, said: dict[str, Any]) -> GoodSet:
        policies = {
            policy: Good(
                one["file"],
                one["digest"],
                one["activated"],
                {name: self._file(*place) for name, place in one["files"].items()},
            )
            for policy, one in said["policies"].items()
        }
        tenants = said["tenants"] and self._file(*said["tenants"])
        return GoodSet(policies, tenants, said["revision"], said["saved"])

    def _file(self, sha256: str, size: int) -> SetFile:
        # the name is a digest of ours: nothing else can be asked for
        return SetFile(size, sha256, (self._folder / bytes.fromhex(sha256).hex()).read_bytes)


def _as_json(good: GoodSet) -> dict[str, Any]:
    return {
        "saved": good.saved,
        "revision": good.revision,
        "tenants": good.tenants and [good.tenants.sha256, good.tenants.size],
        "policies": {
            policy: {
                "file": one.file,
                "digest": one.digest,
                "activated": one.activated,
                "files": {name: [file.sha256, file.size] for name, file in one.files.items()},
            }
            for policy, one in good.policies.items()
        },
    }
