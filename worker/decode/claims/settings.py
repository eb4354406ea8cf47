"""Settings of the claim check: nothing is fetched until a host or a root is named."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from worker.decode.claims.address import NEVER

_HOST: Final = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?")


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("write a host in lower case, HOST, HOST:PORT or *.HOST, without https:// and path")
    return value


def _root(value: Path) -> Path:
    if not value.is_absolute() or ".." in value.parts or value == Path("/"):
        raise ValueError("a root is an absolute path of a folder, without .. and not /")
    return value


def _network(value: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if any(value.version == one.version and value.overlaps(one) for one in NEVER):
        raise ValueError("link-local addresses hold the cloud's metadata service: they are never fetched from")
    return value


class ClaimSettings(BaseModel):
    """Where content by `ref` may lie, and how long fetching may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(
        (), description="fetched from over https: HOST, HOST:PORT, or *.HOST for every host below it; none: off"
    )
    roots: tuple[Annotated[Path, AfterValidator(_root)], ...] = Field(
        (), description="folders that file: may name files of; none: off"
    )
    networks: tuple[Annotated[IPv4Network | IPv6Network, AfterValidator(_network)], ...] = Field(
        (), description="networks that are not public and may be fetched from, for a store of your own: 10.1.0.0/16"
    )
    ca_file: Path | None = Field(None, description="PEM file of authorities to trust beside the public ones")
    timeout_s: float = Field(10.0, gt=0, description="longest fetch of one part, all attempts and its body included")
    attempts: int = Field(3, ge=1, le=10, description="how often one is tried when the cause may pass")
    redirects: int = Field(3, ge=0, le=10, description="followed, each checked like the first address")
    at_once: int = Field(16, ge=1, description="fetches at a time")
    at_once_tenant: int = Field(8, ge=1, description="fetches at a time for one tenant")

    @property
    def enabled(self) -> bool:
        """Whether anything may be fetched at all."""
        return bool(self.hosts or self.roots)
