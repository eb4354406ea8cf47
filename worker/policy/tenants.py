"""tenants.json: which policy each tenant has, and which other policy is tried beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from worker.policy.document import PolicyId
from worker.policy.reading import read_json, rejected

EVERYONE = "*"
_SHARES = 1 << 32


class CandidateSpec(BaseModel):
    """A policy that is tried beside the live one and never acts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: PolicyId
    share: Annotated[float, Field(gt=0, le=1, strict=True)] = 1.0
    until: AwareDatetime  # with its offset: a bare time would mean another moment on each machine


class TenantSpec(BaseModel):
    """What an object in tenants.json says; a bare string is `policy` alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: PolicyId
    candidate: CandidateSpec | None = None


@dataclass(frozen=True, slots=True)
class Tenants:
    """tenants.json, read. `"*"` is everyone else."""

    policies: Mapping[str, str]  # tenant to policy id
    candidates: Mapping[str, CandidateSpec]  # by tenant; most have none


_FILE = TypeAdapter(dict[str, TenantSpec])


def read_tenants(text: str, file: str) -> Tenants:
    """
    Read and validate tenants.json.

    Raises:
        PolicyRejected: not JSON, or not what the file may hold, with the line of the first mistake.
    """
    tree: dict[str, Any] = read_json(text, file)
    full = {tenant: {"policy": said} if isinstance(said, str) else said for tenant, said in tree.items()}
    try:
        found = _FILE.validate_python(full)
    except ValidationError as error:
        raise rejected(error, text, file) from None
    return Tenants(
        {tenant: spec.policy for tenant, spec in found.items()},
        {tenant: spec.candidate for tenant, spec in found.items() if spec.candidate is not None},
    )


def falls_in_share(event_id: str, share: float) -> bool:
    """Whether an event is tried under the candidate: the same event always falls the same way, on every worker."""
    if share >= 1.0:
        return True
    drawn = int.from_bytes(hashlib.blake2b(event_id.encode(), digest_size=4, person=b"candidate").digest(), "big")
    return drawn < share * _SHARES
