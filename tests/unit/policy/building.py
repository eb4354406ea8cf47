"""Small policies, scores and findings for the policy tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from worker.core.decisions import Findings, Hit
from worker.core.events import PartType
from worker.core.ports import CategorySpec
from worker.core.views import Concepts, Evidence, Thresholds, empty_scores
from worker.policy.compile import CompiledPolicy, compile_policy
from worker.policy.reading import Source, read_policy
from worker.policy.resolve import resolve

POLICIES = Path(__file__).parents[3] / "policies"


class PathsOnly:
    """A concept compiler for policies whose scores are given: what a scorer looks for is the paths themselves."""

    def __init__(self) -> None:
        self.calls = 0

    def compile(self, categories: Sequence[CategorySpec]) -> Mapping[str, Concepts]:
        self.calls += 1
        return {"paths": tuple(category.path for category in categories)}

    def points(self, categories: Sequence[CategorySpec]) -> Thresholds | None:
        """0.1, 0.2, 0.3 for texts, 0.05 more for pictures, 0.1 for sound; none for a category without a definition."""
        found = np.add.outer(np.add.outer([0.1, 0.2, 0.3], [0.0, 0.05, 0.1]), np.zeros(len(categories))).round(2)
        found[:, :, [not category.definition for category in categories]] = np.nan
        return found


def source(tree: Mapping[str, Any], file: str | None = None) -> Source:
    """A policy file; `id` and `version` may be left out."""
    full = {"id": "p", "version": "1"} | dict(tree)
    return read_policy(json.dumps(full, indent=1, ensure_ascii=False).encode(), file or f"{full['id']}.json")


def policy(*trees: Mapping[str, Any], folder: Path = POLICIES) -> CompiledPolicy:
    """The last tree compiled, the others there to be extended."""
    sources = {s.document.id: s for s in map(source, trees)}
    return compile_policy(resolve(list(sources.values())[-1], sources), folder, PathsOnly())


def findings(
    compiled: CompiledPolicy,
    scores: Mapping[str, float] | None = None,
    *,
    part: PartType = PartType.TEXT,
    context: Mapping[str, Any] | None = None,
    stream: Mapping[str, Any] | None = None,
    hits: Sequence[Hit] = (),
) -> Findings:
    """One event's findings with `scores` by category path, all of one type of part."""
    found = Findings(context or {}, frozenset({part.label}), stream=stream, hits=list(hits))
    if scores is not None:
        found.scores = empty_scores(len(compiled.categories))
        for path, score in scores.items():
            column = compiled.categories.index(path)
            found.scores[part, column] = score
            found.sources[part, column] = (f"parts/0/{path}", "model", Evidence((0, column + 1)))
    return found


def action(compiled: CompiledPolicy, scores: Mapping[str, float], **more: Any) -> str:
    """The action for one event, as its label."""
    return compiled.decide([findings(compiled, scores, **more)])[0].action.label
