"""
Texts judged a second: the whole worker, from event to decision record, against a plain fp32 loop.

The rival is the loop a careful user writes first: tokenise, fp32 model in torch, mean pool, in batches of 32 as they
come, cut at 256 tokens, 2 threads. It is spared the heads; the worker also normalises, reads texts past 256 tokens to
their end and looks at normalised copies. Turns are interleaved, because the machine is seldom quiet; `ratio_cpu`
compares processor seconds, which other people's load moves less. Fidelity is measured with the worker itself on torch
in fp32, one view at a time: it shows what engine and batching change and nothing else. The queue is in memory.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import structlog
import torch
from transformers import AutoModel, AutoTokenizer

from worker.app import Worker, load_models, running
from worker.core.clock import SystemClock
from worker.core.decisions import Findings
from worker.core.errors import ModelFailed
from worker.core.events import PartType
from worker.core.records import Draft
from worker.core.views import Floats, TextSource, empty_scores
from worker.policy.compile import CompiledPolicy, compile_policy
from worker.policy.folder import read_folder
from worker.policy.resolve import resolve
from worker.score.batch import BatchLimits
from worker.score.concepts import NAME, TextConcepts
from worker.score.device import Device
from worker.score.features import Reading
from worker.score.lane import Answer, Ask, Lane, Late
from worker.score.models.adapted import adaptation
from worker.score.models.minilm import MiniLM
from worker.score.models.minilm_encoders import Read, merged
from worker.score.models.minilm_scorer import MiniLMScorer
from worker.score.weights import MINILM
from worker.settings import load
from worker.transport.memory import MemoryLog, MemoryTail, MemoryTransport
from worker.window.views import Views

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT.parent / "shared" / "data" / "text" / "openai_moderation_dev.jsonl.gz"
STRIDE = 4  # every fourth text, so that the rival ends within a minute
ROUND = 100  # texts a turn
THREADS = 2
RIVAL_BATCH = 32
RIVAL_TOKENS = 256
TEXT = (PartType.TEXT,)


@dataclass(slots=True)
class Times:
    """Seconds on the wall's clock and on the processor's."""

    wall: float = 0.0
    cpu: float = 0.0


class Fp32Encoder:
    """MiniLM with its deltas, in torch: what our engine is measured against."""

    precision = "float32"

    def __init__(self) -> None:
        self.adaptation = adaptation()
        self.glance: Read | None = None
        self._model: Any = merged(self.adaptation)

    def read(self, rows: Sequence[npt.NDArray[np.int32]]) -> Reading:
        """One by one: no padding, nothing to get wrong."""
        readings = [self._one(row) for row in rows]
        return Reading(*(np.concatenate(parts) for parts in zip(*readings, strict=True)))

    def _one(self, row: npt.NDArray[np.int32]) -> Reading:
        with torch.inference_mode():
            tokens = self._model(input_ids=torch.from_numpy(row).long()[None]).last_hidden_state.numpy()
        sums = tokens.sum(1)
        return self.adaptation.reading(tokens, np.array([len(row)], np.int32), sums)


class Whole:
    """The worker as `tidegate run` wires it, kept running between turns, over a queue in memory."""

    def __init__(self) -> None:
        self._settings = load(None, {"policies": ROOT / "policies", "models.threads": THREADS})
        self._log = MemoryLog()
        topics = self._settings.topics
        self._tail = MemoryTail(self._log, (topics.allow, topics.flag, topics.block))
        models = load_models(self._settings.models.model_dump())
        self.worker = Worker(self._settings, MemoryTransport(self._log, topics), models)
        self._sent = 0

    async def judge(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Decisions, in the texts' order."""
        if not self._sent:
            await self._tail.start()
        first, self._sent = self._sent, self._sent + len(texts)
        self._log.append(
            [
                Draft(self._settings.topics.events, None, orjson.dumps(_event(first + i, text)))
                for i, text in enumerate(texts)
            ]
        )
        found: dict[int, dict[str, Any]] = {}
        while len(found) < len(texts):
            for record in await self._tail.read(max_records=1_000, timeout_s=1.0):
                decision = orjson.loads(record.value or b"")
                found[int(decision["event_id"])] = decision
        return [found[first + i] for i in range(len(texts))]


def _event(number: int, text: str) -> dict[str, Any]:
    return {"id": str(number), "tenant": "bench", "parts": [{"type": "text", "text": text}]}


