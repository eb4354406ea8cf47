"""The policies that the console shows and tries: read from their folder, compiled when they changed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from worker.core.errors import ConfigError, PolicyRejected
from worker.core.ports import ConceptCompiler
from worker.originals import is_restricted
from worker.policy.compile import CompiledPolicy
from worker.policy.conditions import compile_conditions
from worker.policy.reading import read_policy
from worker.policy.tools.explain import explain
from worker.policy.tools.loading import NoModels, PolicyFolder, open_folder, points_of
from worker.policy.tools.standing import Tree
from worker.policy.tools.stored import findings_of


class Library:
    """
    Args:
        folder: None where policies come from elsewhere: then decisions are shown as they are, without a tree.
        concepts: of the models at hand; without them operating points have no number.
    """

    def __init__(self, folder: Path | None, concepts: ConceptCompiler | None) -> None:
        self.folder = folder
        self._concepts = concepts or NoModels()
        self._lock = threading.Lock()
        self._stamp: tuple[Any, ...] = ()
        self._opened: PolicyFolder | None = None
        self._compiled: dict[str, CompiledPolicy] = {}

    def opened(self) -> PolicyFolder:
        """The folder as it stands now. Raises ConfigError when there is none."""
        if self.folder is None:
            raise ConfigError("policies do not come from a folder here: their pages are shown where one is")
        with self._lock:
            stamp = _stamp_of(self.folder)
            if self._opened is None or stamp != self._stamp:
                self._opened, self._stamp, self._compiled = open_folder(self.folder), stamp, {}
            return self._opened

    def compiled(self, policy_id: str) -> CompiledPolicy:
        """A policy as it stands in the folder. Raises ConfigError, PolicyRejected."""
        opened = self.opened()
        with self._lock:
            found = self._compiled.get(policy_id)
            if found is None:
                found = self._compiled[policy_id] = opened.compiled(policy_id, self._concepts)
            return found

    def known(self) -> dict[str, CompiledPolicy]:
        """Every policy of the folder that compiles, by digest."""
        found = {}
        for policy_id in self.opened().folder.sources:
            try:
                policy = self.compiled(policy_id)
            except PolicyRejected:
                continue  # a file with a mistake was never in force
            found[policy.digest] = policy
        return found

    def tree(self, opened: PolicyFolder, policy_id: str) -> Tree:
        """Its nodes, with operating points as numbers. Raises PolicyRejected."""
        resolved = opened.resolved(policy_id)
        return Tree(resolved, points_of(resolved, self._concepts))

    def drafted(self, file: str, text: str) -> tuple[PolicyFolder, str]:
        """The folder with `text` in place of a file, and that policy's id. Raises PolicyRejected, ConfigError."""
        opened = self.opened()
        source = read_policy(text.encode(), file)
        sources = {policy_id: one for policy_id, one in opened.folder.sources.items() if one.file != file}
        sources[source.document.id] = source
        return PolicyFolder(opened.path, replace(opened.folder, sources=sources)), source.document.id

    def compile_draft(self, drafted: PolicyFolder, policy_id: str) -> CompiledPolicy:
        """Raises PolicyRejected."""
        return drafted.compiled(policy_id, self._concepts)

    def explained(self, decision: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[str]]:
        """The tree of a stored decision, and what is to be said with it; None where its policy is not at hand."""
        notes = [f"{one['where']}: {one['reason']}" for one in decision.get("degraded") or ()]
        about = decision["policy"]
        try:
            policy = self.compiled(str(about["id"]))
            tree = self.tree(self.opened(), policy.id)
        except (ConfigError, PolicyRejected) as error:
            return None, [*notes, f"its policy cannot be shown: {error}"]
        if policy.digest != about["digest"]:
            notes.append(f"decided under version {about['version']}; tree and thresholds are those of {policy.version}")
        findings = findings_of(decision, policy)
        conditions = compile_conditions(tree.whens, tree.resolved)
        why = explain(tree, conditions, findings, policy.decide([findings])[0])
        return why.as_json() | {"depth": {node.path: node.depth for node in why.nodes}}, notes

    def restricted(self, decision: Mapping[str, Any]) -> bool:
        """True when content of this decision is shown to nobody here: a restricted category, or nobody can tell."""
        try:
            policy = self.compiled(str(decision["policy"]["id"]))
        except (ConfigError, PolicyRejected):
            policy = None
        return is_restricted(policy, decision)


def _stamp_of(folder: Path) -> tuple[Any, ...]:
    """Changes when any file of the set does."""
    files = (one for one in folder.rglob("*") if one.is_file() and not one.name.startswith("."))
    return tuple(sorted((str(one), (s := one.stat()).st_mtime_ns, s.st_size) for one in files))
