"""A policy file as somebody would have it: their thresholds in its text, checked and not yet written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.console.library import Library
from worker.console.patching import patch_of, patched, thresholds_in
from worker.core.errors import PolicyRejected
from worker.policy.reading import Source
from worker.policy.tools.loading import PolicyFolder
from worker.policy.tree import flatten
from worker.serve.problems import Refused


@dataclass(frozen=True, slots=True)
class Draft:
    """source: the file as it stands. text: as the draft has it. folder: the set with the text in it."""

    source: Source
    patch: Mapping[str, Any]
    text: str
    folder: PolicyFolder
    policy_id: str


def make_draft(library: Library, opened: PolicyFolder, policy_id: str, said: Mapping[str, Any], **more: Any) -> Draft:
    """
    What a page's `thresholds` make of a policy.

    more: fields to set beside them.

    Raises:
        PolicyRejected: a category that the policy does not have, or a file that could not be loaded.
        Refused: 404, there is no such policy.
    """
    source = source_of(opened, policy_id)
    thresholds = thresholds_in(said.get("thresholds", {}))
    known = {node.path for node in flatten(opened.resolved(policy_id).document.categories)}
    if unknown := sorted(thresholds.keys() - known):
        raise PolicyRejected(f"policy {policy_id} has no category {unknown[0]!r}")
    patch = patch_of(thresholds) | more
    text = patched(source, patch)
    return Draft(source, patch, text, library.drafted(source.file, text)[0], policy_id)


def source_of(opened: PolicyFolder, policy_id: str) -> Source:
    """Raises Refused: 404."""
    source = opened.folder.sources.get(policy_id)
    if source is None:
        raise Refused(404, "no_policy", "there is no such policy, or its file has a mistake")
    return source
