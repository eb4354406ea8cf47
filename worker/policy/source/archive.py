"""A bundle's bytes to its files: a tar.gz, unpacked in memory under a cap, with nothing in it taken on trust."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib

from worker.policy.files import MAX_FILES, FileSet, SetFile, held, is_hidden, plain_name


class BundleRefused(Exception):
    """The bytes are no bundle; the message says why, without content."""


class _Capped(io.RawIOBase):
    """Reads of the unpacked stream that stop at a cap, so that a small file cannot become a large one."""

    def __init__(self, stream: gzip.GzipFile, most: int) -> None:
        self._stream, self._most, self._left = stream, most, most

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; raises BundleRefused past the cap."""
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        found = self._stream.read(wanted)
        self._left -= len(found)
        if self._left < 0:
            raise BundleRefused(f"unpacked it has more than the {self._most} bytes of policy_source.max_bytes")
        return found


def unpack(bundle: bytes, *, max_bytes: int) -> FileSet:
    """
    The regular files of a tar.gz; folders are passed over.

    Raises:
        BundleRefused: not a tar.gz, over `max_bytes` unpacked (headers and padding counted), a link or device in it,
            a name that leads out of the bundle or stands twice, or too many files.
    """
    files: dict[str, SetFile] = {}
    try:
        with (
            gzip.GzipFile(fileobj=io.BytesIO(bundle)) as packed,
            tarfile.open(fileobj=_Capped(packed, max_bytes), mode="r|") as archive,
        ):
            for member in archive:
                if member.isdir():
                    continue
                name, content = _file(archive, member)
                if name in files:
                    raise BundleRefused(f"{name!r} stands in it twice")
                if not is_hidden(name):
                    files[name] = held(content)
                if len(files) > MAX_FILES:
                    raise BundleRefused(f"it has more than {MAX_FILES} files")
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        raise BundleRefused(f"it is no tar.gz that can be read: {type(error).__name__}") from None
    if not files:
        raise BundleRefused("it has no files")
    return FileSet(files)


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, bytes]:
    if not member.isreg():
        raise BundleRefused(f"{member.name!r} is no regular file: links and devices are not allowed")
    try:
        name = plain_name(member.name)
    except ValueError:
        raise BundleRefused(f"{member.name!r} leads out of the bundle") from None
    content = archive.extractfile(member)
    return name, content.read() if content is not None else b""
