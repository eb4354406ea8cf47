"""A set of files, read: tenants.json, and every other *.json as a policy. What cannot be read is said by file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.core.errors import PolicyRejected
from worker.policy.files import FileSet
from worker.policy.reading import MAX_FILE_BYTES, Source, decode_text, read_policy
from worker.policy.signing import MANIFEST
from worker.policy.source.folder import FolderSource
from worker.policy.tenants import EVERYONE, CandidateSpec, Tenants, read_tenants

TENANTS_FILE = "tenants.json"
__all__ = ["EVERYONE", "TENANTS_FILE", "Folder", "Parsed", "read_folder", "read_set"]

Parsed = dict[tuple[str, str], Source | Tenants | PolicyRejected]  # by file and sha256: what its bytes said


@dataclass(frozen=True, slots=True)
class Folder:
    """What one reading found. `tenants` maps a tenant to a policy id, `"*"` for everyone else."""

    sources: Mapping[str, Source]  # by policy id
    errors: Mapping[str, PolicyRejected]  # by file
    tenants: Mapping[str, str] | None  # None when tenants.json could not be read: see `errors`
    parsed: Parsed  # to be given to the next reading
    candidates: Mapping[str, CandidateSpec] = field(default_factory=dict)  # by tenant


def read_folder(folder: Path, known: Parsed) -> Folder:
    """
    `read_set` of all files below `folder`.

    Raises:
        SourceUnavailable: the folder itself cannot be listed.
    """
    return read_set(FolderSource(folder).scan(), known)


def read_set(files: FileSet, known: Parsed) -> Folder:
    """Read every policy of a set; a file that has not changed since `known` is not parsed again."""
    parsed: Parsed = {}
    errors: dict[str, PolicyRejected] = {}
    by_id: dict[str, list[Source]] = {}
    for name in sorted(files.files):
        if "/" in name or not name.endswith(".json") or name in (TENANTS_FILE, MANIFEST):
            continue
        said = _parse(files, name, known, parsed)
        if isinstance(said, Source):
            by_id.setdefault(said.document.id, []).append(said)
        elif isinstance(said, PolicyRejected):
            errors[name] = said
    for policy, sources in by_id.items():
        if len(sources) > 1:
            both = " and ".join(source.file for source in sources)
            for source in sources:
                errors[source.file] = source.reject(f"{both} both have the id {policy!r}: rename one", ("id",))
    tenants = _parse(files, TENANTS_FILE, known, parsed)
    alone = {policy: sources[0] for policy, sources in by_id.items() if len(sources) == 1}
    if isinstance(tenants, Tenants):
        return Folder(alone, errors, tenants.policies, parsed, tenants.candidates)
    if isinstance(tenants, PolicyRejected):
        errors[TENANTS_FILE] = tenants
    return Folder(alone, errors, None, parsed)


def _parse(files: FileSet, name: str, known: Parsed, parsed: Parsed) -> Source | Tenants | PolicyRejected:
    """What a file says, from `known` when its bytes are the same; kept in `parsed`, but for what may pass by itself."""
    key = (name, files.sha256(name) or "")
    said = known.get(key)
    if said is None:
        try:
            raw = _bytes(files, name)
        except PolicyRejected as error:
            return error
        try:
            said = read_tenants(decode_text(raw, name), name) if name == TENANTS_FILE else read_policy(raw, name)
        except PolicyRejected as error:
            said = error
    parsed[key] = said
    return said


def _bytes(files: FileSet, name: str) -> bytes:
    try:
        return files.read(name, MAX_FILE_BYTES)
    except ValueError as error:
        raise PolicyRejected(str(error), file=name) from None
    except FileNotFoundError:
        raise PolicyRejected(_absent(files, name), file=name) from None
    except OSError as error:
        raise PolicyRejected(f"cannot be read: {error.strerror}", file=name) from None


def _absent(files: FileSet, name: str) -> str:
    """A bundle is easily packed one folder too deep; its tenants.json then stands in that folder."""
    deeper = next((found for found in sorted(files.files) if found.endswith(f"/{name}")), None)
    if deeper is None:
        return "there is no such file: add one that says which policy each tenant has"
    folder = deeper.removesuffix(f"/{name}")
    return f"it stands in {folder}/: pack what is in that folder, not the folder (tar -C {folder} -czf NAME.tar.gz .)"
