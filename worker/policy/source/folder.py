"""A watched directory as a source of policies; a mounted ConfigMap's `..data` switch is a change like any other."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from stat import S_ISREG

from watchfiles import awatch

from worker.core.errors import SourceUnavailable
from worker.policy.files import MAX_FILE_BYTES, MAX_FILES, OUTSIDE, FileSet, SetFile, refused
from worker.policy.source import wait_for_stop

_DEBOUNCE_MS = 50  # long enough for an editor's write and rename, short against the second a change may take
_LOOK_AGAIN_MS = 5_000  # for folders whose changes the system does not announce (network mounts)
_AWAY_S = 1.0
_SETTLED_S = 2.0  # a file may change again within its time stamp's grain; older ones are taken by size and time
_MAX_DEPTH = 8

_Stamp = tuple[int, int, int, int]  # device, inode, time of change in ns, size


class FolderSource:
    """Port `PolicySource`: every file below `folder` but the hidden ones; a link may not lead out of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[_Stamp, SetFile]] = {}
        self._changes: AsyncGenerator[object, None] | None = None
        self._watched: tuple[int, int] | None = None  # device and inode of the folder that is watched

    @property
    def name(self) -> str:
        return f"the folder {self._folder}"

    async def read(self) -> FileSet:
        """As the port says; only what changed is read."""
        return await asyncio.to_thread(self.scan)

    def scan(self) -> FileSet:
        """`read`, for those who are in a thread already."""
        try:
            root = self._folder.resolve(strict=True)
            found = {}
            for name, path, inside in _files(root, root, ""):
                found[name] = self._look(name, path, inside)
                if len(found) > MAX_FILES:
                    raise SourceUnavailable(f"{self.name} has more than {MAX_FILES} files: keep other files out of it")
        except OSError as error:
            raise SourceUnavailable(f"{self.name} cannot be read: {error.strerror}") from None
        self._seen = {name: one for name, one in found.items() if one is not None}
        return FileSet({name: file for name, (_, file) in self._seen.items()})

    async def changed(self, stop: asyncio.Event) -> None:
        """As the port says; also every few seconds, for folders whose changes are not announced."""
        try:
            if self._changes is None or self._watched != _identity(self._folder):
                await self.stop()
                self._watched = _identity(self._folder)
                self._changes = awatch(
                    self._folder,
                    watch_filter=None,
                    debounce=_DEBOUNCE_MS,
                    step=_DEBOUNCE_MS,
                    stop_event=stop,
                    rust_timeout=_LOOK_AGAIN_MS,
                    yield_on_timeout=True,
                )
                return  # what changed while nobody watched
            with contextlib.suppress(StopAsyncIteration):
                await anext(self._changes)
        except OSError:  # the folder is away: reading it says so
            await self.stop()
            await wait_for_stop(stop, _AWAY_S)

    async def stop(self) -> None:
        """As the port says."""
        changes, self._changes = self._changes, None
        if changes is not None:
            await changes.aclose()

    def _look(self, name: str, path: str, inside: bool) -> tuple[_Stamp, SetFile] | None:
        """The file, from memory when it has not changed; None when it is gone meanwhile."""
        try:
            stat = os.stat(path)
        except OSError:
            return None  # gone, or a link to nowhere: a policy that needs it says so
        if not S_ISREG(stat.st_mode):
            return None
        stamp = (stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size)
        known = self._seen.get(name)
        if known is not None and known[0] == stamp and stat.st_mtime < time.time() - _SETTLED_S:
            return known
        if not inside:
            return stamp, refused(stat.st_size, OUTSIDE)
        if stat.st_size > MAX_FILE_BYTES:
            return stamp, refused(stat.st_size, f"{stat.st_size} bytes are more than the {MAX_FILE_BYTES} allowed")
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            return stamp, refused(stat.st_size, f"cannot be read: {error.strerror}")
        digest = hashlib.sha256(content).hexdigest()
        if known is not None and known[0] == stamp and known[1].sha256 == digest:
            return known
        return stamp, SetFile(len(content), digest, Path(path).read_bytes)


def _files(
    root: Path, folder: str | Path, prefix: str, depth: int = 0, inside: bool = True
) -> Iterator[tuple[str, str, bool]]:
    """Name in the set and path of every file but the hidden, and whether it lies in `root`; links are followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            stays = inside and (not entry.is_symlink() or Path(os.path.realpath(entry.path)).is_relative_to(root))
            if entry.is_dir():
                if depth < _MAX_DEPTH:
                    yield from _files(root, entry.path, f"{prefix}{entry.name}/", depth + 1, stays)
            elif entry.is_file() or entry.is_symlink():
                yield prefix + entry.name, entry.path, stays


def _identity(folder: Path) -> tuple[int, int]:
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino
