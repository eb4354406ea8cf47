"""What differs between two policies as they are merged: nodes, thresholds as they stand there, lists, conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from worker.core.events import PART_TYPES
from worker.policy.document import Category
from worker.policy.resolve import Resolved
from worker.policy.tree import Node, flatten

Kind = Literal["added", "removed", "changed"]
_THRESHOLDS = ("flag", "block", "mode")
_OWN = ("definition", "examples", "detectors", "rollup", "severe", "restricted", "dsa")


class Listed(Protocol):
    """A list, read."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One thing that differs.

    group: "categories", "terms", "images", "when", "otherwise", "limits" or another part of the document.
    where: category path, list name, number of the condition or field name. before, after: as written; None for nothing.
    """

    kind: Kind
    group: str
    where: str
    field: str
    before: Any = None
    after: Any = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def differences(before: Resolved, after: Resolved) -> list[Difference]:
    """Everything that differs, category by category in the order of `after`, then the other parts."""
    found = _categories(before, after)
    for name in ("terms", "images"):
        found += _lists(name, before.tree.get(name) or (), after.tree.get(name) or ())
    found += _whens(before.tree.get("when") or (), after.tree.get("when") or ())
    handled = {"categories", "terms", "images", "when", "tests", "id", "version", "extends", "description"}
    for name in sorted((before.tree.keys() | after.tree.keys()) - handled):
        found += _fields(name, before.tree.get(name) or {}, after.tree.get(name) or {})
    return found


def other_contents(before: Iterable[Listed], after: Iterable[Listed]) -> list[Difference]:
    """Lists of one name whose files hold something else."""
    olds = {listed.name: listed.digest for listed in before}
    return [
        Difference("changed", "lists", listed.name, "content", olds[listed.name], listed.digest)
        for listed in after
        if olds.get(listed.name, listed.digest) != listed.digest
    ]


def standing(nodes: Sequence[Node], index: int, field: str, part: str) -> Any:
    """A field as it stands at a node for a type of part, as written: its own, else its nearest ancestor's; None."""
    line = []
    while index >= 0:
        line.append(nodes[index].spec)
        index = nodes[index].parent
    overrides = [(spec.on or {}).get(part) for spec in line]  # type: ignore[call-overload]
    for spec in (*overrides, *line):
        if spec is not None and (value := getattr(spec, field)) is not None:
            return value
    return "enforce" if field == "mode" else None


def _categories(before: Resolved, after: Resolved) -> list[Difference]:
    was, now = flatten(before.document.categories), flatten(after.document.categories)
    olds, news = ({node.path: i for i, node in enumerate(nodes)} for nodes in (was, now))
    found = []
    for path, i in news.items():
        if path not in olds:
            found.append(Difference("added", "categories", path, "", None, _summary(now, i)))
            continue
        for field in _THRESHOLDS:
            found += _threshold(path, field, was, olds[path], now, i)
        found += _own(path, was[olds[path]].spec, now[i].spec)
    for path, i in olds.items():
        if path not in news:
            found.append(Difference("removed", "categories", path, "", _summary(was, i), None))
    return found


def _summary(nodes: Sequence[Node], index: int) -> dict[str, Any]:
    return {field: standing(nodes, index, field, "text") for field in _THRESHOLDS}


def _threshold(path: str, field: str, was: Sequence[Node], i: int, now: Sequence[Node], j: int) -> list[Difference]:
    """One line when all types changed alike, else one for each type that did."""
    pairs = {p.label: (standing(was, i, field, p.label), standing(now, j, field, p.label)) for p in PART_TYPES}
    if len({repr(pair) for pair in pairs.values()}) == 1:
        pairs = {"": pairs["text"]}
    return [
        Difference("changed", "categories", path, f"{field} on {part}" if part else field, old, new)
        for part, (old, new) in pairs.items()
        if old != new
    ]


def _own(path: str, was: Category, now: Category) -> list[Difference]:
    found = []
    for field in _OWN:
        old, new = (_plain(getattr(spec, field, None)) for spec in (was, now))
        if old != new:
            found.append(Difference("changed", "categories", path, field, old, new))
    return found


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True, by_alias=True) if hasattr(value, "model_dump") else value


def _lists(group: str, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Lists by what they hold and the category they speak for; two that are the same twice are one."""
    olds, news = ({(_named(one), one["category"]): dict(one) for one in lists} for lists in (before, after))
    found = [Difference("added", group, key[0], key[1], None, new) for key, new in news.items() if key not in olds]
    found += [Difference("removed", group, key[0], key[1], old, None) for key, old in olds.items() if key not in news]
    for key in olds.keys() & news.keys():
        for one in _fields(group, olds[key], news[key]):
            found.append(Difference(one.kind, group, key[0], one.where, one.before, one.after))
    return found


def _named(one: Mapping[str, Any]) -> str:
    return str(one.get("list") or "words " + ", ".join(map(str, one.get("words", ()))))


def _whens(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Difference]:
    olds, news = ([(when["if"], when["set"]) for when in whens] for whens in (before, after))
    if olds == news:
        return []
    sets_before, sets_after = dict(olds), dict(news)
    found = [Difference("added", "when", said, "", None, new) for said, new in news if said not in sets_before]
    found += [Difference("removed", "when", said, "", old, None) for said, old in olds if said not in sets_after]
    for said, new in sets_after.items():
        if said in sets_before and sets_before[said] != new:
            found.append(Difference("changed", "when", said, "set", sets_before[said], new))
    if not found:  # a later one wins, so their order counts
        found.append(Difference("changed", "when", "", "order", [s for s, _ in olds], [s for s, _ in news]))
    return found


def _fields(group: str, before: Any, after: Any) -> list[Difference]:
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return [] if before == after else [Difference("changed", group, "", "", before, after)]
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            kind: Kind = "changed" if name in before and name in after else "added" if name in after else "removed"
            found.append(Difference(kind, group, name, "", old, new))
    return found
