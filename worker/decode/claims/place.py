"""A `ref`'s URL to a place that may be fetched from: parsed once, strictly, and never again from its text."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple
from urllib.parse import SplitResult, unquote_to_bytes, urljoin, urlsplit

from worker.core.errors import PartUnreadable
from worker.decode.claims.settings import ClaimSettings

_MAX_URL: Final = 8_192  # a signed address is long
_PLAIN: Final = re.compile(r"[\x21-\x7e]+")  # what a URL may be written with; spaces and controls split parsers apart
_NAME: Final = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")


class Remote(NamedTuple):
    """An https address: `host` as TLS and the Host header have it, `target` the path with its query."""

    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """As the allow-list writes it."""
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


class Local(NamedTuple):
    """A file under a root: the steps from there, none of them `..`."""

    root: Path
    steps: tuple[str, ...]


def place_of(url: str, settings: ClaimSettings) -> Remote | Local:
    """
    Where a `ref` lies, if it may be fetched from there.

    Raises:
        PartUnreadable: `ref_not_allowed`; the reason names what is wrong with the address, never the address itself.
    """
    if len(url) > _MAX_URL or not _PLAIN.fullmatch(url) or "\\" in url:
        raise _refused(f"its address is longer than {_MAX_URL} characters, or holds some that stand in no URL")
    scheme = url.partition(":")[0].lower()
    if scheme == "file":
        return _local(url, settings)
    if scheme != "https":
        raise _refused("its address is neither https nor file: sign an https address for an object store")
    return _remote(url, settings)


def follow(place: Remote, location: str, settings: ClaimSettings) -> Remote:
    """Where a redirect leads, under the same rules; raises as `place_of`, also for another scheme."""
    try:
        target = urljoin(f"https://{place.host}:{place.port}{place.target}", location)
    except ValueError:
        raise _refused("it is redirected to what is no URL") from None
    found = place_of(target, settings)
    if isinstance(found, Local):
        raise _refused("it is redirected from https to a file")
    return found


def _remote(url: str, settings: ClaimSettings) -> Remote:
    parts = _split(url)
    authority = parts.netloc.lower()
    if "@" in authority:
        raise _refused("its address holds a name or password: sign it instead")
    host = authority.removesuffix(f":{parts.port}")
    if not _NAME.fullmatch(host) or host.endswith("."):
        raise _refused("its address has no plain host")
    place = Remote(host, parts.port or 443, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    if not any(_matches(place.authority, allowed) for allowed in settings.hosts):
        raise _refused("its host does not stand in claims.hosts")
    return place


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # read when it is asked for
    except ValueError:
        raise _refused("its address is no URL") from None
    return parts


def _matches(authority: str, allowed: str) -> bool:
    allowed = allowed.removesuffix(":443")
    if allowed.startswith("*."):
        return authority.endswith(allowed[1:])
    return authority == allowed


def _local(url: str, settings: ClaimSettings) -> Local:
    parts = _split(url)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise _refused("a file's address is file:///PATH and nothing more")
    try:
        path = PurePosixPath(unquote_to_bytes(parts.path).decode())
    except UnicodeDecodeError:
        raise _refused("a file's address is not UTF-8") from None
    if ".." in path.parts or "\0" in str(path):
        raise _refused("a file's address goes up with ..")
    for root in settings.roots:
        if path.is_relative_to(root) and path != PurePosixPath(root):
            return Local(root, path.relative_to(root).parts)
    raise _refused("the file lies under none of claims.roots")


def _refused(what: str) -> PartUnreadable:
    return PartUnreadable("ref_not_allowed", f"content by `ref` was not fetched: {what}")
