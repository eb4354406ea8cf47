"""A folder of policies for the tools: compiled without a model, ready to be sent to another process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.core.errors import ConfigError, PolicyRejected, SourceUnavailable
from worker.core.ports import OPERATING_POINTS, CategorySpec, ConceptCompiler
from worker.core.views import Concepts, Thresholds
from worker.policy.compile import CompiledPolicy, compile_policy, concepts_of
from worker.policy.folder import EVERYONE, Folder, read_folder
from worker.policy.resolve import Resolved, resolve
from worker.policy.tree import flatten


class NoModels:
    """A concept compiler for what needs no model: decisions from scores that are there already."""

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        """Nothing: no scorer will look."""
        return {}

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """None: where the operating points stand is a model's to say."""
        return None


class GivenPoints(NoModels):
    """As `NoModels`, for a policy whose operating points a model has turned into thresholds already."""

    def __init__(self, points: Thresholds) -> None:
        self._points = points

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """The very ones."""
        return self._points


@dataclass(frozen=True, slots=True)
class PolicyFolder:
    """A folder, read. Can be pickled: another process compiles for itself."""

    path: Path
    folder: Folder

    def resolved(self, policy_id: str) -> Resolved:
        """
        The policy with its parents merged in.

        Raises:
            PolicyRejected: it or a parent is not there, or does not fit.
        """
        source = self.folder.sources.get(policy_id)
        if source is None:
            for error in self.folder.errors.values():
                raise error
            known = ", ".join(sorted(self.folder.sources))
            raise PolicyRejected(f"there is no policy {policy_id!r} in {self.path}: it has {known}")
        return resolve(source, self.folder.sources)

    def compiled(self, policy_id: str, concepts: ConceptCompiler | None = None) -> CompiledPolicy:
        """The policy, ready to decide; without `concepts` no model takes part. Raises PolicyRejected."""
        return compile_policy(self.resolved(policy_id), self.path, concepts or NoModels())

    def of_tenant(self, tenant: str) -> str | None:
        """The id of the tenant's policy, else that of `"*"`."""
        tenants = self.folder.tenants or {}
        return tenants.get(tenant, tenants.get(EVERYONE))


def open_folder(path: Path) -> PolicyFolder:
    """
    Read a folder of policies.

    Raises:
        ConfigError: it cannot be listed.
    """
    try:
        return PolicyFolder(path, read_folder(path, {}))
    except SourceUnavailable as error:
        raise ConfigError(str(error)) from None


def points_of(resolved: Resolved, concepts: ConceptCompiler) -> Thresholds | None:
    """The policy's operating points as thresholds (see `ConceptCompiler.points`); they need the models."""
    document = resolved.document
    return concepts.points(concepts_of(flatten(document.categories), document.when or ()))


def has_points(resolved: Resolved) -> bool:
    """True when some threshold of the policy is written as an operating point."""
    waiting: list[Any] = [resolved.tree.get("categories"), [when.get("set") for when in resolved.tree.get("when", ())]]
    while waiting:
        said = waiting.pop()
        if isinstance(said, dict):
            if any(said.get(name) in OPERATING_POINTS for name in ("flag", "block") if isinstance(said.get(name), str)):
                return True
            waiting += said.values()
        elif isinstance(said, list):
            waiting += said
    return False


def by_digest(folders: Iterable[PolicyFolder]) -> dict[str, CompiledPolicy]:
    """Every policy of the folders that compiles, by the digest its decisions carry; what does not, decided nothing."""
    found = {}
    for folder in folders:
        for policy_id in folder.folder.sources:
            try:
                compiled = folder.compiled(policy_id)
            except PolicyRejected:
                continue  # a file with a mistake was never in force, so no decision can carry its digest
            found[compiled.digest] = compiled
    return found
