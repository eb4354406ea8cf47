"""A folder of policies, read: tenants.json, and every other *.json as a policy. What cannot be read is said by file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.core.errors import PolicyRejected
from worker.policy.files import inside
from worker.policy.reading import MAX_FILE_BYTES, Source, decode_text, read_policy
from worker.policy.tenants import EVERYONE, CandidateSpec, Tenants, read_tenants

TENANTS_FILE = "tenants.json"
__all__ = ["EVERYONE", "TENANTS_FILE", "Folder", "Parsed", "read_folder"]

Parsed = tuple[str, Source | PolicyRejected]  # sha256 of the bytes, and what they said


@dataclass(frozen=True, slots=True)
class Folder:
    """What one reading found. `tenants` maps a tenant to a policy id, `"*"` for everyone else."""

    sources: Mapping[str, Source]  # by policy id
    errors: Mapping[str, PolicyRejected]  # by file
    tenants: Mapping[str, str] | None  # None when tenants.json could not be read: see `errors`
    parsed: Mapping[str, Parsed]  # by file, to be given to the next reading
    candidates: Mapping[str, CandidateSpec] = field(default_factory=dict)  # by tenant


def read_folder(folder: Path, known: Mapping[str, Parsed]) -> Folder:
    """
    Read every file; one that has not changed since `known` is not parsed again.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    parsed: dict[str, Parsed] = {}
    errors: dict[str, PolicyRejected] = {}
    by_id: dict[str, list[Source]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix != ".json" or path.name == TENANTS_FILE or path.name.startswith("."):
            continue
        parsed[path.name] = _parse(folder, path.name, known.get(path.name))
        said = parsed[path.name][1]
        if isinstance(said, PolicyRejected):
            errors[path.name] = said
        else:
            by_id.setdefault(said.document.id, []).append(said)
    for policy, sources in by_id.items():
        if len(sources) > 1:
            files = " and ".join(source.file for source in sources)
            for source in sources:
                errors[source.file] = source.reject(f"{files} both have the id {policy!r}: rename one", ("id",))
    tenants = _tenants(folder, errors)
    sources = {i: s[0] for i, s in by_id.items() if len(s) == 1}
    if tenants is None:
        return Folder(sources, errors, None, parsed)
    return Folder(sources, errors, tenants.policies, parsed, tenants.candidates)


def _parse(folder: Path, name: str, known: Parsed | None) -> Parsed:
    try:
        raw = _bytes(folder, name)
    except PolicyRejected as error:
        return "", error
    digest = hashlib.sha256(raw).hexdigest()
    if known is not None and known[0] == digest:
        return known
    try:
        return digest, read_policy(raw, name)
    except PolicyRejected as error:
        return digest, error


def _bytes(folder: Path, name: str) -> bytes:
    try:
        file = inside(folder, name)
        if (size := file.stat().st_size) > MAX_FILE_BYTES:
            raise ValueError(f"{size} bytes are more than the {MAX_FILE_BYTES} a policy file may have")
        return file.read_bytes()
    except ValueError as error:
        raise PolicyRejected(str(error), file=name) from None
    except OSError as error:
        raise PolicyRejected(f"cannot be read: {error.strerror}", file=name) from None


def _tenants(folder: Path, errors: dict[str, PolicyRejected]) -> Tenants | None:
    try:
        return read_tenants(decode_text(_bytes(folder, TENANTS_FILE), TENANTS_FILE), TENANTS_FILE)
    except PolicyRejected as error:
        errors[TENANTS_FILE] = error
        return None
