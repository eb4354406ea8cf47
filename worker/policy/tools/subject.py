"""One policy under lint: its merged tree, its own file, and how to say something about a place in it."""

from __future__ import annotations

from functools import cached_property

from worker.policy.document import PolicyDocument
from worker.policy.places import Path
from worker.policy.resolve import Resolved
from worker.policy.tools.findings import Finding, at_path
from worker.policy.tools.gather import Gathered
from worker.policy.tools.sites import Situations
from worker.policy.tools.standing import Tree
from worker.policy.tools.textmap import TextMap


class Subject:
    """A policy that could be merged with its parents. Only what its own file says is its own business."""

    def __init__(self, gathered: Gathered, policy_id: str) -> None:
        self.gathered, self.id = gathered, policy_id
        self.resolved: Resolved = gathered.resolved[policy_id]
        self.document: PolicyDocument = self.resolved.document
        self.file = gathered.sources[policy_id].file
        self.text: TextMap = gathered.texts[self.file]
        self.tree = Tree(self.resolved)
        self.situations = Situations(self.tree)

    @cached_property
    def parent(self) -> Resolved | None:
        """The policy it extends, merged."""
        extends = self.gathered.sources[self.id].document.extends
        return self.gathered.resolved.get(extends) if extends else None

    @cached_property
    def heirs(self) -> list[Subject]:
        """The policies that extend this one, near or far."""
        found = (i for i, other in self.gathered.resolved.items() if self.id in other.sources and i != self.id)
        return [Subject(self.gathered, i) for i in found]

    def owns(self, path: Path) -> bool:
        """True when the value in force at `path` stands in this policy's file."""
        return path in self.text.spans and self.resolved.origin(path) == self.id

    def find(
        self, code: str, path: Path, message: str, mend: str, *, value: bool = False, edit: bool = False
    ) -> Finding:
        """A finding at a path of the policy's own file."""
        return at_path(code, self.file, self.text, path, message, mend, value=value, edit=edit)
