"""Lint of the tree: unreachable nodes, thresholds that decide nothing, categories nobody scores, missing dsa."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from worker.core.decisions import Action
from worker.core.events import PART_TYPES
from worker.policy.dsa import inherited
from worker.policy.tools.findings import Finding
from worker.policy.tools.sites import Site, sites
from worker.policy.tools.standing import OFF, PARTS, Said, Stand, Tree, lowest
from worker.policy.tools.subject import Subject
from worker.policy.tree import ANY, document_path

_ACTIONS = {"flag": Action.FLAG, "block": Action.BLOCK}


def check_tree(subject: Subject) -> Iterator[Finding]:
    """TG201 to TG203, TG205 and TG206."""
    listed = subject.tree.listed()
    for index, node in enumerate(subject.tree.nodes):
        path = document_path(node.path)
        if subject.owns(path):
            yield from _unreachable(subject, index, listed)
            yield from _unscored(subject, index, listed)
    every = list(sites(subject.tree))
    spoken = {(site.number, site.node, site.part) for site in every if {"flag", "block"} & set(site.fields)}
    for site in every:
        parts = [part for part in site.parts if site.part != ANY or (site.number, site.node, part) not in spoken]
        yield from _flag_above_block(subject, site, parts)
        yield from _looser_than_parent(subject, site)
    yield from _without_dsa(subject)


def _every_stand(subject: Subject, index: int) -> list[list[Stand]] | None:
    """What stands at a node for each type, by every combination of outcomes; None when not all are known."""
    tree = subject.tree
    every = subject.situations.said(tree.touching(tree.ancestors(index)))
    if every is None:
        return None
    owns = [tree.own_under(said) for said in every]
    return [[tree.stand(index, part, own) for part in PARTS] for own in owns]


def _unreachable(subject: Subject, index: int, listed: frozenset[str]) -> Iterator[Finding]:
    """TG201: off whatever the event, or with nothing that its score could reach."""
    node = subject.tree.nodes[index]
    stands = _every_stand(subject, index)
    if stands is None:
        return
    path, spec = document_path(node.path), node.spec
    if all(stand.mode == OFF for each in stands for stand in each):
        dead = [name for name in ("flag", "block", "on") if getattr(spec, name) is not None]
        if dead and all(subject.owns((*path, name)) for name in dead):  # `mode: off` alone is a wish, not a mistake
            names = " and ".join(f"`{name}`" for name in dead)
            message = f"{node.path} is off for every event, so its {names} never act{'s' if len(dead) == 1 else ''}"
            mend = "take out the dead fields, or the node, or set `mode` to enforce or shadow"
            yield subject.find("TG201", (*path, dead[0]), message, mend)
        return
    if node.path in listed:
        return
    if _reaches(subject, index) is False:
        message = (
            f"nothing ever comes of {node.path}: it has no `flag` and no `block`, nor has any node it rolls up into"
        )
        yield subject.find("TG201", path, message, "give it or a node above it a threshold, or take it out")


def _reaches(subject: Subject, index: int) -> bool | None:
    """False when no score of the node, however high, does anything; None when that is not known."""
    tree = subject.tree
    every = subject.situations.said(tree.touching(tree.ancestors(index)))
    if every is None:
        return None
    for said in every:
        own = tree.own_under(said)
        for part in PARTS:
            stand = tree.stand(index, part, own)
            acts = [stand.threshold(Action.FLAG)] if stand.mode != OFF else []
            acts.append(tree.trigger(index, part, Action.FLAG, own))
            if not all(math.isinf(threshold) for threshold in acts):
                return True
    return False


def _unscored(subject: Subject, index: int, listed: frozenset[str]) -> Iterator[Finding]:
    """TG205: a leaf without words, examples, detectors and lists."""
    tree, node = subject.tree, subject.tree.nodes[index]
    if tree.children[index] or tree.scored(index) or node.path in listed:
        return
    stands = _every_stand(subject, index)
    if stands is not None and all(stand.mode == OFF for each in stands for stand in each):
        return
    message = f"nobody scores {node.path}: it has no definition, no violating example, no detector and no list"
    mend = "give it a `definition` or `examples`, name a detector, or let a list name it"
    yield subject.find("TG205", document_path(node.path), message, mend)


def _in_force(subject: Subject, site: Site) -> list[Said] | None:
    """The combinations of outcomes in which a site counts."""
    tree = subject.tree
    numbers = tree.touching(tree.ancestors(site.node))
    return subject.situations.said(numbers, site.number)


def _flag_above_block(subject: Subject, site: Site, parts: Sequence[int]) -> Iterator[Finding]:
    """TG202: what reaches the flag is blocked already; of `parts`, for which no `on` beside it speaks."""
    name = "flag" if "flag" in site.fields else "block"
    if name not in site.fields or not subject.owns((*site.path, name)):
        return
    every = _in_force(subject, site)
    if not every:
        return
    tree = subject.tree
    stands = {part: [tree.stand(site.node, part, tree.own_under(said)) for said in every] for part in parts}
    bad = [
        part
        for part, each in stands.items()
        if all(stand.block < stand.flag < math.inf and stand.mode != OFF for stand in each)
    ]
    if not bad:
        return
    stand = stands[bad[0]][0]
    node = tree.nodes[site.node].path
    message = f"{node} never flags{_for(bad)}: its flag {_n(stand.flag)} is above its block {_n(stand.block)}"
    if name == "block":
        message += f" (the flag stands at {stand.flag_from})"
    mend = f"set `flag` below {_n(stand.block)}, or `block` above {_n(stand.flag)}"
    yield subject.find("TG202", (*site.path, name), message, mend, value=True)


def _looser_than_parent(subject: Subject, site: Site) -> Iterator[Finding]:
    """TG203: a threshold that a lower one of a node it rolls up into always overtakes."""
    every = _in_force(subject, site)
    for name, action in _ACTIONS.items():
        if not every or name not in site.fields:
            continue
        overtaken: dict[tuple[float, int, float, str | None], list[int]] = {}
        for part in site.parts:
            by = [_overtaken(subject.tree, site, part, said, action) for said in every]
            if by[0] is not None and None not in by:
                overtaken.setdefault(by[0], []).append(part)
        for (own, index, above, source), parts in list(overtaken.items())[:1]:  # the first types are enough to say it
            path = (*site.path, name)
            place = path if subject.owns(path) else _place_above(subject, index, name)
            if place is None:
                continue
            node, parent = subject.tree.nodes[site.node].path, subject.tree.nodes[index].path
            message = (
                f"{node} {name}s from {_n(own)}{_for(parts)}, but its score counts for {parent} too, "
                f"which {name}s from {_n(above)} ({source}): {_n(own)} never decides"
            )
            mend = f"set it to {_n(above)} or lower, or set `rollup: false` on {node}"
            yield subject.find("TG203", place, message, mend, value=True)


def _overtaken(
    tree: Tree, site: Site, part: int, said: Said, action: Action
) -> tuple[float, int, float, str | None] | None:
    """The node's threshold, and the ancestor in its chain whose threshold is lower; None when none is."""
    own = tree.own_under(said)
    chain = tree.chain(site.node, part, own)
    if not chain or chain[0][0] != site.node:
        return None
    stand = chain[0][1]
    mine = stand.flag if action is Action.FLAG else stand.block
    limit = lowest(above.threshold(action) for _, above in chain[1:])
    if not (limit < mine < math.inf) or (action is Action.FLAG and stand.block <= limit):
        return None
    index, by = next((i, above) for i, above in chain[1:] if above.threshold(action) == limit)
    return mine, index, limit, by.source(action)


