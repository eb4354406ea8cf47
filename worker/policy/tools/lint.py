"""Lint of a folder of policies: what a reload would refuse, all of it, and what its author most likely did not mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as Folder
from types import MappingProxyType

from worker.core.errors import PolicyRejected
from worker.policy.compile import compile_parts
from worker.policy.files import FolderFiles
from worker.policy.lists import read_lists
from worker.policy.tools.check_calls import check_calls
from worker.policy.tools.check_lists import check_lists
from worker.policy.tools.check_overload import check_overload
from worker.policy.tools.check_redundant import check_redundant
from worker.policy.tools.check_rest import check_conditions, check_references, check_tests
from worker.policy.tools.check_tree import check_tree
from worker.policy.tools.findings import Finding
from worker.policy.tools.gather import Gathered, gather
from worker.policy.tools.loading import NoModels
from worker.policy.tools.subject import Subject

_CHECKS = (check_conditions, check_lists, check_tests, check_tree, check_redundant, check_overload, check_calls)
_AS_IT_IS: Mapping[str, str] = MappingProxyType({})


def lint(folder: Folder, files: Sequence[str] | None = None, overlay: Mapping[str, str] = _AS_IT_IS) -> list[Finding]:
    """
    Everything there is to say about the policies of a folder, by file and line. No model is loaded.

    files: names to report about; None for all. A policy file stands for the lists it names too.
    overlay: texts to take in place of what stands in the files of these names.

    Raises:
        OSError: the folder cannot be listed.
    """
    gathered = gather(folder, overlay)
    wanted = None if files is None else set(files)
    for policy_id in gathered.resolved:
        subject = Subject(gathered, policy_id)
        if wanted is None or subject.file in wanted:
            _lint_policy(subject)
            if wanted is not None:
                wanted |= {terms.list_ for terms in subject.document.terms or () if terms.list_}
    found = [one for one in gathered.findings if wanted is None or one.file in wanted]
    unique = {(one.code, one.file, one.line, one.column, one.message): one for one in found}
    return sorted(unique.values(), key=lambda one: (one.file, one.line, one.column, one.code))


def _lint_policy(subject: Subject) -> None:
    gathered = subject.gathered
    before = sum(1 for one in gathered.findings if one.severity == "error")
    check_references(subject)
    for check in _CHECKS:
        gathered.findings.extend(check(subject))
    if before == sum(1 for one in gathered.findings if one.severity == "error"):
        _compile(subject, gathered)


def _compile(subject: Subject, gathered: Gathered) -> None:
    """The reload's own last word: what no check above foresaw is still said."""
    try:
        compile_parts(subject.resolved, read_lists(subject.resolved, FolderFiles(gathered.folder)), NoModels())
    except PolicyRejected as error:
        gathered.rejected("TG119", error, value=True)
