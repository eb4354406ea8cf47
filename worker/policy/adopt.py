"""What was found under one policy, as another with the same basis would have found it: no model looks again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from worker.core.decisions import Action, Findings, Hit
from worker.policy.images import ImageList
from worker.policy.terms import TermList


def adopted(
    findings: Findings, was: Sequence[str], categories: Sequence[str], lists: Sequence[TermList | ImageList]
) -> Findings:
    """
    `findings` with their columns in the order of `categories`, and each hit with the action of the policy's own list.

    Args:
        was: the categories of the policy under which they were found, the same ones in any order.
    """
    hits = own_hits(findings.hits, lists)
    if findings.scores is None or tuple(was) == tuple(categories):
        return replace(findings, hits=hits)
    order = np.array([was.index(path) for path in categories])
    places = {int(before): now for now, before in enumerate(order)}
    sources = {(part, places[column]): source for (part, column), source in findings.sources.items()}
    return replace(findings, hits=hits, scores=findings.scores[:, order], sources=sources)


def own_hits(hits: Sequence[Hit], lists: Sequence[TermList | ImageList]) -> list[Hit]:
    """The hits that `lists` would have made where `hits` were made, in the order in which they would have."""
    if not hits:
        return []
    places: dict[str, list[int]] = {}
    for place, listed in enumerate(lists):
        places.setdefault(listed.search, []).append(place)
    by_source: dict[str, dict[tuple[int, int], Hit]] = {}
    for hit in hits:
        here = by_source.setdefault(hit.view.partition("/frame/")[0], {})
        for place in places.get(hit.search, ()):
            here.setdefault((place, int(hit.type)), _relabelled(hit, lists[place]))
    return [found[key] for found in by_source.values() for key in sorted(found)]


def _relabelled(hit: Hit, listed: TermList | ImageList) -> Hit:
    action = Action.parse(listed.spec.action)
    return replace(hit, list_digest=listed.digest, list_name=listed.name, category=listed.spec.category, action=action)
