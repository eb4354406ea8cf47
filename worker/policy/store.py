"""The store: policies from a source into the book. What fails keeps the last good one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Literal, ParamSpec, TypeVar

import structlog

from worker.core.clock import Clock
from worker.core.errors import ConfigError, ModelFailed, PolicyRejected, SourceUnavailable
from worker.core.ports import ConceptCompiler
from worker.policy.book import Book
from worker.policy.compile import CompiledPolicy
from worker.policy.files import FileSet, SetFile
from worker.policy.folder import TENANTS_FILE, Folder
from worker.policy.lastgood import Good, GoodSet
from worker.policy.recompile import Outcome, Recompiler
from worker.policy.safeguards import Safeguards
from worker.policy.signing import verify
from worker.policy.source import PolicySource
from worker.policy.status import PolicyStatus, SourceStatus, stamp

ReloadResult = Literal["applied", "rejected", "unchanged"]
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")

_RETRY_S = 10.0  # for a cause that may pass without any file changing

log = structlog.get_logger(__name__)


class PolicyStore:
    """
    The port `PolicyBook`, kept up to date from a source.

    Args:
        concept_compiler: turns categories into what the scorers look for.
        clock: for the time stamps of `/status`.
        on_reload: called with the result of each reload, on the loop.
        on_status: called with the status of the policies where it changed, on the loop.
    """

    def __init__(
        self,
        source: PolicySource,
        concept_compiler: ConceptCompiler,
        clock: Clock,
        on_reload: Callable[[ReloadResult], None] = lambda result: None,
        safeguards: Safeguards | None = None,
        on_status: Callable[[Sequence[PolicyStatus]], None] = lambda statuses: None,
    ) -> None:
        safeguards = safeguards or Safeguards()
        self._source, self._clock, self._on_reload, self._on_status = source, clock, on_reload, on_status
        self._own_tests, self._last_good, self._key = safeguards.own_tests, safeguards.last_good, safeguards.key
        self._book = Book(clock)
        self._recompiler = Recompiler(concept_compiler, self._book.in_force)
        self.source_status = SourceStatus(source.name)
        self._problems: dict[str, PolicyRejected] = {}  # by policy id, else by file
        self._ids_of_files: dict[str, str] = {}  # as last read without error, so that an error finds its policy
        self._tenants_file: SetFile | None = None  # the last good one
        self._told: dict[str, PolicyStatus] = {}
        self._unsaved = False
        self._one_at_a_time = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="policies")

    def of(self, tenant: str) -> CompiledPolicy | None:
        """As the port says."""
        return self._book.of(tenant)

    def candidate_of(self, tenant: str, event_id: str) -> CompiledPolicy | None:
        """As `Book` says."""
        return self._book.candidate_of(tenant, event_id)

    def status(self) -> list[PolicyStatus]:
        """Every policy and every file in error, by name."""
        return self._book.status(self._problems)

    async def load(self) -> None:
        """
        The first load, off the loop. What is bad is said, and its last good version taken where there is one on disk.

        Raises:
            ConfigError: nothing can be loaded at all.
        """
        async with self._one_at_a_time:
            saved = await self._off_loop(self._last_good.load) if self._last_good else None
            self._ids_of_files = {good.file: name for name, good in (saved.policies if saved else {}).items()}
            files, folder = await self._read(), None
            if files is not None:
                folder, _ = await self._bring(files, gently=False)
            elif saved is None:
                raise ConfigError(str(self.source_status.message))
            else:
                log.warning("policies.last_good", saved=stamp(saved.saved), effect="starting with the set on disk")
            if saved is not None:
                await self._restore(saved, folder)
            if self._book.is_empty:
                reasons = "; ".join(str(error) for error in self._problems.values()) or "it holds no policy"
                raise ConfigError(f"no policy of {self._source.name} can be loaded: {reasons}")
            self._unsaved = folder is not None
            self._tell()

    async def reload(self) -> ReloadResult:
        """Read, validate and compile off the loop, then swap what changed. What fails keeps the last good one."""
        async with self._one_at_a_time:
            files = await self._read()
            result: ReloadResult = "rejected"
            if files is not None:
                _, changed = await self._bring(files, gently=True)
                result = "rejected" if self._problems else "applied" if changed else "unchanged"
                self._unsaved = self._unsaved or changed
            self._on_reload(result)
            self._tell()
            await self._save()
        return result

    async def watch(self, stop: asyncio.Event) -> None:
        """Reload after every change of the source, and now and then while a cause may pass, until `stop` is set."""
        await self.reload()  # what changed between the first load and now
        news: asyncio.Task[None] | None = None
        try:
            while not stop.is_set():
                news = news or asyncio.create_task(self._source.changed(stop), name="policy source")
                passing = any(outcome.passing for outcome in self._recompiler.known.values())
                done, _ = await asyncio.wait({news}, timeout=_RETRY_S if passing else None)
                if done:
                    news.result()
                    news = None
                if not stop.is_set():
                    await self.reload()
        finally:
            if news is not None:
                news.cancel()
                await asyncio.gather(news, return_exceptions=True)
            await self._source.stop()
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _bring(self, files: FileSet, *, gently: bool) -> tuple[Folder, bool]:
        """Bring a set into force, policy by policy; what it was read as, and whether anything changed."""
        folder, wanted = await self._off_loop(self._recompiler.read, files)
        self._ids_of_files |= {source.file: policy_id for policy_id, source in folder.sources.items()}
        changed = False
        turns = self._recompiler.compile(wanted, folder, files, gently=gently)
        while (turn := await self._off_loop(next, turns, None)) is not None:
            for outcome in turn:
                tested = await self._tested(outcome)
                self._recompiler.remember(tested)
                changed |= self._enforce(tested)
        if folder.tenants is not None:
            self._tenants_file = files.find(TENANTS_FILE)
        changed |= self._book.assign(folder)
        self._book.forget_unused(folder.sources)
        self._say(self._problems_of(folder))
        return folder, changed

    async def _read(self) -> FileSet | None:
        """The source's set, once its signature is good; None on a failure, which then stands in the source's status."""
        status = self.source_status
        status.last_request = self._clock.wall()
        try:
            files = await self._source.read()
            status.last_successful_request = self._clock.wall()
            if files.revision != status.revision:
                if self._key is not None:
                    await self._off_loop(verify, files, self._key)
                status.revision, status.last_successful_download = files.revision, self._clock.wall()
        except (SourceUnavailable, PolicyRejected, ConfigError) as error:
            code = error.code if isinstance(error, PolicyRejected) else "source_unavailable"
            if status.message != str(error):
                log.warning("policies.not_read", source=status.name, code=code, reason=str(error))
            status.code, status.message = code, str(error)
            return None
        status.code = status.message = None
        return files

    async def _tested(self, outcome: Outcome) -> Outcome:
        """The outcome once the policy's own tests were run; one in force already has passed them."""
        policy = outcome.policy
        if policy is None or self._own_tests is None or self._book.in_force.get(policy.id) is policy:
            return outcome
        try:
            failed = await self._own_tests.run(policy, outcome.source)
        except ModelFailed as error:
            failed = PolicyRejected(str(error), file=outcome.source.file, code="model_failed")
            return replace(outcome, policy=None, error=failed, passing=True)
        return outcome if failed is None else replace(outcome, policy=None, error=failed)

    def _enforce(self, outcome: Outcome, *, activated: float | None = None) -> bool:
        """Put a policy into force when it is good; activated: when it was, for one that comes from disk."""
        policy = outcome.policy
        if policy is None:
            return False
        since = self._clock.wall() if activated is None else activated
        good = Good(outcome.source.file, policy.digest, since, outcome.made_of or {})
        if not self._book.put(policy, good, restored=activated is not None):
            return False
        event = "policy.applied" if activated is None else "policy.restored"
        log.info(event, policy=policy.id, version=policy.version, digest=policy.digest)
        return True

    def _problems_of(self, folder: Folder) -> dict[str, PolicyRejected]:
        problems = {self._ids_of_files.get(file, file): error for file, error in folder.errors.items()}
        for policy_id in folder.sources:
            outcome = self._recompiler.known.get(policy_id)
            if outcome is not None and outcome.error is not None:
                problems[policy_id] = outcome.error
        tried = {tenant: spec.policy for tenant, spec in folder.candidates.items()}
        for tenant, policy_id in [*(folder.tenants or {}).items(), *tried.items()]:
            if policy_id not in folder.sources and policy_id not in problems:
                reason = f"tenant {tenant!r} has the policy {policy_id!r}, which no valid file holds"
                problems[policy_id] = PolicyRejected(reason, file=TENANTS_FILE)
        return problems

    def _say(self, problems: dict[str, PolicyRejected]) -> None:
        """Log each problem once, not at every reload."""
        for name, error in problems.items():
            if str(self._problems.get(name)) != str(error):
                log.warning("policy.rejected", policy=name, file=error.file, line=error.line, reason=str(error))
        self._problems = problems

    def _tell(self) -> None:
        """Give on the status of every policy where it changed."""
        now = {status.id: status for status in self.status()}
        changed = [status for name, status in now.items() if self._told.get(name) != status]
        self._told = now
        if changed:
            self._on_status(changed)

    async def _restore(self, saved: GoodSet, folder: Folder | None) -> None:
        """Take from disk what tenants have and the source gives no good version of; all of it without a source."""
        assigned = folder if folder is not None and folder.tenants is not None else self._recompiler.tenants(saved)
        wanted = {*(assigned.tenants or {}).values(), *(spec.policy for spec in assigned.candidates.values())}
        missing = {name: good for name, good in saved.policies.items() if name not in self._book.in_force}
        goods = missing if folder is None else {name: good for name, good in missing.items() if name in wanted}
        turns = self._recompiler.restore(goods)
        while (outcome := await self._off_loop(next, turns, None)) is not None:
            if folder is None:
                self._recompiler.remember(outcome)
            self._enforce(outcome, activated=saved.policies[outcome.source.document.id].activated)
        if self._tenants_file is None:
            self._tenants_file = saved.tenants
        self._book.assign(assigned)

    async def _save(self) -> None:
        """Keep what is in force for a restart; what fails is said and tried again at the next reload."""
        if self._last_good is None or not self._unsaved:
            return
        revision, wall = self.source_status.revision or "", self._clock.wall()
        good = GoodSet(dict(self._book.goods), self._tenants_file, revision, wall)
        try:
            await self._off_loop(self._last_good.save, good)
        except (OSError, ValueError) as error:
            log.warning("policies.not_saved", reason=str(error), effect="a restart would start with an older set")
        else:
            self._unsaved = False

    async def _off_loop(self, call: Callable[_Given, _Found], *args: _Given.args, **more: _Given.kwargs) -> _Found:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(call, *args, **more))
