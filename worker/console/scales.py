"""A policy's nodes with what stands there, and the histogram of scores that their thresholds are drawn on. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from worker.core.events import PartType
from worker.policy.tools.standing import Tree

BINS = 50
_TEXT = int(PartType.TEXT)


def nodes_of(tree: Tree) -> list[dict[str, Any]]:
    """Each node with what stands there for text when no condition holds."""
    own, found = tree.own_under({}), []
    for index, node in enumerate(tree.nodes):
        stand = tree.stand(index, _TEXT, own)
        differs = [kind.label for kind in PartType if tree.stand(index, int(kind), own) != stand and int(kind) != _TEXT]
        found.append(
            {
                "path": node.path,
                "depth": node.depth,
                "mode": ("enforce", "shadow", "off")[int(stand.mode)],
                "flag": _number(stand.flag),
                "flag_from": stand.flag_from,
                "block": _number(stand.block),
                "block_from": stand.block_from,
                "scored": tree.scored(index),
                "severe": bool(node.spec.severe),
                "restricted": bool(node.spec.restricted),
                "definition": node.spec.definition,
                "differs": differs,
            }
        )
    return found


def histogram(tree: Tree, decisions: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """By category, how many of the decisions have their score, after roll-up, in each of the bins from 0 to 1."""
    names = {node.path: index for index, node in enumerate(tree.nodes)}
    scores = np.full((len(decisions), len(names)), np.nan, np.float32)
    for row, decision in enumerate(decisions):
        for path, score in decision["scores"].items():
            if path in names:
                scores[row, names[path]] = score
    own = tree.own_under({})
    for index in range(len(tree.nodes) - 1, 0, -1):  # children stand behind their parents
        if tree.rolls(index, tree.stand(index, _TEXT, own)):
            parent = tree.nodes[index].parent
            scores[:, parent] = np.fmax(scores[:, parent], scores[:, index])
    found = {}
    for path, index in names.items():
        column = scores[:, index]
        counts, _ = np.histogram(column[~np.isnan(column)], bins=BINS, range=(0.0, 1.0))
        found[path] = counts.tolist()
    return found


def _number(value: float) -> float | None:
    return None if math.isinf(value) or math.isnan(value) else float(str(np.float32(value)))
