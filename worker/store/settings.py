"""Settings of the decision store: where it lies, how it is cut into segments, and how long each tenant's are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Days = Annotated[float, Field(gt=0)]
DAY_MS = 86_400_000


class StoreSettings(BaseModel):
    """In force once `path` is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path | None = Field(None, description="folder; naming it switches the store on")
    format: Literal["sqlite", "parquet"] = Field(
        "sqlite", description="parquet: sealed segments become Parquet files, for millions of decisions"
    )
    segment_rows: int = Field(10_000, ge=1, description="decisions after which a tenant's segment is sealed")
    segment_s: float = Field(86_400, gt=0, description="seconds after which a tenant's segment is sealed")
    keep_days: Days = Field(400, description="how long decisions are kept; their digests are kept for ever")
    keep_days_of: dict[str, Days] = Field(default_factory=dict, description="the same for single tenants")

    def kept_ms(self, tenant: str) -> int:
        """For how many milliseconds a tenant's decisions are kept."""
        return int(self.keep_days_of.get(tenant, self.keep_days) * DAY_MS)
