"""Decision logs: decision.v1, one a line: files, gzip or zstd, standard input, a store; in blocks of whole lines."""

from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

import cramjam
import orjson

from worker.core.errors import ConfigError

BLOCK_BYTES = 4 << 20
_READ = frozenset(
    [
        "event_id",
        "tenant",
        "time",
        "types",
        "action",
        "reasons",
        "scores",
        "hits",
        "context",
        "overrides",
        "policy",
        "models",
        "degraded",
    ]
)


class FileSlice(NamedTuple):
    """The lines of a plain file that begin in [start, end): whoever decides on them reads them."""

    name: str
    start: int
    end: int


Block = FileSlice | bytes


class KeptLog(Protocol):
    """Decisions that do not stand in a file of lines: a decision store. Its name is its `str`."""

    def size(self) -> int:
        """Bytes of all its decisions."""
        ...

    def pages(self, size: int) -> Iterator[bytes]:
        """Lines of decision.v1, about `size` bytes at a time."""
        ...


Log = str | KeptLog


def blocks(names: Sequence[Log], size: int = BLOCK_BYTES) -> Iterator[tuple[Block, int]]:
    """
    The logs in blocks of whole lines, each with the bytes of the files read so far. `-` is standard input.

    Raises:
        ConfigError: a file is not there, or cannot be read.
    """
    read = 0
    for name in names:
        if not isinstance(name, str):
            for page in name.pages(size):
                read += len(page)
                yield page, read
            continue
        if name == "-":
            yield from ((block, read) for block in _whole_lines(sys.stdin.buffer, size))
            continue
        path = Path(name)
        total = _size(path)
        if path.suffix in (".gz", ".zst"):
            try:
                with _opened(path) as stream:
                    for block in _whole_lines(stream, size):
                        yield block, read
            except (OSError, EOFError) as error:
                raise ConfigError(f"{name}: cannot be read: {error}") from None
            read += total
            continue
        for start in range(0, total, size):
            end = min(start + size, total)
            yield FileSlice(name, start, end), read + end
        read += total


def total_bytes(names: Sequence[Log]) -> int | None:
    """The size of all logs; None when standard input is among them."""
    if "-" in names:
        return None
    return sum(_size(Path(name)) if isinstance(name, str) else name.size() for name in names)


def lines(block: Block) -> list[bytes]:
    """The lines of a block that are not blank."""
    if isinstance(block, FileSlice):
        block = _read_slice(block)
    return [line for line in block.split(b"\n") if line and not line.isspace()]


def decision(line: bytes) -> dict[str, Any] | None:
    """The decision of a line; None when it is none."""
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) and said.keys() >= _READ else None


def _read_slice(part: FileSlice) -> bytes:
    """A line belongs to the block in which it begins, so the last one is read past the end."""
    with Path(part.name).open("rb") as file:
        if part.start:
            file.seek(part.start - 1)
            file.readline()  # the rest of a line that began before, or the newline before the first
        if file.tell() >= part.end:
            return b""
        found = file.read(part.end - file.tell())
        return found if found.endswith(b"\n") else found + file.readline()


def _whole_lines(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while block := stream.read(size):
        yield block if block.endswith(b"\n") else block + stream.readline()


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return io.BytesIO(bytes(cramjam.zstd.decompress(path.read_bytes())))  # the library reads a frame at once


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
