"""Backtest: a log of decisions taken again under other policies, in as many processes as there are cores."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from worker.core.views import Thresholds
from worker.policy.compile import CompiledPolicy
from worker.policy.tools.decisions_log import Block, Log, blocks, decision, lines
from worker.policy.tools.loading import GivenPoints, PolicyFolder, by_digest
from worker.policy.tools.retrial import Retrial, Retried
from worker.policy.tools.tally import Tally

_SMALL_BYTES = 16 << 20  # less than this is done before other processes have started
_TOGETHER = 256  # decisions parsed and decided at once: what stays in the processor's cache


@dataclass(frozen=True, slots=True)
class Trial:
    """
    Which policies are tried; can be pickled.

    folder: where they stand. policy: the id of the one that decides everything; None: each tenant's own.
    tenant: whose decisions are tried; None: all. was: more folders with policies that may have decided the log.
    points: operating points as thresholds, by policy id, for those that are written with them.
    base: what to compare with, where it is not the log's own actions; its `policy` is set.
    """

    folder: PolicyFolder
    policy: str | None = None
    tenant: str | None = None
    was: tuple[PolicyFolder, ...] = ()
    points: Mapping[str, Thresholds] = field(default_factory=dict)
    base: Trial | None = None

    def ids(self) -> list[str]:
        """The ids of all policies that may be needed."""
        if self.policy is not None:
            return [self.policy]
        tenants = self.folder.folder.tenants or {}
        return sorted(set(tenants.values()))


class Court:
    """Decides blocks of a log again, in one process."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._known = by_digest((trial.folder, *trial.was))
        self._retrials: dict[str, Retrial] = {}
        self._base: Retrial | None = None
        if trial.base is not None and trial.base.policy is not None:
            self._base = Retrial(_compiled(trial.base, trial.base.policy), self._known)

    def block(self, block: Block) -> Tally:
        """Take every decision of a block again."""
        tally, whole = Tally(), lines(block)
        for start in range(0, len(whole), _TOGETHER):
            self._some(whole[start : start + _TOGETHER], tally)
        return tally

    def _some(self, some: Sequence[bytes], tally: Tally) -> None:
        by_policy: dict[str, list[Mapping[str, Any]]] = {}
        for line in some:
            said = decision(line)
            if said is None:
                tally.no_decisions += 1
                continue
            policy_id = self._policy_of(said["tenant"])
            if policy_id is None:
                tally.elsewhere += 1
            else:
                by_policy.setdefault(policy_id, []).append(said)
        for policy_id, decisions in by_policy.items():
            before = decisions if self._base is None else _as_decided(decisions, self._base.decide(decisions))
            for one, retried in zip(before, self._retrial(policy_id).decide(decisions), strict=True):
                if isinstance(one, Retried):
                    tally.unanswerable(one.missing)
                else:
                    tally.count(one, retried)
            _count_origins(tally, decisions)

    def ready(self, policy_id: str) -> None:
        """Compile a policy now, so that what is wrong with it is said first. Raises PolicyRejected."""
        self._retrial(policy_id)

    def _policy_of(self, tenant: str) -> str | None:
        trial = self._trial
        if trial.tenant is not None and tenant != trial.tenant:
            return None
        return trial.policy if trial.policy is not None else trial.folder.of_tenant(tenant)

    def _retrial(self, policy_id: str) -> Retrial:
        retrial = self._retrials.get(policy_id)
        if retrial is None:
            retrial = self._retrials[policy_id] = Retrial(_compiled(self._trial, policy_id), self._known)
        return retrial


def _compiled(trial: Trial, policy_id: str) -> CompiledPolicy:
    points = trial.points.get(policy_id)
    return trial.folder.compiled(policy_id, None if points is None else GivenPoints(points))


def _as_decided(
    decisions: Sequence[Mapping[str, Any]], answers: Sequence[Retried]
) -> Iterator[Mapping[str, Any] | Retried]:
    """The decisions as the base takes them; its answer where it cannot be exact."""
    for one, answer in zip(decisions, answers, strict=True):
        if answer.action is None or answer.at_least:
            yield answer
        else:
            reasons = [{"category": r.category, "action": r.action.label} for r in answer.verdict.reasons]
            yield {**one, "action": answer.action.label, "reasons": reasons}


def backtest(trial: Trial, logs: Sequence[Log], processes: int | None = None) -> Iterator[tuple[Tally, int]]:
    """
    The tally of each block with the bytes read so far, as they come; add them up.

    Args:
        processes: how many; None: one a core, and none beside this one for a small log.

    Raises:
        ConfigError: a log cannot be read. PolicyRejected: a policy does not compile.
    """
    court = Court(trial)
    for policy_id in trial.ids():
        court.ready(policy_id)
    work = blocks(logs)
    first: list[tuple[Block, int]] = []
    for one in work:
        first.append(one)
        if one[1] > _SMALL_BYTES:
            break
    count = processes or (_cores() if first and first[-1][1] > _SMALL_BYTES else 1)
    if count == 1:
        for block, read in _chained(first, work):
            yield court.block(block), read
        return
    context = multiprocessing.get_context("spawn")  # forking a process with threads (BLAS) can hang
    with ProcessPoolExecutor(count, context, _begin, (trial,)) as pool:
        running: deque[tuple[Future[Tally], int]] = deque()
        for block, read in _chained(first, work):
            running.append((pool.submit(_take, block), read))
            if len(running) > 2 * count:
                future, done = running.popleft()
                yield future.result(), done
        for future, done in running:
            yield future.result(), done


def _chained(first: Sequence[tuple[Block, int]], rest: Iterator[tuple[Block, int]]) -> Iterator[tuple[Block, int]]:
    yield from first
    yield from rest


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_court: Court | None = None  # of a process of the pool


def _begin(trial: Trial) -> None:
    global _court
    _court = Court(trial)
    gc.disable()  # decisions make no cycles, and looking for some took a third of the time


def _take(block: Block) -> Tally:
    assert _court is not None
    return _court.block(block)


def _count_origins(tally: Tally, decisions: Sequence[Mapping[str, Any]]) -> None:
    tally.policies.update((said["policy"]["id"], said["policy"]["version"]) for said in decisions)
    tally.models.update((model["name"], model["digest"]) for said in decisions for model in said["models"])
