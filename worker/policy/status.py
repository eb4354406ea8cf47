"""
What is in force and why the newest is not: one record a policy, one of the source, under OPA's names of bundle status.

Of OPA's fields each policy has `name`, `active_revision` (the digest that its decisions carry),
`last_successful_activation`, `code`, `message` and `errors`; `last_request`, `last_successful_request` and
`last_successful_download` are the same for all policies and stand in the source's record. Ours beside them: `version`,
`tenants`, and `restored` for what came from the last good set on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from worker.core.errors import PolicyRejected


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """One policy. `active` is None when no version of it was ever good."""

    id: str
    active: str | None  # digest
    version: str | None
    activated: float | None  # wall seconds
    tenants: tuple[str, ...]
    problem: PolicyRejected | None  # why the newest one is not in force
    restored: bool = False  # from the last good set on disk

    @property
    def error(self) -> str | None:
        """The problem in one line."""
        return None if self.problem is None else str(self.problem)

    def as_json(self) -> dict[str, Any]:
        """The record, for `/status` and the status topic; no tenant's name, and nothing of what a policy says."""
        return {
            "name": self.id,
            "active_revision": self.active,
            "version": self.version,
            "last_successful_activation": stamp(self.activated),
            "tenants": len(self.tenants),
            "restored": self.restored,
            "code": self.problem.code if self.problem else None,
            "message": self.error,
            "errors": [_error(self.problem)] if self.problem else [],
        }


@dataclass(slots=True)
class SourceStatus:
    """The source. Times are wall seconds; None for never."""

    name: str
    revision: str | None = None  # of the set last read
    last_request: float | None = None
    last_successful_request: float | None = None
    last_successful_download: float | None = None  # of a set other than the one before
    code: str | None = None
    message: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The record for `/status`."""
        return {
            "name": self.name,
            "active_revision": self.revision,
            "last_request": stamp(self.last_request),
            "last_successful_request": stamp(self.last_successful_request),
            "last_successful_download": stamp(self.last_successful_download),
            "code": self.code,
            "message": self.message,
        }


def _error(problem: PolicyRejected) -> dict[str, Any]:
    """Where and what, as OPA's `errors[].location` has it."""
    return {
        "code": problem.code,
        "message": problem.reason,
        "location": {"file": problem.file, "row": problem.line, "path": problem.where},
    }


def stamp(wall: float | None) -> str | None:
    """Wall seconds as RFC 3339."""
    return None if wall is None else datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds")
