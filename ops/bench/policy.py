"""
Verdicts a second on one core, reasons included: batches of 256 events spread over 200 different policies.

Each policy has 100 categories in 3 levels, 3 `when` conditions over the context and some `on` overrides; 5 % of the
events have at least one node matched. The rival is a careful recursive evaluator of the same compiled trees in plain
Python (`tests/unit/policy/recursive.py`), given the same cached condition outcomes. Both are first shown to be equal on
random trees, scores and contexts (hypothesis), and here on every batch. cedarpy decides whole requests of another
kind, one at a time, and stands beside for information only. Left out: scoring, lists, writing the decision.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from pathlib import Path
from typing import Any

import cedarpy
import numpy as np
from hypothesis import HealthCheck, given, settings

from tests.unit.policy import test_evaluate
from tests.unit.policy.building import PathsOnly, source
from tests.unit.policy.recursive import RecursiveEvaluator
from worker.core.decisions import Action, Findings
from worker.core.views import Evidence, empty_scores
from worker.policy.compile import CompiledPolicy, compile_policy, decide_each
from worker.policy.resolve import resolve

POLICIES, EVENTS, BATCHES, ROUNDS, SEED = 200, 256, 32, 7, 20261124
MATCHED = 0.05
FAMILIES = (4, 4, 5)  # 4 + 16 + 80 = 100 nodes
AUDIENCES, CHANNELS, LANGUAGES = (
    ("kids", "teens", "adults"),
    ("lobby", "guild", "market", "dm"),
    ("en", "de", "fr", "es"),
)


def document(number: int, dice: random.Random) -> dict[str, Any]:
    """A policy of 100 categories in 3 levels."""

    def family(depth: int, prefix: str) -> dict[str, Any]:
        return {f"{prefix}{i}": node(depth, f"{prefix}{i}") for i in range(FAMILIES[depth])}

    def node(depth: int, name: str) -> dict[str, Any]:
        spec: dict[str, Any] = {"definition": f"category {name} of policy {number}"}
        if depth == 0 or dice.random() < 0.5:
            spec |= {"flag": round(dice.uniform(0.5, 0.7), 3), "block": round(dice.uniform(0.75, 0.9), 3)}
        if dice.random() < 0.2:
            spec["on"] = {dice.choice(["image", "audio"]): {"flag": round(dice.uniform(0.5, 0.7), 3)}}
        if dice.random() < 0.1:
            spec["mode"] = "shadow"
        if depth + 1 < len(FAMILIES):
            spec["children"] = family(depth + 1, name)
        return spec

    conditions = (
        f"context.audience == '{dice.choice(AUDIENCES)}'",
        f"context.channel in ['{dice.choice(CHANNELS)}', '{dice.choice(CHANNELS)}']",
        f"context.language != '{dice.choice(LANGUAGES)}' && context.attributes.level < {dice.randint(2, 8)}",
    )
    changed = {"c0": {"flag": 0.5}, f"c{dice.randint(1, 3)}": {"block": 0.75}}
    whens = [{"if": condition, "set": changed} for condition in conditions]
    return {"id": f"p{number}", "categories": family(0, "c"), "when": whens}


def findings(dice: np.random.Generator, categories: int) -> Findings:
    """One text event; one in twenty is over a threshold somewhere."""
    context = {
        "audience": str(dice.choice(AUDIENCES)),
        "channel": str(dice.choice(CHANNELS)),
        "language": str(dice.choice(LANGUAGES)),
        "attributes": {"level": int(dice.integers(0, 10))},
    }
    scores = empty_scores(categories)
    scores[0] = dice.beta(1.2, 20, categories).clip(0, 0.49).astype(np.float32)
    if dice.random() < MATCHED:
        hot = dice.integers(0, categories, 2)
        scores[0, hot] = dice.uniform(0.92, 1.0, 2)
    sources = {(0, c): ("parts/0", "minilm-concepts", Evidence((0, 40))) for c in range(categories)}
    return Findings(context, frozenset({"text"}), scores=scores, sources=sources)


def check_equal(examples: int) -> None:
    """The suite's law, on more cases."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    law = given(test_evaluate.batches)(test_evaluate.agree)
    settings(max_examples=examples, deadline=None, database=None, suppress_health_check=checks)(law)()


def cedar_per_s() -> float:
    """Requests a second of cedarpy with a policy set of 100 policies: another job, for the scale of things."""
    rules = "\n".join(
        f'forbid(principal, action == Action::"send", resource) when {{ context.c{i} >= {500 + i} }};'
        for i in range(100)
    )
    request = {
        "principal": 'User::"u"',
        "action": 'Action::"send"',
        "resource": 'Channel::"lobby"',
        "context": {f"c{i}": 10 for i in range(100)},
    }
    count, since = 0, time.perf_counter()
    while time.perf_counter() - since < 1.0:
        cedarpy.is_authorized_batch([request] * 20, rules, [])
        count += 20
    return count / (time.perf_counter() - since)


def main() -> None:
    """Equality first, then both in turns on the same batches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000, help="random cases both must agree on")
    asked = parser.parse_args()
    since = time.perf_counter()
    check_equal(asked.examples)
    print(f"equal on {asked.examples} random cases of up to 3 trees ({time.perf_counter() - since:.0f} s)")

    dice, rows = random.Random(SEED), np.random.default_rng(SEED)
    since = time.perf_counter()
    policies = [
        compile_policy(resolve(s := source(document(i, dice)), {s.document.id: s}), Path(), PathsOnly())
        for i in range(POLICIES)
    ]
    print(f"{POLICIES} policies compiled in {time.perf_counter() - since:.1f} s")
    batches: list[tuple[list[CompiledPolicy], list[Findings]]] = []
    for _ in range(BATCHES):
        chosen = [policies[i] for i in rows.integers(0, POLICIES, EVENTS)]
        batches.append((chosen, [findings(rows, len(policy.categories)) for policy in chosen]))

    walked = RecursiveEvaluator()
    acted = 0
    for chosen, found in batches:  # warm: condition outcomes and trees are made once in both
        verdicts = decide_each(chosen, found)
        assert verdicts == [walked.decide(policy, one) for policy, one in zip(chosen, found, strict=True)]
        acted += sum(bool(verdict.reasons or verdict.shadow) for verdict in verdicts)
    blocked = sum(v.action is Action.BLOCK for chosen, found in batches for v in decide_each(chosen, found))
    print(f"{acted / (BATCHES * EVENTS):.1%} of events matched, {blocked / (BATCHES * EVENTS):.1%} blocked")

    ours, theirs = [], []
    for _ in range(ROUNDS):
        since = time.perf_counter()
        for chosen, found in batches:
            decide_each(chosen, found)
        ours.append(BATCHES * EVENTS / (time.perf_counter() - since))
        since = time.perf_counter()
        for chosen, found in batches:
            for policy, one in zip(chosen, found, strict=True):
                walked.decide(policy, one)
        theirs.append(BATCHES * EVENTS / (time.perf_counter() - since))
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"vectors    {mine:10,.0f} verdicts/s (median of {ROUNDS}; {min(ours):,.0f} to {max(ours):,.0f})")
    print(f"recursion  {other:10,.0f} verdicts/s")
    cedar = cedar_per_s()
    print(f"cedarpy    {cedar:10,.0f} requests/s over 100 rules, one at a time (for information)")
    print(f"decisions_per_s={mine:.0f} ratio={mine / other:.2f} equal={asked.examples} cedar_per_s={cedar:.0f}")


if __name__ == "__main__":
    main()
