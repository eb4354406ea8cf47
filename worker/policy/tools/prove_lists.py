"""The lists' share of a proof: a hit acts by itself, so each entry of the one must be found by a list of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from worker.core.decisions import Action, Hit
from worker.core.events import PART_TYPES, PartType
from worker.core.views import Evidence, TextSource
from worker.policy.images import ImageList
from worker.policy.terms import TermList, fold
from worker.policy.tools.claims import EXHAUSTED, Counterexample, Meeting, Search, Side
from worker.policy.tools.standing import PARTS
from worker.policy.tools.worlds import Case, World

Listed = TermList | ImageList


def check_lists(search: Search, meeting: Meeting, one: Side, other: Side, action: Action) -> None:
    """Every hit of `one` that gives at least `action` must give so much in `other`."""
    for listed in one.policy.lists:
        if Action.parse(listed.spec.action) >= action:
            rivals = [r for r in other.policy.lists if Action.parse(r.spec.action) >= action and _reaches(r, listed)]
            for part in PARTS:
                for sources, case, entry in _uncovered(search, meeting, one, other, listed, rivals, part):
                    _try(search, one, other, listed, entry, part, case, sources, action)


def _reaches(rival: Listed, listed: Listed) -> bool:
    """True when `rival` finds an entry of both wherever `listed` finds it."""
    if isinstance(listed, ImageList):
        return isinstance(rival, ImageList) and rival.spec.distance >= listed.spec.distance
    if isinstance(rival, ImageList):
        return False
    wider = rival.spec.match == listed.spec.match or (rival.spec.match, listed.spec.match) == ("substring", "word")
    return wider and _exceptions(rival) <= _exceptions(listed)


def _exceptions(listed: TermList) -> set[str]:
    return {fold(phrase) for phrase in listed.spec.except_ or ()}


def _entries(listed: Listed) -> list[str]:
    if isinstance(listed, ImageList):
        return [f"{int(one):016x}" for one in listed.hashes]
    return list(listed.entries) if listed.is_pattern else [fold(entry) for entry in listed.entries]


def _uncovered(
    search: Search, meeting: Meeting, one: Side, other: Side, listed: Listed, rivals: Sequence[Listed], part: int
) -> Iterator[tuple[tuple[str, ...], Case, int]]:
    """By combination of outcomes, the first entry that acts in `one` and that no list in force in `other` has."""
    here = one.tree.index[listed.spec.category]
    there = [other.tree.index[rival.spec.category] for rival in rivals]
    above = [node for index in there for node in other.tree.ancestors(index)]
    sources, found = meeting.cases((one.tree.ancestors(here), above), part)
    if not found.complete:
        search.unknown(EXHAUSTED)
        return
    entries = _entries(listed)
    held = [set(_entries(rival)) for rival in rivals]
    for case in found.cases:
        own = one.tree.own_under(meeting.said(one, sources, case.outcomes))
        if not one.tree.stand(here, part, own).enforced:
            continue
        others = other.tree.own_under(meeting.said(other, sources, case.outcomes))
        on = [has for has, i in zip(held, there, strict=True) if other.tree.stand(i, part, others).enforced]
        left = next((i for i, entry in enumerate(entries) if not any(entry in known for known in on)), None)
        if left is not None:
            yield sources, case, left


def _try(
    search: Search,
    one: Side,
    other: Side,
    listed: Listed,
    entry: int,
    part: int,
    case: Case,
    sources: Sequence[str],
    action: Action,
) -> None:
    """Ask both evaluators about a text or picture that is just this entry."""
    if search.is_over:
        return
    place = f"{listed.name}, entry {entry + 1}"
    if isinstance(listed, TermList) and listed.is_pattern:
        search.unknown(f"patterns are compared as they are written, and {other.id} does not have that of {place}")
        return
    actions = (action, action)
    if case.world is not None:
        actions = (_act(one, listed, entry, part, case.world), _act(other, listed, entry, part, case.world))
    if case.world is not None and not actions[0] >= action > actions[1]:
        search.unknown(f"{other.id} has no list that surely finds {place} wherever {one.id} does")
        return
    confirmed = case.world is not None
    by_policy = {one.id: actions[0].label, other.id: actions[1].label} if confirmed else {}
    said = dict(zip(sources, case.outcomes, strict=True))
    category, label = listed.spec.category, PART_TYPES[part].label
    search.found(Counterexample(label, category, None, case.world, said, by_policy, confirmed, place))


def _act(side: Side, listed: Listed, entry: int, part: int, world: World) -> Action:
    return side.act_on_hits(_hits(side, listed, entry, part), world)


def _hits(side: Side, listed: Listed, entry: int, part: int) -> list[Hit]:
    """What the lists of `side` find in the entry itself."""
    if isinstance(listed, TermList):
        return side.policy.match(TextSource("parts/0", listed.entries[entry], (PartType(part),)))
    near = listed.hashes[entry : entry + 1]
    pictures = [one for one in side.policy.lists if isinstance(one, ImageList)]
    return [
        Hit(
            one.digest,
            one.name,
            one.spec.category,
            Action.parse(one.spec.action),
            PartType(part),
            "parts/0",
            Evidence(),
        )
        for one in pictures
        if one.nearest(near)[1] <= one.spec.distance
    ]