def _place_above(subject: Subject, index: int, name: str) -> tuple[str | int, ...] | None:
    """The ancestor's threshold, where it is this policy's own: then it is what made a parent's child too loose."""
    path = (*document_path(subject.tree.nodes[index].path), name)
    return path if subject.owns(path) else None


def _without_dsa(subject: Subject) -> Iterator[Finding]:
    """TG206: a category that can block and could not say why, said at the highest node of each branch."""
    tree = subject.tree
    stated = inherited(tree.nodes)
    blocked_by = {
        lst.category
        for lst in (*(subject.document.terms or ()), *(subject.document.images or ()))
        if lst.action == "block"
    }
    said: set[int] = set()
    for index, node in enumerate(tree.nodes):
        dsa = stated.get(node.path)
        lacks = dsa.missing() if dsa is not None else "all of it"
        if lacks is None or said & set(tree.ancestors(index)):
            continue
        own = tree.own_under({})
        stands = [tree.stand(index, part, own) for part in PARTS]
        blocks = any(s.enforced and not math.isinf(s.block) for s in stands)
        if (blocks or node.path in blocked_by) and subject.owns(document_path(node.path)):
            said.add(index)
            what = "no `dsa`" if dsa is None else f"a `dsa` without `{lacks}`"
            message = f"{node.path} can block and has {what}, so no statement of reasons can be made of it"
            mend = "add a `dsa` block with category, decision_ground and its two explanations here or at a parent"
            yield subject.find("TG206", document_path(node.path), message, mend)


def _for(parts: list[int]) -> str:
    """Which types are meant, when it is not all of them."""
    if len(parts) == len(PARTS):
        return ""
    return " for " + " and ".join(PART_TYPES[part].label for part in parts)


def _n(value: float) -> str:
    return f"{value:.6g}"
