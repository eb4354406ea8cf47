"""Settings of the console: who may come in, and whether anything may be written from it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, field_validator


class ConsoleSettings(BaseModel):
    """Served beside the HTTP endpoint, under `/console`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    people: Path | None = Field(
        None, description="file of who may come in, see `tidegate people`; without one anybody on this machine may"
    )
    handoff: str | None = Field(
        None, description="where content of restricted categories is looked at: an address with {decision}, {tenant}"
    )
    write: bool = Field(False, description="policies may be changed from the console, by people who may write")
    session_s: float = Field(12 * 3600.0, gt=0, description="how long one sign-in lasts")
    transcripts: bool = Field(True, description="what calls say is kept in memory, and shown when asked for")
    recent: int = Field(2_000, ge=100, le=50_000, description="last decisions that the policy page is drawn from")

    @field_validator("handoff")
    @classmethod
    def _leads_somewhere(cls, value: str | None) -> str | None:
        if value is not None and (not value.startswith("https://") or "{decision}" not in value):
            raise ValueError("handoff is an https:// address in which {decision} stands, and {tenant} and {event} may")
        return value

    def handoff_of(self, decision: str, tenant: str, event: str) -> str | None:
        """Where to hand a decision off to; ids alone go there, never content."""
        found = self.handoff
        for name, value in (("decision", decision), ("tenant", tenant), ("event", event)):
            found = found and found.replace("{" + name + "}", quote(value, safe=""))
        return found
