"""List files of a policy: found inside its set of files only, one entry a line, `#` comments."""

from __future__ import annotations

import hashlib
import json
import re

import re2

from worker.core.errors import PolicyRejected
from worker.core.views import Hashes
from worker.policy.document import Images, Terms
from worker.policy.files import Files, FileSet
from worker.policy.images import BadHash, ImageList, read_hashes
from worker.policy.places import Path
from worker.policy.resolve import Resolved
from worker.policy.shared import Shared
from worker.policy.terms import TermList, fold, pattern_of

MAX_LIST_BYTES = 64 * 1024 * 1024


Listed = TermList | ImageList

_TERMS: Shared[TermList] = Shared()  # by the digest of their content: any list with it has the same entries
_IMAGES: Shared[ImageList] = Shared()
_HEX = re.compile(r"[0-9a-f]{64}")


def read_lists(resolved: Resolved, files: Files) -> tuple[Listed, ...]:
    """
    Every list of the policy, in order: those of terms, then those of pictures.

    Raises:
        PolicyRejected: a file is missing, outside the folder, too large, not UTF-8 or empty, or a pattern is not RE2.
    """
    terms = [_read(spec, index, resolved, files) for index, spec in enumerate(resolved.document.terms or ())]
    images = [_read_images(spec, i, resolved, files) for i, spec in enumerate(resolved.document.images or ())]
    return (*terms, *images)


def _read(spec: Terms, index: int, resolved: Resolved, files: Files) -> TermList:
    path = ("terms", index)
    if any(not fold(phrase) for phrase in spec.except_ or ()):
        raise resolved.reject("an exception is empty", (*path, "except"))
    name = spec.list_ or f"terms[{index}]"
    raw = None
    if spec.list_ is None:
        digest = hashlib.sha256(json.dumps(spec.words).encode()).hexdigest()
    else:
        digest, raw = _content(name, (*path, "list"), resolved, files)
    # Thousands of tenants may have a list in common: it is read, checked and kept once.
    key = digest, spec.list_ is None, spec.match == "pattern"
    known = _TERMS.known(key)
    entries = known.entries if known else _entries(spec, name, raw, index, resolved, files)
    listed = TermList(name, f"sha256:{digest}", spec, entries)
    _TERMS.get(key, lambda: listed)
    return listed


def _entries(
    spec: Terms, name: str, raw: bytes | None, index: int, resolved: Resolved, files: Files
) -> tuple[str, ...]:
    """The checked lines of a list without comments."""
    path = ("terms", index)
    if spec.list_ is None:
        lines = spec.words or []
    else:
        raw = raw if raw is not None else _bytes(name, (*path, "list"), resolved, files)
        lines = [line if not line.lstrip().startswith("#") else "" for line in _lines(raw, name)]
    if spec.match == "pattern":
        _check_patterns(lines, name, index, resolved, spec)
    entries = tuple(entry for entry in (line.strip() for line in lines) if fold(entry))
    if not entries:
        raise resolved.reject(f"the list {name} has no entries", path)
    if spec.match == "pattern":
        try:
            pattern_of(entries)
        except re2.error:
            raise resolved.reject(f"the patterns of {name} are too large together: make two lists", path) from None
    return entries


def _content(name: str, path: Path, resolved: Resolved, files: Files) -> tuple[str, bytes | None]:
    """The sha256 of a file, and its bytes where they had to be read to know it."""
    if isinstance(files, FileSet) and _HEX.fullmatch(said := files.sha256(name) or ""):
        return said, None
    raw = _bytes(name, path, resolved, files)
    return hashlib.sha256(raw).hexdigest(), raw


def _read_images(spec: Images, index: int, resolved: Resolved, files: Files) -> ImageList:
    name, path = spec.list_, ("images", index)
    digest, raw = _content(name, (*path, "list"), resolved, files)
    known = _IMAGES.known(digest)
    hashes = known.hashes if known else _hashes(name, raw, (*path, "list"), resolved, files)
    listed = ImageList(name, f"sha256:{digest}", spec, hashes)
    _IMAGES.get(digest, lambda: listed)
    return listed


def _hashes(name: str, raw: bytes | None, path: Path, resolved: Resolved, files: Files) -> Hashes:
    raw = raw if raw is not None else _bytes(name, path, resolved, files)
    try:
        hashes = read_hashes(_lines(raw, name))
    except BadHash as error:
        raise PolicyRejected(str(error), file=name, line=error.line) from None
    if not len(hashes):
        raise resolved.reject(f"the list {name} has no entries", path)
    return hashes


def _lines(raw: bytes, name: str) -> list[str]:
    try:
        return raw.decode("utf-8-sig").splitlines()  # a byte-order mark is no part of the first entry
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PolicyRejected("not UTF-8: save the list as UTF-8", file=name, line=line) from None


def _bytes(name: str, path: Path, resolved: Resolved, files: Files) -> bytes:
    try:
        return files.read(name, MAX_LIST_BYTES)
    except ValueError as error:
        raise resolved.reject(f"the list {name!r}: {error}", path) from None
    except OSError as error:
        raise resolved.reject(f"the list {name!r} cannot be read: {error.strerror}", path) from None


def _check_patterns(lines: list[str], name: str, index: int, resolved: Resolved, spec: Terms) -> None:
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            matches_nothing = pattern_of([line.strip()]).search("") is not None
            reason = "this pattern matches an empty text, so it would match everywhere" if matches_nothing else None
        except re2.error as error:
            said = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
            reason = f"not an RE2 pattern: {said.partition(':')[0]}"  # what follows the colon is the entry itself
        if reason and spec.list_:
            raise PolicyRejected(reason, file=name, line=number + 1)
        if reason:
            raise resolved.reject(reason, ("terms", index, "words", number))
