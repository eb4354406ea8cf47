"""Which policy each tenant has now: loaded from a folder, reloaded when it changes, swapped one tenant at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import structlog
from watchfiles import awatch

from worker.core.clock import Clock
from worker.core.errors import ConfigError, PolicyRejected, TidegateError
from worker.core.ports import ConceptCompiler
from worker.policy.compile import CompiledPolicy, compile_parts, policy_digest
from worker.policy.files import FolderFiles
from worker.policy.folder import EVERYONE, TENANTS_FILE, Folder, read_folder
from worker.policy.lists import read_lists
from worker.policy.resolve import resolve
from worker.policy.tenants import CandidateSpec, falls_in_share

ReloadResult = Literal["applied", "rejected", "unchanged"]

_DEBOUNCE_MS = 50  # long enough for an editor's write and rename, short against the second a change may take
_LOOK_AGAIN_MS = 5_000  # for folders whose changes the system does not announce (network mounts)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """One policy for `/status`. `active` is None when no version of it was ever good."""

    id: str
    active: str | None  # digest
    version: str | None
    activated: float | None  # wall seconds
    tenants: tuple[str, ...]
    error: str | None  # why the newest one is not in force


@dataclass(slots=True)
class _Plan:
    """What one reading of the folder comes to; made off the loop, applied on it."""

    folder: Folder
    ready: dict[str, CompiledPolicy] = field(default_factory=dict)  # by id, those already in force among them
    errors: dict[str, PolicyRejected] = field(default_factory=dict)  # by policy id, else by file


class PolicyStore:
    """
    The port `PolicyBook` over a folder with tenants.json, policies and their lists.

    Args:
        folder: the policies folder.
        concept_compiler: turns categories into what the scorers look for.
        clock: for the time stamps of `/status`.
        on_reload: called with the result of each reload, on the loop.
    """

    def __init__(
        self,
        folder: Path,
        concept_compiler: ConceptCompiler,
        clock: Clock,
        on_reload: Callable[[ReloadResult], None] = lambda result: None,
    ) -> None:
        self._folder, self._concepts, self._clock, self._on_reload = folder, concept_compiler, clock, on_reload
        self._parsed: Folder | None = None
        self._ids_of_files: dict[str, str] = {}  # as last read without error, so that an error finds its policy
        self._applied: dict[str, CompiledPolicy] = {}  # by policy id: the newest good one
        self._activated: dict[str, float] = {}
        self._errors: dict[str, str] = {}
        self._tenants: dict[str, CompiledPolicy | None] = {}
        self._ids: dict[str, str] = {}  # tenant to policy id, as tenants.json last said
        self._candidates: Mapping[str, CandidateSpec] = {}  # by tenant, as tenants.json last said
        self._one_at_a_time = asyncio.Lock()

    def of(self, tenant: str) -> CompiledPolicy | None:
        """The tenant's policy, else that of `"*"`; None when there is none, or none of it was ever good."""
        if tenant in self._tenants:
            return self._tenants[tenant]
        return self._tenants.get(EVERYONE)

    def candidate_of(self, tenant: str, event_id: str) -> CompiledPolicy | None:
        """The policy to try on an event beside the live one: not expired, and the event is in its share."""
        if not self._candidates:
            return None
        spec = self._candidates.get(tenant if tenant in self._tenants else EVERYONE)
        if spec is None or self._clock.wall() >= spec.until.timestamp() or not falls_in_share(event_id, spec.share):
            return None
        return self._applied.get(spec.policy)

    def status(self) -> list[PolicyStatus]:
        """Every policy and every file in error, by name."""
        return [self._status(name) for name in sorted(self._applied.keys() | self._errors.keys())]

    async def load(self) -> None:
        """
        The first load, off the loop. Files that are bad are said and left out.

        Raises:
            ConfigError: nothing can be loaded at all.
        """
        try:
            plan = await asyncio.to_thread(self._prepare)
        except OSError as error:
            raise ConfigError(f"the policies folder {self._folder} cannot be read: {error.strerror}") from None
        self._apply(plan)
        if not any(self._tenants.values()):
            reasons = "; ".join(str(error) for error in plan.errors.values()) or "it holds no policy"
            raise ConfigError(f"no policy of {self._folder} can be loaded: {reasons}")

    async def reload(self) -> ReloadResult:
        """Read, validate and compile off the loop, then swap what changed. What fails keeps the last good one."""
        async with self._one_at_a_time:
            try:
                plan = await asyncio.to_thread(self._prepare)
            except OSError as error:
                log.warning("policy.rejected", file=str(self._folder), reason=f"cannot be read: {error.strerror}")
                result: ReloadResult = "rejected"
            else:
                changed = self._apply(plan)
                result = "rejected" if plan.errors else "applied" if changed else "unchanged"
        self._on_reload(result)
        return result

    async def watch(self, stop: asyncio.Event) -> None:
        """Reload after every change of the folder until `stop` is set; also of a mounted ConfigMap's `..data`."""
        seen = await asyncio.to_thread(_fingerprint, self._folder)
        await self.reload()  # what changed between the first load and now
        changes = awatch(
            self._folder,
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_DEBOUNCE_MS,
            stop_event=stop,
            rust_timeout=_LOOK_AGAIN_MS,
            yield_on_timeout=True,
        )
        async for _ in changes:
            now = await asyncio.to_thread(_fingerprint, self._folder)
            if now != seen:
                seen = now
                await self.reload()

    def _prepare(self) -> _Plan:
        """Everything slow, off the loop; changes nothing but the parse cache."""
        folder = read_folder(self._folder, self._parsed.parsed if self._parsed else {})
        plan = _Plan(folder, errors={self._ids_of_files.get(f, f): error for f, error in folder.errors.items()})
        for policy_id, source in folder.sources.items():
            try:
                resolved = resolve(source, folder.sources)
                lists = read_lists(resolved, FolderFiles(self._folder))
                active = self._applied.get(policy_id)
                if active is None or active.digest != policy_digest(resolved, lists):
                    active = compile_parts(resolved, lists, self._concepts)
                plan.ready[policy_id] = active
            except PolicyRejected as error:
                plan.errors[policy_id] = error
            except TidegateError as error:  # a model failed while it read the examples
                plan.errors[policy_id] = PolicyRejected(f"cannot be compiled: {error}", file=source.file)
        tried = {tenant: spec.policy for tenant, spec in folder.candidates.items()}
        for tenant, policy_id in [*(folder.tenants or {}).items(), *tried.items()]:
            if policy_id not in plan.ready and policy_id not in plan.errors and policy_id not in plan.folder.sources:
                reason = f"tenant {tenant!r} has the policy {policy_id!r}, which no valid file holds"
                plan.errors[policy_id] = PolicyRejected(reason, file=TENANTS_FILE)
        return plan

    def _apply(self, plan: _Plan) -> bool:
        """Swap, tenant by tenant; True when anything came into force."""
        self._parsed = plan.folder
        self._ids_of_files |= {source.file: policy_id for policy_id, source in plan.folder.sources.items()}
        changed = False
        for policy_id, policy in plan.ready.items():
            if self._applied.get(policy_id) is not policy:
                self._applied[policy_id], self._activated[policy_id] = policy, self._clock.wall()
                log.info("policy.applied", policy=policy_id, version=policy.version, digest=policy.digest)
                changed = True
        if plan.folder.tenants is not None:
            self._ids, self._candidates = dict(plan.folder.tenants), plan.folder.candidates
        for tenant, policy_id in self._ids.items():
            now = self._applied.get(policy_id) or self._tenants.get(tenant)
            changed = changed or tenant not in self._tenants or self._tenants[tenant] is not now
            self._tenants[tenant] = now
        for tenant in self._tenants.keys() - self._ids.keys():
            del self._tenants[tenant]
            changed = True
        self._forget_unused(plan.folder.sources)
        self._say(plan.errors)
        return changed

    def _forget_unused(self, sources: Mapping[str, object]) -> None:
        """A policy whose file is gone stays while a tenant has it."""
        wanted = {policy.id for policy in self._tenants.values() if policy} | set(self._ids.values())
        wanted |= {spec.policy for spec in self._candidates.values()}
        for policy_id in [i for i in self._applied if i not in sources and i not in wanted]:
            del self._applied[policy_id], self._activated[policy_id]

    def _say(self, errors: Mapping[str, PolicyRejected]) -> None:
        """Log each error once, not at every reload."""
        for name, error in errors.items():
            if self._errors.get(name) != str(error):
                log.warning("policy.rejected", policy=name, file=error.file, line=error.line, reason=str(error))
        self._errors = {name: str(error) for name, error in errors.items()}

    def _status(self, name: str) -> PolicyStatus:
        active = self._applied.get(name)
        tenants = tuple(sorted(tenant for tenant, policy_id in self._ids.items() if policy_id == name))
        digest, version = (active.digest, active.version) if active else (None, None)
        return PolicyStatus(name, digest, version, self._activated.get(name), tenants, self._errors.get(name))


def _fingerprint(folder: Path) -> frozenset[tuple[str, int, int, int]]:
    """Names, inodes, times and sizes of all files, links followed; a file that vanishes meanwhile is left out."""
    found = set()
    for path in folder.rglob("*"):
        try:
            stat = path.stat()
        except OSError:
            continue  # gone again, or a dangling link: the reading itself says so when a policy needs it
        found.add((str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return frozenset(found)
