"""`extends` (step 1 of the semantics): documents merged by path, and which document each value came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from worker.core.errors import PolicyRejected
from worker.policy.document import PolicyDocument
from worker.policy.places import Path
from worker.policy.reading import Source, check_size, rejected

_OWN = ("id", "version", "extends", "tests")  # a document's identity is never inherited, nor are its own cases


@dataclass(frozen=True, slots=True)
class Resolved:
    """A policy with its parents merged in. `origins` says, by path, which policy a value stands in."""

    tree: dict[str, Any]
    document: PolicyDocument
    origins: dict[Path, str]
    sources: Mapping[str, Source]  # by policy id, the document itself among them

    @property
    def id(self) -> str:
        return self.document.id

    def origin(self, path: Path) -> str:
        """The id of the policy that gave `path`, or gave the nearest value above it."""
        for end in range(len(path), 0, -1):
            if found := self.origins.get(path[:end]):
                return found
        return self.id

    def reject(self, reason: str, path: Path) -> PolicyRejected:
        """The error that names `path` in the file where it stands."""
        return self.sources[self.origin(path)].reject(reason, path)


def resolve(source: Source, by_id: Mapping[str, Source]) -> Resolved:
    """
    Merge `source` over its parents.

    Raises:
        PolicyRejected: a parent is missing, `extends` runs in a circle, or the merged document is not policy.v1.
    """
    line = _ancestry(source, by_id)
    tree: dict[str, Any] = {}
    origins: dict[Path, str] = {}
    for ancestor in reversed(line):
        tree = {name: value for name, value in tree.items() if name not in _OWN}
        _merge(tree, ancestor.tree, (), ancestor.document.id, origins)
    tree.pop("extends", None)
    check_size(tree, source)
    try:
        document = PolicyDocument.model_validate(tree)
    except ValidationError as error:
        raise rejected(error, source.text, source.file) from None
    return Resolved(tree, document, origins, {ancestor.document.id: ancestor for ancestor in line})


def _ancestry(source: Source, by_id: Mapping[str, Source]) -> list[Source]:
    """`source`, its parent, and so on."""
    line, seen = [source], {source.document.id}
    while (parent := line[-1].document.extends) is not None:
        if parent in seen:
            chain = " > ".join([*(s.document.id for s in line), parent])
            raise line[-1].reject(f"`extends` runs in a circle: {chain}", ("extends",))
        if parent not in by_id:
            raise line[-1].reject(
                f"there is no valid policy {parent!r} to extend: add it or mend its file", ("extends",)
            )
        line.append(by_id[parent])
        seen.add(parent)
    return line


def _merge(base: dict[str, Any], over: Mapping[str, Any], path: Path, policy: str, origins: dict[Path, str]) -> None:
    """Lay `over` on `base` in place: objects by key, a null removes, anything else replaces."""
    for name, value in over.items():
        here = (*path, name)
        if value is None:
            base.pop(name, None)
        elif isinstance(value, dict):
            mine = base.get(name)
            base[name] = merged = dict(mine) if isinstance(mine, dict) else {}
            origins.setdefault(here, policy)
            _merge(merged, value, here, policy, origins)
        else:
            base[name] = value
            origins[here] = policy


def digest(tree: Mapping[str, Any], lists: Mapping[str, str]) -> str:
    """ "sha256:…" of the canonical JSON of the resolved document with the digest of each list in it."""
    canonical = orjson.dumps({"document": tree, "lists": lists}, option=orjson.OPT_SORT_KEYS)
    return "sha256:" + hashlib.sha256(canonical).hexdigest()
