"""Where a policy sets a threshold or mode: each place in its document, and what it would be without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.core.errors import PolicyRejected
from worker.core.events import PART_TYPES
from worker.policy.conditions import Condition, Outcomes, compile_condition
from worker.policy.document import Category, Setting
from worker.policy.places import Path
from worker.policy.tools.standing import PARTS, Own, Said, Tree
from worker.policy.tools.worlds import Cases, cases
from worker.policy.tree import ANY, FIELDS, Slot, document_path, fields_of


@dataclass(frozen=True, slots=True)
class Site:
    """
    A node, a type of part of it, or a condition's setting of one, that sets at least one field.

    path: in the document, of the object that holds the fields. number: of the condition; None in the tree.
    """

    path: Path
    node: int
    part: int  # a type of part, or ANY
    number: int | None
    fields: tuple[str, ...]

    @property
    def parts(self) -> Sequence[int]:
        """The types that the site speaks of."""
        return PARTS if self.part == ANY else (self.part,)


class Situations:
    """A tree with its conditions compiled: which of their outcomes can meet."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._conditions: list[Condition | None] = []
        for number, when in enumerate(tree.whens):
            try:
                self._conditions.append(compile_condition(when.if_, number, tree.resolved))
            except PolicyRejected:  # said by itself, at its own place; here it may be anything
                self._conditions.append(None)
        self._known: dict[tuple[int, ...], Cases] = {}

    def cases(self, numbers: Sequence[int]) -> Cases:
        """The outcomes that these conditions can have together."""
        key = tuple(numbers)
        found = self._known.get(key)
        if found is None:
            known = [self._conditions[i] for i in key]
            whole = [condition for condition in known if condition is not None]
            if len(whole) < len(known):
                found = Cases((), exact=False, complete=False)
            else:
                found = cases(whole, [self.tree.whens[i].if_ for i in key])
            self._known[key] = found
        return found

    def said(self, numbers: Sequence[int], must: int | None = None) -> list[Said] | None:
        """Each combination in which condition `must` is not false; None when there may be others than those known."""
        found = self.cases(numbers)
        if not found.complete:
            return None
        combinations: list[Outcomes] = [case.outcomes for case in found.cases]
        each = [dict(zip(numbers, outcomes, strict=True)) for outcomes in combinations]
        return [said for said in each if must is None or said[must] is not False]


def sites(tree: Tree) -> Iterator[Site]:
    """Every site of a resolved policy, the tree's before the conditions'."""
    for index, node in enumerate(tree.nodes):
        yield from _sites(document_path(node.path), index, node.spec, None)
    for number, when in enumerate(tree.whens):
        for path, setting in when.set_.items():
            if path in tree.index:
                yield from _sites(("when", number, "set", path), tree.index[path], setting, number)


def _sites(path: Path, node: int, spec: Category | Setting, number: int | None) -> Iterator[Site]:
    by_part: dict[int, list[str]] = {}
    for (_, name, part), _, _ in fields_of(node, spec):
        by_part.setdefault(part, []).append(name)
    for part, names in by_part.items():
        here = path if part == ANY else (*path, "on", PART_TYPES[part].label)
        yield Site(here, node, part, number, tuple(names))


def is_redundant(situations: Situations, site: Site, name: str) -> bool:
    """True when taking one field out of a site changes no threshold and no mode of any node, whatever the event."""
    tree = situations.tree
    family = tree.below(site.node)
    numbers = [n for n in tree.touching({*family, *tree.ancestors(site.node)}) if _sets(tree, n, name)]
    every = situations.said(numbers, site.number)
    if not every:  # not all known, or never in force: then the condition is what is wrong
        return False
    if site.number is None:
        every.append({})  # a condition that always holds hides what stands below it, and that is not the field's fault
    slot: Slot = (site.node, name, site.part)
    for said in every:
        own = tree.own_under(said)
        without = _without(tree, said, site, slot)
        for node in family:
            if any(_as_set(tree, node, name, p, own) != _as_set(tree, node, name, p, without) for p in site.parts):
                return False
    return True


def _sets(tree: Tree, number: int, name: str) -> bool:
    """True when a condition sets a field of this name anywhere."""
    settings = tree.whens[number].set_.values()
    return any(name in slot for setting in settings for slot, _, _ in fields_of(-1, setting))


def _without(tree: Tree, said: Said, site: Site, slot: Slot) -> Own:
    if site.number is None:
        return tree.own_under(said, leave_out=slot)
    return tree.own_under(said, leave_out=slot, leave_out_of=site.number)


def _as_set(tree: Tree, node: int, name: str, part: int, own: Own) -> frozenset[float | str | None]:
    """What may stand there, places left out: two ways to the same value are the same."""
    unset = 0.0 if name == "mode" else None
    return frozenset(unset if value is None else value[0] for value in tree.may(node, name, part, own))


__all__ = ["FIELDS", "Site", "Situations", "is_redundant", "sites"]