class Direct:
    """From text to scores without the queue and records, for the exact model."""

    def __init__(self, model: MiniLM, policy: CompiledPolicy) -> None:
        self._views = Views(model)
        self._policy = policy
        self._scorer = MiniLMScorer(model, TextConcepts(model))

    def judge(self, texts: Sequence[str]) -> Floats:
        """float32 [N, C]: of each text, the maximum over its views."""
        return asyncio.run(self._judge(texts))

    async def _judge(self, texts: Sequence[str]) -> Floats:
        scores = np.full((len(texts), len(self._policy.categories)), np.nan, np.float32)
        concepts = self._policy.concepts(NAME)
        left = 0
        done = asyncio.Event()

        def on_done(answers: list[Answer]) -> None:
            nonlocal left
            for ticket, _, result in answers:
                if isinstance(result, ModelFailed | TextSource | Late):
                    raise SystemExit("the model failed: the figure would be void")
                scores[ticket] = np.fmax(scores[ticket], result)
            left -= len(answers)
            if left == 0:
                done.set()

        clock = SystemClock()
        device = Device([Lane(NAME, self._scorer, BatchLimits(items=64, cost=8192), clock)], clock, on_done)
        device.start()
        asks = [
            Ask(view, concepts, number)
            for number, text in enumerate(texts)
            for view in self._views.texts([(TextSource("parts/0", text, TEXT), self._views.normalised(text))])[0]
        ]
        left = len(asks)
        device.submit(NAME, asks)
        await done.wait()
        await device.close(1)
        return scores


class Loop:
    """The rival."""

    def __init__(self) -> None:
        folder = MINILM.path().parent
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    def judge(self, texts: Sequence[str]) -> Floats:
        """float32 [N, 384]: embeddings, in the order of arrival."""
        found = []
        with torch.inference_mode():
            for first in range(0, len(texts), RIVAL_BATCH):
                batch = list(texts[first : first + RIVAL_BATCH])
                tokens = self._tokenizer(
                    batch, padding=True, truncation=True, max_length=RIVAL_TOKENS, return_tensors="pt"
                )
                hidden = self._model(**tokens).last_hidden_state
                mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
                found.append((hidden * mask).sum(1) / mask.sum(1))
        pooled: Floats = torch.cat(found).numpy()
        return pooled


def default_policy(model: MiniLM) -> CompiledPolicy:
    """The 13 categories as shipped."""
    folder = ROOT / "policies"
    sources = read_folder(folder, {}).sources
    return compile_policy(resolve(sources["default"], sources), folder, TextConcepts(model))


def actions(policy: CompiledPolicy, scores: Floats) -> list[str]:
    """What the policy says of each row of scores."""
    findings = []
    for row in scores:
        by_type = empty_scores(len(policy.categories))
        by_type[PartType.TEXT] = row
        findings.append(Findings({}, frozenset({"text"}), scores=by_type))
    return [verdict.action.label for verdict in policy.decide(findings)]


async def race(texts: Sequence[str], ours: Whole, rival: Loop) -> tuple[Times, Times, list[dict[str, Any]]]:
    """Seconds of each over the same texts in turns, and our decisions."""
    times, theirs = Times(), Times()
    decisions: list[dict[str, Any]] = []
    for turn, first in enumerate(range(0, len(texts), ROUND)):
        batch = texts[first : first + ROUND]
        for ours_now in (True, False) if turn % 2 else (False, True):
            begun, cpu_begun = time.perf_counter(), time.process_time()
            if ours_now:
                decisions += await ours.judge(batch)
            else:
                rival.judge(batch)
            spent = times if ours_now else theirs
            spent.wall += time.perf_counter() - begun
            spent.cpu += time.process_time() - cpu_begun
    return times, theirs, decisions


async def _run(texts: Sequence[str], whole: Whole, rival: Loop) -> tuple[Times, Times, list[dict[str, Any]]]:
    async with running(whole.worker):
        await whole.judge(texts[:8])
        return await race(texts, whole, rival)


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    torch.set_num_threads(THREADS)
    with gzip.open(TEXTS, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["prompt"] for line in lines][::STRIDE]
    whole, rival = Whole(), Loop()
    rival.judge(texts[:8])
    ours, theirs, decisions = asyncio.run(_run(texts, whole, rival))
    exact_model = MiniLM(encoder=Fp32Encoder())
    policy = default_policy(exact_model)
    exact = Direct(exact_model, policy).judge(texts)
    scores = np.array([[one["scores"].get(name, np.nan) for name in policy.categories] for one in decisions])
    moved = np.abs(scores - exact)
    said = [one["action"] for one in decisions]
    changed = sum(a != b for a, b in zip(said, actions(policy, exact), strict=True))
    print(f"{len(texts)} texts, {len(policy.categories)} categories, {THREADS} threads, turns of {ROUND} texts")
    print(f"rival: transformers fp32, batches of {RIVAL_BATCH} in order of arrival, cut at {RIVAL_TOKENS} tokens")
    values = {
        "texts_per_s": f"{len(texts) / ours.wall:.1f}",
        "rival_texts_per_s": f"{len(texts) / theirs.wall:.1f}",
        "ratio": f"{theirs.wall / ours.wall:.2f}",
        "ratio_cpu": f"{theirs.cpu / ours.cpu:.2f}",
        "score_difference_p99": f"{np.quantile(moved, 0.99):.4f}",
        "score_difference_max": f"{moved.max():.4f}",
        "verdicts_changed": changed,
        "verdicts_changed_percent": f"{100 * changed / len(texts):.2f}",
    }
    print(" ".join(f"{name}={value}" for name, value in values.items()))


if __name__ == "__main__":
    main()
