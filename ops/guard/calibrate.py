"""
Fits a guard's calibration on labelled texts: `python -m ops.guard.calibrate -c tidegate.toml --policy default FILE`.

Lines are those of `tidegate eval` (docs/quality.md): texts, and `labels` by category path. Each category with labels of
both kinds gets a curve for the question that it has under the policy, the joint question one by `labels.any`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from worker.policy.compile import compile_policy
from worker.policy.folder import read_folder
from worker.policy.resolve import resolve
from worker.score.models.guard.calibration import Curve, from_labels, save
from worker.score.models.guard.concepts import GuardPolicy
from worker.score.models.guard.loading import load_guard
from worker.score.models.guard.scorer import GuardTexts
from worker.settings import load


def fit(texts: GuardTexts, policy: GuardPolicy, lines: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Curve]:
    """Curves by (category, question digest), where labels are of both kinds; the joint question's category is ""."""
    said = ["\n".join(part["text"] for part in line["parts"] if part["type"] == "text") for line in lines]
    asked = [(path, one.question) for path, one in zip(policy.paths, policy.each, strict=True) if one]
    if policy.joint is not None:
        asked.append(("", policy.joint))
    curves = {}
    for path, question in asked:
        labels = [line["labels"].get(path or "any") for line in lines]
        known = [place for place, label in enumerate(labels) if label is not None]
        truth = np.array([bool(labels[place]) for place in known], np.bool_)
        if not known or truth.all() or not truth.any():
            continue
        margins = texts.margins(question, [said[place] for place in known] + [""]).astype(np.float64)
        curves[path, question.digest] = from_labels(margins[:-1], truth, float(margins[-1]))
    return curves


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m ops.guard.calibrate", description=__doc__)
    asked.add_argument("labelled", type=Path)
    asked.add_argument("-c", "--config", type=Path)
    asked.add_argument("--policy", required=True, help="id of a policy in the settings' folder")
    asked.add_argument("--out", type=Path, default=Path("guard-calibration.json"))
    options = asked.parse_args()
    settings = load(options.config)
    guard = load_guard(settings.models.guard, settings.models.device)
    folder = Path(settings.policies)
    sources = read_folder(folder, {}).sources
    compiled = compile_policy(resolve(sources[options.policy], sources), folder, guard.text_concepts)
    policy = compiled.concepts(guard.texts.ref.name)
    if policy is None:
        raise SystemExit(f"policy {options.policy} asks the guard nothing: give its categories definitions")
    lines = [json.loads(line) for line in options.labelled.read_text("utf-8").splitlines() if line.strip()]
    curves = fit(guard.texts, policy, lines)
    save(options.out, guard.checkpoint, curves)
    for (path, _), curve in curves.items():
        print(f"{path or '(any)'}: {curve.source}")
    print(f"{len(curves)} curves in {options.out}: name it with models.guard.calibration")


if __name__ == "__main__":
    main()
