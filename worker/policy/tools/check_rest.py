"""Lint of conditions, references and tests."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from worker.core.errors import PolicyRejected
from worker.policy.compile import unknown_categories
from worker.policy.conditions import compile_condition
from worker.policy.places import Path
from worker.policy.tools.findings import Finding, at_offsets
from worker.policy.tools.subject import Subject

_CONDITION = "write a condition like context.audience == 'kids' && 'image' in parts (docs/policies.md, Conditions)"


def check_references(subject: Subject) -> None:
    """TG109, noted with what else is refused."""
    for error in unknown_categories(subject.resolved, subject.tree.index):
        if error.file == subject.file:
            wanted = error.reason.partition("'")[2].partition("'")[0]
            near = difflib.get_close_matches(wanted, subject.tree.index, n=1)
            mend = f"did you mean {near[0]!r}?" if near else "add it, or name one that is there"
            value = not (error.where or "").startswith("when")
            subject.gathered.rejected("TG109", error, mend, value=value)


def check_conditions(subject: Subject) -> Iterator[Finding]:
    """TG110, TG301 and TG302."""
    for number, when in enumerate(subject.tree.whens):
        path: Path = ("when", number)
        if not subject.owns(path) and not subject.owns(("when",)):
            continue
        try:
            compile_condition(when.if_, number, subject.resolved)
        except PolicyRejected as error:
            subject.gathered.rejected("TG110", error, _CONDITION, value=True)
            continue
        found = subject.situations.cases((number,))
        if not found.complete or not found.exact:
            continue
        outcomes = {case.outcomes[0] for case in found.cases}
        if True not in outcomes:
            fails = " (where it fails, its stricter side counts)" if None in outcomes else ""
            message = f"this condition is never true, whatever the event{fails}"
            mend = "mend it, or take the whole entry out"
            cut = (lambda now, path=path: now.without(path)) if None not in outcomes else None
            start, end = subject.text.nearest((*path, "if")).value
            yield at_offsets("TG301", subject.file, subject.text, start, end, f"when[{number}].if", message, mend, cut)
        elif outcomes == {True}:
            mend = "set its values at the nodes themselves, or mend it"
            yield subject.find("TG302", (*path, "if"), "this condition is true for every event", mend, value=True)


def check_tests(subject: Subject) -> Iterator[Finding]:
    """TG501 and TG502."""
    if not subject.owns(("tests",)):
        return
    names: set[str] = set()
    for number, case in enumerate(subject.document.tests or ()):
        path: Path = ("tests", number)
        if case.category is None and case.expect != "allow":
            mend = "add `category`, so that the test fails when another node acts in its place"
            yield subject.find("TG501", path, f"test {case.name!r} says {case.expect} and not by which category", mend)
        if case.name in names:
            mend = "give it a name of its own"
            yield subject.find("TG502", (*path, "name"), f"another test is called {case.name!r}", mend, value=True)
        names.add(case.name)
