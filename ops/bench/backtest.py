"""
Bench: a candidate policy over 1,000,000 stored decisions, on all cores, against deciding the same log in a loop.

The log is made by deciding and writing 20,000 events as the worker does, then repeated with other ids. Four fifths of
them are texts, the rest are text and picture; a twentieth has some category near its threshold; all were scored on 13
categories. The candidate changes thresholds, adds a condition and an `on`. The loop is what a careful user would
write: json, one decision at a time through the policy's own `decide`, on a share of the log.

Run: python -m ops.bench.backtest [--decisions 1000000] [--processes N]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from worker.core.clock import FakeClock
from worker.core.decisions import Findings
from worker.core.events import Event, ImagePart, Part, PartType, TextPart
from worker.core.records import Position
from worker.core.views import empty_scores
from worker.deliver.decision import DecisionWriter
from worker.policy.compile import CompiledPolicy
from worker.policy.tools.backtest import Trial, backtest
from worker.policy.tools.loading import open_folder
from worker.policy.tools.tally import Tally

SHIPPED = Path(__file__).parents[2] / "policies"
DISTINCT = 20_000
LOOPED = 20_000
CANDIDATE = {
    "id": "candidate",
    "version": "1",
    "extends": "default",
    "categories": {"hate": {"flag": 0.3, "on": {"image": {"flag": 0.8}}}, "violence": {"block": 0.9}},
    "when": [{"if": "context.audience == 'kids'", "set": {"sexual": {"flag": 0.1, "block": 0.3}}}],
}


def events(policy: CompiledPolicy, count: int, seed: int = 4) -> list[tuple[Event, Findings, float]]:
    """Events as judged: skewed scores, a twentieth of the events with one category anywhere from 0 to 1."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        parts: tuple[Part, ...] = (TextPart("parts/0", "x"),)
        kinds = [PartType.TEXT]
        if number % 5 == 0:
            parts += (ImagePart("parts/1", np.zeros((1, 2, 2, 3), np.uint8)),)
            kinds.append(PartType.IMAGE)
        position = Position("moderation.events", number % 12, number)
        context = {"audience": ("kids", "adults")[number % 2]}
        event = Event(f"event-{number:07d}", "acme", parts, position, None, "o", 0.0, context=context)
        findings = Findings(context, event.part_types(), scores=empty_scores(len(policy.categories)))
        assert findings.scores is not None
        for kind in kinds:
            findings.scores[kind] = np.round(rng.beta(0.4, 12, len(policy.categories)), 4)
            if rng.random() < 0.05:
                findings.scores[kind, rng.integers(len(policy.categories))] = np.round(rng.random(), 4)
        found.append((event, findings, 0.0))
    return found


def write_folder(folder: Path) -> None:
    """The shipped default, a policy that reads the audience, and the candidate."""
    (folder / "default.json").write_bytes((SHIPPED / "default.json").read_bytes())
    live = {"id": "live", "version": "1", "extends": "default", "when": [{"if": "context.audience == 'x'", "set": {}}]}
    (folder / "live.json").write_text(json.dumps(live))
    (folder / "candidate.json").write_text(json.dumps(CANDIDATE))
    (folder / "tenants.json").write_text('{"*": "live"}')


def write_log(path: Path, policy: CompiledPolicy, decisions: int) -> None:
    """The log: decided and written once, repeated with other ids."""
    judged = events(policy, DISTINCT)
    verdicts = policy.decide([findings for _, findings, _ in judged])
    written = [one.outgoing.value or b"" for one in DecisionWriter(FakeClock()).write(policy, judged, verdicts)]
    with path.open("wb") as file:
        for turn in range(-(-decisions // DISTINCT)):
            mark = b'"event_id":"turn-%05d-' % turn
            some = written[: min(DISTINCT, decisions - turn * DISTINCT)]
            file.writelines(line.replace(b'"event_id":"', mark, 1) + b"\n" for line in some)


def in_a_loop(path: Path, policy: CompiledPolicy, most: int) -> tuple[float, int]:
    """Decisions a second, and how many changed, one at a time."""
    columns = {name: i for i, name in enumerate(policy.categories)}
    changed, begun = 0, time.perf_counter()
    with path.open("rb") as file:
        for line in itertools.islice(file, most):
            said: dict[str, Any] = json.loads(line)
            found = Findings(said["context"], frozenset(said["types"]), scores=empty_scores(len(columns)))
            assert found.scores is not None
            for kind, scores in (said.get("scores_by_type") or {said["types"][0]: said["scores"]}).items():
                for name, score in scores.items():
                    found.scores[PartType[kind.upper()], columns[name]] = score
            changed += policy.decide([found])[0].action.label != said["action"]
    return most / (time.perf_counter() - begun), changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=None)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name) / "policies", Path(name) / "decisions.jsonl"
        folder.mkdir()
        write_folder(folder)
        opened = open_folder(folder)
        write_log(log, opened.compiled("live"), chosen.decisions)
        size = log.stat().st_size
        print(f"log: {chosen.decisions} decisions, {size / chosen.decisions:.0f} bytes each; cores {os.cpu_count()}")
        begun, total = time.perf_counter(), Tally()
        for tally, _ in backtest(Trial(opened, "candidate"), [str(log)], chosen.processes):
            total.add(tally)
        took = time.perf_counter() - begun
        looped, loop_changed = in_a_loop(log, opened.compiled("candidate"), min(LOOPED, chosen.decisions))
    print(f"changed: {total.changed}; unanswered {total.unanswered}; in the loop's share {loop_changed} of {LOOPED}")
    if chosen.decisions % DISTINCT == 0:
        expected = loop_changed * (chosen.decisions // DISTINCT)
        assert total.changed.count == expected, f"backtest {total.changed.count}, loop {expected}"
    rate = chosen.decisions / took
    print(f"decisions_per_s={rate:.0f} loop_per_s={looped:.0f} ratio={rate / looped:.1f}")


if __name__ == "__main__":
    main()
