"""The book: which policy each tenant has at this moment. Changed on the loop's thread, one policy at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from worker.core.clock import Clock
from worker.core.errors import PolicyRejected
from worker.policy.compile import CompiledPolicy
from worker.policy.folder import EVERYONE, Folder
from worker.policy.lastgood import Good
from worker.policy.status import PolicyStatus
from worker.policy.tenants import CandidateSpec, falls_in_share


class Book:
    """Port `PolicyBook`. A policy stays in force until a good one takes its place, or nobody has it any more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.in_force: dict[str, CompiledPolicy] = {}  # by policy id: the newest good one
        self.goods: dict[str, Good] = {}  # what each of them was made of, and since when
        self._restored: set[str] = set()  # ids of those that came from the last good set
        self._tenants: dict[str, CompiledPolicy | None] = {}
        self._ids: Mapping[str, str] = {}  # tenant to policy id, as tenants.json last said
        self._tenants_of: dict[str, list[str]] = {}  # the other way round
        self._candidates: Mapping[str, CandidateSpec] = {}  # by tenant, as tenants.json last said

    def of(self, tenant: str) -> CompiledPolicy | None:
        """The tenant's policy, else that of `"*"`; None when there is none, or none of it was ever good."""
        if tenant in self._tenants:
            return self._tenants[tenant]
        return self._tenants.get(EVERYONE)

    def candidate_of(self, tenant: str, event_id: str) -> CompiledPolicy | None:
        """The policy tried on an event beside the live one: its tenant has one, in time, and it is in the share."""
        if not self._candidates:
            return None
        spec = self._candidates.get(tenant if tenant in self._tenants else EVERYONE)
        if spec is None or self._clock.wall() >= spec.until.timestamp() or not falls_in_share(event_id, spec.share):
            return None
        return self.in_force.get(spec.policy)

    @property
    def is_empty(self) -> bool:
        """True when no tenant has any policy."""
        return not any(self._tenants.values())

    def put(self, policy: CompiledPolicy, good: Good, *, restored: bool = False) -> bool:
        """Bring a policy into force for its tenants; False when it is already."""
        before = self.in_force.get(policy.id)
        if before is policy:
            self.goods[policy.id] = replace(good, activated=self.goods[policy.id].activated)
            self._restored.discard(policy.id)
            return False
        self.in_force[policy.id], self.goods[policy.id] = policy, good
        (self._restored.add if restored else self._restored.discard)(policy.id)
        for tenant in self._tenants_of.get(policy.id, ()):
            self._tenants[tenant] = policy
        return True

    def assign(self, folder: Folder) -> bool:
        """Give each tenant the policy that tenants.json names, else the one it has; True when anything changed."""
        changed = False
        if folder.tenants is not None and folder.tenants != self._ids:
            self._ids, self._tenants_of = dict(folder.tenants), {}
            for tenant, policy_id in self._ids.items():
                self._tenants_of.setdefault(policy_id, []).append(tenant)
        if folder.tenants is not None:
            self._candidates = folder.candidates
        for tenant, policy_id in self._ids.items():
            now = self.in_force.get(policy_id) or self._tenants.get(tenant)
            changed = changed or tenant not in self._tenants or self._tenants[tenant] is not now
            self._tenants[tenant] = now
        for tenant in self._tenants.keys() - self._ids.keys():
            del self._tenants[tenant]
            changed = True
        return changed

    def forget_unused(self, sources: Iterable[str]) -> None:
        """Let go of policies without a file; one stays while a tenant has it."""
        wanted = {policy.id for policy in self._tenants.values() if policy} | set(self._ids.values()) | set(sources)
        wanted |= {spec.policy for spec in self._candidates.values()}
        for policy_id in self.in_force.keys() - wanted:
            del self.in_force[policy_id], self.goods[policy_id]

    def status(self, problems: Mapping[str, PolicyRejected]) -> list[PolicyStatus]:
        """Every policy and every file in error, by name."""
        return [self._status(name, problems.get(name)) for name in sorted(self.in_force.keys() | problems.keys())]

    def _status(self, name: str, problem: PolicyRejected | None) -> PolicyStatus:
        active = self.in_force.get(name)
        digest, version = (active.digest, active.version) if active else (None, None)
        since = self.goods[name].activated if active else None
        tenants = tuple(sorted(self._tenants_of.get(name, ())))
        return PolicyStatus(name, digest, version, since, tenants, problem, name in self._restored)
