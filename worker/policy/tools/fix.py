"""The mending that lint can do by itself: the smallest edits of the text, one at a time, looked at again after each."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as Folder

from worker.policy.files import FolderFiles
from worker.policy.reading import MAX_FILE_BYTES
from worker.policy.tools.findings import Finding
from worker.policy.tools.lint import lint
from worker.policy.tools.textmap import TextMap

_MOST_EDITS = 1_000


def mend(folder: Folder, files: Sequence[str] | None = None) -> dict[str, str]:
    """
    The new text of each file that a safe edit changes; nothing is written.

    An edit is safe when no decision changes by it (what changes nothing is taken out), or when the file is refused as
    it stands (a misspelt field). What one edit makes needless is seen before the next.
    """
    mended: dict[str, str] = {}
    for _ in range(_MOST_EDITS):
        finding = next((one for one in lint(folder, files, mended) if one.edit is not None), None)
        if finding is None:
            break
        mended[finding.file] = _edited(finding, _text(folder, finding.file, mended))
    return mended


def _edited(finding: Finding, text: str) -> str:
    assert finding.edit is not None
    return finding.edit(TextMap(text))


def _text(folder: Folder, file: str, mended: Mapping[str, str]) -> str:
    return mended[file] if file in mended else FolderFiles(folder).read(file, MAX_FILE_BYTES).decode("utf-8-sig")


def diff(folder: Folder, mended: Mapping[str, str]) -> Iterator[str]:
    """The edits as a unified diff, line by line."""
    for file in sorted(mended):
        before = _text(folder, file, {}).splitlines(keepends=True)
        after = mended[file].splitlines(keepends=True)
        for line in difflib.unified_diff(before, after, f"a/{file}", f"b/{file}", n=2):
            yield line.rstrip("\n")
