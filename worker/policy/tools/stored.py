"""A stored decision.v1 back to the findings it was made of, as far as it holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from worker.core.decisions import Action, Findings, Hit
from worker.core.events import PartType
from worker.core.views import Evidence, empty_scores
from worker.policy.compile import CompiledPolicy

_TYPES = {part.label: part for part in PartType}


def findings_of(decision: Mapping[str, Any], policy: CompiledPolicy) -> Findings:
    """
    Scores, hits and context of a decision, in the columns of `policy`.

    A score of a category that `policy` does not have, and a hit in one, is left out.
    """
    found = Findings(decision["context"], frozenset(decision["types"]), stream=decision.get("stream"))
    by_type = decision.get("scores_by_type")
    if by_type is None and decision["scores"]:
        by_type = {decision["types"][0]: decision["scores"]}
    places = {path: column for column, path in enumerate(policy.categories)}
    if by_type:
        found.scores = empty_scores(len(places))
        for label, scores in by_type.items():
            for path, score in scores.items():
                if path in places:
                    found.scores[_TYPES[label], places[path]] = np.float32(score)
    for reason in decision["reasons"]:
        giver = places.get(reason.get("scored_by") or reason["category"])
        if giver is not None and reason.get("score") is not None:
            source = reason.get("view") or "", reason.get("model") or "", Evidence()
            found.sources[_TYPES[reason["type"]], giver] = source
    found.hits = [_hit(hit) for hit in decision["hits"] if hit["category"] in places]
    return found


def _hit(said: Mapping[str, Any]) -> Hit:
    action, part = Action.parse(said["action"]), _TYPES[said["type"]]
    return Hit(said["list_digest"], said["list"], said["category"], action, part, said["view"], Evidence())
