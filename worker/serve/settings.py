"""Settings of the HTTP endpoint: where it listens, who may ask, and how much at once."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ServeSettings(BaseModel):
    """In force in `tidegate serve`, and in `tidegate run` with `enabled`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(False, description="serve it inside `tidegate run` too")
    host: str = Field("127.0.0.1", description="loopback unless told otherwise")
    port: int = Field(8088, ge=0, le=65535, description="0 picks a free one")
    keys: Path | None = Field(
        None, description="file of API keys, see `tidegate keys`; without one anybody on this machine may ask"
    )
    tenant: str = Field("demo", min_length=1, max_length=256, description="of who asks without a key")
    tls_certificate: Path | None = Field(None, description="PEM with the certificate and its chain")
    tls_key: Path | None = Field(None, description="PEM with the private key")
    behind_proxy: bool = Field(False, description="TLS ends before this process: serve plain HTTP beyond loopback")
    events: int = Field(256, ge=1, description="most questions under way; what is over gets 429")
    decoded_bytes: int = Field(128 << 20, ge=1 << 20, description="most decoded bytes under way")
    body_bytes: int = Field(32 << 20, ge=1_024, description="longest body; what is over gets 413")
    inputs: int = Field(64, ge=1, description="most texts of one moderation request")

    @model_validator(mode="after")
    def _nothing_stands_open(self) -> ServeSettings:
        """Beyond this machine nobody asks without a key, nor sends one in the clear."""
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: set both or neither")
        if self.host in LOOPBACK:
            return self
        if self.keys is None:
            raise ValueError(f"host {self.host} can be reached from outside and anybody could ask: name a file of keys")
        if self.tls_certificate is None and not self.behind_proxy:
            raise ValueError(
                f"host {self.host} would take keys in the clear: set tls_certificate and tls_key, or behind_proxy "
                "where TLS ends before"
            )
        return self
