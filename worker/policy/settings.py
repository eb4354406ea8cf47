"""Settings of where policies come from, and how they are fetched, checked and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

_TOPIC = "topic:"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class PolicySourceSettings(BaseModel):
    """How the source that `policies` names is read. The folder needs none of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    poll_s: float = Field(10.0, gt=0, description="seconds between requests to a URL")
    timeout_s: float = Field(30.0, gt=0, description="of one request, or of the first reading of a topic")
    max_bytes: int = Field(64 << 20, ge=1024, description="of a bundle, packed and unpacked, or of a topic's files")
    token: SecretStr | None = Field(None, description="sent to a URL as Authorization: Bearer")
    public_key: Path | None = Field(None, description="PEM file; with it only a signed set is used, from any source")


class Place(NamedTuple):
    """What `policies` says: a folder's path, a URL, or a topic's name."""

    kind: Literal["folder", "url", "topic"]
    where: str


def place_of(policies: str) -> Place:
    """
    `policies`, `https://…/policies.tar.gz` or `topic:moderation.policies`, told apart.

    Raises:
        ValueError: nothing is named, or a URL that has no host.
    """
    if policies.startswith(_TOPIC):
        if not (topic := policies.removeprefix(_TOPIC).strip()):
            raise ValueError("policies names no topic: write topic:NAME")
        return Place("topic", topic)
    if policies.startswith(("https://", "http://")):
        if not urlsplit(policies).hostname:
            raise ValueError("policies is a URL without a host: write https://HOST/PATH.tar.gz")
        return Place("url", policies)
    if not policies:
        raise ValueError("policies is empty: name a folder, a URL or topic:NAME")
    return Place("folder", policies)


def check_place(policies: str, source: PolicySourceSettings) -> None:
    """Raise ValueError where anybody on the way could write the policies: plain HTTP to another machine, unsigned."""
    place = place_of(policies)
    plain = place.kind == "url" and policies.startswith("http://") and urlsplit(policies).hostname not in _LOOPBACK
    if plain and source.public_key is None:
        raise ValueError("policies come over plain http: use https, or set policy_source.public_key and sign the set")
