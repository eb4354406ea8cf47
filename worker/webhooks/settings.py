"""Settings of the webhooks: whose decisions go where, and how often a delivery is tried."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from worker.decode.claims.settings import ClaimSettings


def _https(url: str) -> str:
    split = urlsplit(url)
    if split.scheme != "https" or not split.hostname or split.username or split.password or split.fragment:
        raise ValueError("a webhook's URL is https://HOST[:PORT]/PATH, without a name, password or fragment")
    return url


def _network(value: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    ClaimSettings(networks=(value,))  # raises for the networks that nothing opens
    return value


class Webhook(BaseModel):
    """Where one tenant's decisions go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_https)]
    secret: SecretStr = Field(min_length=24, description="of the signature, shared with the receiver; 24 characters on")
    actions: frozenset[Literal["allow", "flag", "block"]] = Field(
        frozenset({"flag", "block"}), min_length=1, description="which decisions"
    )


class WebhookSettings(BaseModel):
    """In force in `tidegate webhooks run`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenants: dict[str, Webhook] = Field(default_factory=dict)
    state: Path = Field(Path("tidegate-webhooks.db"), description="SQLite file of what is still to be delivered")
    networks: tuple[Annotated[IPv4Network | IPv6Network, AfterValidator(_network)], ...] = Field(
        (), description="networks that are not public and may be posted to, for receivers of your own: 10.1.0.0/16"
    )
    ca_file: Path | None = Field(None, description="PEM file of authorities to trust beside the public ones")
    timeout_s: float = Field(10.0, gt=0, description="longest attempt, its answer included")
    attempts: int = Field(12, ge=1, le=100, description="after which a delivery is set aside: half a day by default")
    first_wait_s: float = Field(5.0, gt=0, description="before the second attempt; it doubles from there")
    longest_wait_s: float = Field(7_200.0, gt=0, description="between two attempts")
    at_once: int = Field(32, ge=1, description="attempts at a time")
    at_once_tenant: int = Field(4, ge=1, description="attempts at a time for one tenant")
