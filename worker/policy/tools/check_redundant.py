"""Lint of what changes nothing: fields equal to what is inherited anyway, in the tree, in conditions, from a parent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.policy.places import Path
from worker.policy.tools.findings import Finding
from worker.policy.tools.sites import Site, is_redundant, sites
from worker.policy.tools.subject import Subject
from worker.policy.tree import document_path

_IDENTITY = ("id", "version", "extends", "description")
_MEND = "take it out"
_MARKS = ("severe", "restricted")
_NOTHING = object()


def check_redundant(subject: Subject) -> Iterator[Finding]:
    """TG204, once a place."""
    said: set[Path] = set()
    for finding, path in (*_repeats(subject), *_inherited(subject), *_marks(subject)):
        if path not in said:
            said.add(path)
            yield finding


def _repeats(subject: Subject) -> Iterator[tuple[Finding, Path]]:
    """What the policy that is extended says already."""
    if subject.parent is None:
        return
    parent = subject.parent
    mine = subject.gathered.sources[subject.id].tree
    for path, value in _same(mine, parent.tree, ()):
        name = str(path[-1])
        if value is None:
            message = f"{name} removes nothing: {parent.id} has no such field"
        else:
            message = f"{name} repeats what {parent.id} says already"
        yield subject.find("TG204", path, message, _MEND, edit=True), path


def _same(mine: Mapping[str, Any], theirs: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """The members of `mine` that merging over `theirs` would not notice; a whole object where all of it is so."""
    known = theirs if isinstance(theirs, dict) else {}
    for name, value in mine.items():
        if not path and name in _IDENTITY:
            continue
        here, there = (*path, name), known.get(name, _NOTHING)
        if value is None and there is _NOTHING:
            yield here, None
        elif isinstance(value, dict) and isinstance(there, dict):
            inner = list(_same(value, there, here))
            whole = len([place for place, _ in inner if len(place) == len(here) + 1]) == len(value)
            if value and whole:
                yield here, value
            else:
                yield from inner
        elif value is not None and value == there and type(value) is type(there):
            yield here, value


def _inherited(subject: Subject) -> Iterator[tuple[Finding, Path]]:
    """A threshold or mode that stands there anyway: from a parent node, or because something else always wins."""
    for site in sites(subject.tree):
        for name in site.fields:
            path = (*site.path, name)
            if not subject.owns(path) or _in_parent(subject, path) or not is_redundant(subject.situations, site, name):
                continue
            if all(_redundant_in(heir, subject, site, name) for heir in subject.heirs):
                yield subject.find("TG204", path, _message(subject, site, name), _MEND, edit=True), path


def _in_parent(subject: Subject, path: Path) -> bool:
    """True when the policy that is extended has this very field, so that without it that one would count."""
    if subject.parent is None or path[0] != "categories":
        return False
    tree: Any = subject.parent.tree
    for step in path:
        if not isinstance(tree, dict) or step not in tree:
            return False
        tree = tree[step]
    return True


def _redundant_in(heir: Subject, subject: Subject, site: Site, name: str) -> bool:
    """True when a policy that extends this one would not notice either."""
    path = (*site.path, name)
    if heir.resolved.origin(path) != subject.id:
        return True
    same = next((one for one in sites(heir.tree) if one.path == site.path and name in one.fields), None)
    return same is None or is_redundant(heir.situations, same, name)


def _message(subject: Subject, site: Site, name: str) -> str:
    node = subject.tree.nodes[site.node].path
    where = f"when[{site.number}] setting {name} of {node}" if site.number is not None else f"{name} of {node}"
    inside = f" for {site.path[-1]}" if site.path[-2] == "on" else ""
    return f"{where}{inside} changes nothing: the same stands there without it"


def _marks(subject: Subject) -> Iterator[tuple[Finding, Path]]:
    """`severe`, `restricted` and `rollup` that say what holds anyway."""
    tree = subject.tree
    for index, node in enumerate(tree.nodes):
        path = document_path(node.path)
        for name in _MARKS:
            own = getattr(node.spec, name)
            above = (getattr(tree.nodes[i].spec, name) for i in tree.ancestors(index)[1:])
            inherited = next((said for said in above if said is not None), False)
            if own is not None and own == inherited and subject.owns((*path, name)) and not subject.heirs:
                message = f"{name} of {node.path} changes nothing: it is {str(own).lower()} without it"
                yield _mark(subject, path, name, message)
        if (
            node.spec.rollup is not None
            and subject.owns((*path, "rollup"))
            and not _in_parent(subject, (*path, "rollup"))
        ):
            if node.parent < 0:
                yield _mark(subject, path, "rollup", f"rollup of {node.path} changes nothing: it has no parent")
            elif node.spec.rollup:
                yield _mark(
                    subject, path, "rollup", f"rollup of {node.path} changes nothing: scores roll up without it"
                )


def _mark(subject: Subject, path: Path, name: str, message: str) -> tuple[Finding, Path]:
    place = (*path, name)
    return subject.find("TG204", place, message, _MEND, edit=not _in_parent(subject, place)), place
