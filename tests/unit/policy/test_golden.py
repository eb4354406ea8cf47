"""The semantics table of docs/policies.md: a golden case for each line, and for each pair of lines that meet."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.policy.building import policy
from worker.core.decisions import Action, Findings, Hit, Reason, fall_back
from worker.core.events import Degradation, PartType
from worker.core.views import Evidence, TextSource, empty_scores
from worker.policy.compile import CompiledPolicy

FILES = sorted((Path(__file__).parent / "golden").glob("*.json"))
GOLDEN = {file.stem: json.loads(file.read_text()) for file in FILES}
CASES = [(stem, number) for stem, golden in GOLDEN.items() for number in range(len(golden["cases"]))]


def found_in(compiled: CompiledPolicy, case: dict[str, Any]) -> Findings:
    """What models and lists would have found."""
    types = frozenset(case.get("scores", {"text": {}}))
    found = Findings(case.get("context", {}), types)
    if "scores" in case:
        found.scores = empty_scores(len(compiled.categories))
        for part, scores in case["scores"].items():
            for path, score in scores.items():
                found.scores[PartType[part.upper()], compiled.categories.index(path)] = np.float32(score)
    if "text" in case:
        found.hits = compiled.match(TextSource("parts/0", case["text"], (PartType.TEXT,)))
    for hit in case.get("hits", ()):
        kind, action = PartType[hit["type"].upper()], Action.parse(hit["action"])
        found.hits.append(Hit("sha256:0", "list", hit["category"], action, kind, "parts/0", Evidence()))
    found.degraded = [Degradation("made_up", rule, "parts/0", "for the test") for rule in case.get("degraded", ())]
    return found


def told(reason: Reason, wanted: dict[str, Any]) -> dict[str, Any]:
    """A reason by the fields that a golden case names, and those that must not be there unless it does."""
    fields = {name: getattr(reason, name) for name in {*wanted, "scored_by", "list"} - {"action"}}
    return {name: value for name, value in fields.items() if value is not None} | {"action": reason.action.label}


@pytest.mark.parametrize(("stem", "number"), CASES, ids=[f"{s}: {GOLDEN[s]['cases'][n]['name']}" for s, n in CASES])
def test_the_semantics_are_those_of_the_table(stem: str, number: int) -> None:
    """The action, every reason with its threshold and where it stands, and what changed afterwards."""
    compiled, case = policy(*GOLDEN[stem]["policies"]), GOLDEN[stem]["cases"][number]
    expected, found = case["expect"], found_in(compiled, case)
    (verdict,) = compiled.decide([found])
    for reasons, wanted in ((verdict.reasons, expected["reasons"]), (verdict.shadow, expected.get("shadow", []))):
        assert len(reasons) == len(wanted)
        assert [told(reason, want) for reason, want in zip(reasons, wanted, strict=True)] == wanted
    action, overrides = fall_back(verdict.action, [one.rule for one in found.degraded], compiled.otherwise)
    assert (action.label, verdict.action.label) == (expected["action"], expected.get("verdict", expected["action"]))
    assert [{"action": o.action.label, "detail": o.detail} for o in overrides] == expected.get("overrides", [])
    assert list(verdict.notes) == expected.get("notes", [])


def test_every_line_and_every_pair_of_lines_has_its_cases() -> None:
    """Seven lines; every two of them meet."""
    lines = range(1, 8)
    wanted = {(line,) for line in lines} | set(itertools.combinations(lines, 2))
    assert sorted(tuple(golden["lines"]) for golden in GOLDEN.values()) == sorted(wanted)


def test_the_table_names_every_line() -> None:
    """The page and the cases speak of the same lines."""
    page = (Path(__file__).parents[3] / "docs" / "policies.md").read_text("utf-8")
    named = {golden["lines"][0]: stem.split("-", 1)[1] for stem, golden in GOLDEN.items() if len(golden["lines"]) == 1}
    for line, name in named.items():
        assert f"| {line} {name.replace('-', '')}" in page.replace("-", "").replace("`", "")
