"""Settings of the console: who may come in, and whether anything may be written from it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class ConsoleSettings(BaseModel):
    """Served beside the HTTP endpoint, under `/console`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    people: Path | None = Field(
        None, description="file of who may come in, see `tidegate people`; without one anybody on this machine may"
    )
    write: bool = Field(False, description="policies may be changed from the console, by people who may write")
    session_s: float = Field(12 * 3600.0, gt=0, description="how long one sign-in lasts")
    transcripts: bool = Field(True, description="what calls say is kept in memory, and shown when asked for")
    recent: int = Field(2_000, ge=100, le=50_000, description="last decisions that the policy page is drawn from")
