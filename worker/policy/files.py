"""A set of files: what a source of policies gives. Names to bytes, each with its sha256, and one revision for all."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

MAX_FILE_BYTES = 64 * 1024 * 1024  # a list may be so large; a policy file much less
MAX_FILES = 20_000


class Files(Protocol):
    """Where a policy's lists are read from."""

    def read(self, name: str, most: int) -> bytes:
        """
        The bytes of the file `name`, at most `most`.

        Raises:
            ValueError: it may not be read: too large, or out of the set; the message says which.
            OSError: there is no such file, or it cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class SetFile:
    """
    One file of a set.

    sha256: 64 hexadecimal digits, of the content `read` gives; empty where `problem` says why there is none.
    """

    size: int
    sha256: str
    read: Callable[[], bytes]
    problem: str | None = None


class FileSet:
    """All files of a source at one moment (port `Files`). Names are relative, with `/`; hidden files are left out."""

    def __init__(self, files: Mapping[str, SetFile]) -> None:
        self.files = files
        said = "\n".join(f"{name}\0{files[name].sha256 or files[name].problem}" for name in sorted(files))
        self.revision = f"sha256:{hashlib.sha256(said.encode('utf-8', 'surrogateescape')).hexdigest()}"

    def read(self, name: str, most: int) -> bytes:
        """As the port says; also ValueError when the content is no longer what the set was made of."""
        plain = plain_name(name)
        found = self.files.get(plain)
        if found is None:
            raise FileNotFoundError(2, "no such file in the set", plain)
        if found.size > most:
            raise ValueError(f"{found.size} bytes are more than the {most} allowed")
        if found.problem:
            raise ValueError(found.problem)
        content = found.read()
        if hashlib.sha256(content).hexdigest() != found.sha256:
            raise ValueError("it changed while it was read: it is read again")
        return content

    def find(self, name: str) -> SetFile | None:
        """The file of that name, also in another spelling (`./a.txt`)."""
        try:
            return self.files.get(plain_name(name))
        except ValueError:
            return None

    def sha256(self, name: str) -> str | None:
        """The content's digest; the problem where there is one; None without such a file."""
        found = self.find(name)
        return None if found is None else found.sha256 or found.problem


class FolderFiles:
    """Port `Files` over a folder as it is at each read: for tools that look once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str, most: int) -> bytes:
        """As the port says."""
        file = inside(self._folder, name)
        if (size := file.stat().st_size) > most:
            raise ValueError(f"{size} bytes are more than the {most} allowed")
        return file.read_bytes()


def inside(folder: Path, name: str) -> Path:
    """
    The file `name` of `folder`; also through a symlink it may not leave the folder.

    Raises:
        ValueError: it does; the message says so.
        OSError: there is no such file.
    """
    found = (folder / name).resolve(strict=True)
    if not found.is_relative_to(folder.resolve()):
        raise ValueError(OUTSIDE)
    return found


OUTSIDE = "leads out of the policies folder: copy the file into it"


def plain_name(name: str) -> str:
    """`./lists//a.txt` as `lists/a.txt`. Raises ValueError for a name that leads out of the set."""
    plain = posixpath.normpath(name)
    if plain.startswith(("/", "../")) or plain in (".", "..") or "\\" in plain or "\0" in plain:
        raise ValueError(OUTSIDE)
    return plain


def held(content: bytes) -> SetFile:
    """A file whose content is in memory."""
    return SetFile(len(content), hashlib.sha256(content).hexdigest(), lambda: content)


def refused(size: int, problem: str) -> SetFile:
    """A file that may not be read."""

    def nothing() -> bytes:
        raise ValueError(problem)

    return SetFile(size, "", nothing, problem)


def is_hidden(name: str) -> bool:
    """True for `.git/config` and the like, which are no part of a set."""
    return any(step.startswith(".") for step in name.split("/"))


def in_memory(files: Iterable[tuple[str, bytes]]) -> FileSet:
    """A set of what is in memory already; names as `plain_name` gives them."""
    return FileSet({name: held(content) for name, content in files if not is_hidden(name)})
