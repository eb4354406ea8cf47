"""
Events a second of a guard model: one forward with the policy's prefix reused, against `generate` and against no reuse.

The model is a Gemma-3 with random weights, since speed does not depend on their values: an eighth of Nemotron-3.5's
width, with its ratios (hidden : feed-forward : vocabulary, heads, 5 sliding layers to a full one), or its true size
with `--full-size`. The tenant's tree has 500 tokens, with the template's own words around it (610 before the content),
contents have 40 in the median (log-normal, fixed seed), and what the template says after the content (some 120 tokens)
is computed for every row, as it must be. Rivals:

- `generate`: transformers' own, greedy, with its cache, stopped after the 8 tokens that a real verdict takes; one by
  one on CPU, in batches as large as ours with `--device cuda`.
- no reuse: our one forward, the same batches, each row read whole.

Turns are interleaved, because the machine is seldom quiet. On a busy one two threads wait for each other, and a rival
of many small steps more than us: there `--threads 1` and the CPU seconds (`ratio_…_cpu`) are to be believed. `--no-
tail` leaves out what the template says after the content: policy, content, label, and nothing else. Left out: the
queue, the policy's evaluation, pictures.

    python -m ops.bench.guard [--events N] [--batch N]
    python -m ops.bench.guard --device cuda --full-size [--batch 8 --batch 32]
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import torch

from ops.guard.checkpoints import random_model
from ops.guard.words import tokenizer
from worker.score.models.guard.family import Category
from worker.score.models.guard.forward import OneForward
from worker.score.models.guard.nemotron import NEMOTRON
from worker.score.models.guard.onednn import pack
from worker.score.models.guard.prefixes import Prefixes
from worker.score.models.guard.prompts import Prompts, Question, Row

POLICY_TOKENS = 500
MEDIAN_TOKENS, SPREAD = 40, 0.6
VERDICT_TOKENS = 8
TRUE_SIZE: dict[str, Any] = {
    "hidden_size": 2560,
    "intermediate_size": 10_240,
    "num_hidden_layers": 34,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "query_pre_attn_scalar": 256,
    "sliding_window": 1024,
    "vocab_size": 262_208,
    "max_position_embeddings": 131_072,
}
EIGHTH: dict[str, Any] = {
    **TRUE_SIZE,
    "hidden_size": 320,
    "intermediate_size": 1_280,
    "num_hidden_layers": 12,
    "head_dim": 32,
    "query_pre_attn_scalar": 32,
    "vocab_size": 32_776,
    "max_position_embeddings": 4_096,
}
_WORDS = [
    "the",
    "match",
    "begins",
    "at",
    "eight",
    "see",
    "you",
    "tomorrow",
    "thank",
    "you",
    "I",
    "will",
    "find",
    "hold",
    "a",
    "threat",
    "does",
    "document",
    "hello",
    "there",
]


@dataclass(slots=True)
class Times:
    """Seconds of each call, and how many events it judged."""

    seconds: list[float] = field(default_factory=list)
    cpu: float = 0.0  # seconds of all processors together, which other people's load moves less
    events: int = 0

    @property
    def per_s(self) -> float:
        """Events a second."""
        return self.events / sum(self.seconds)

    def quantile_ms(self, share: float) -> float:
        """Milliseconds of a call; with one call a batch, what each of its events waited."""
        return 1000 * float(np.quantile(self.seconds, share))


def question(prompts: Prompts, tokens: int) -> Question:
    """A tree of categories that takes as near to `tokens` as whole sentences allow, in the template's words around."""
    categories: list[Category] = []
    bare = len(prompts.question([Category("rule", "")]).prefix)
    while True:
        number = len(categories) + 1
        more = [*categories, Category(f"rule {number}", "The user will find you and does hold a threat tomorrow.")]
        if len(prompts.question(more).prefix) - bare > tokens:
            return prompts.question(categories)
        categories = more


def contents(prompts: Prompts, count: int) -> list[str]:
    """Texts whose lengths in tokens are log-normal with a median of 40: its quantiles, in a fixed disorder."""
    random = np.random.default_rng(7)
    normal = [NormalDist().inv_cdf((n + 0.5) / count) for n in range(count)]
    texts = []
    for length in np.clip(MEDIAN_TOKENS * np.exp(SPREAD * random.permutation(normal)), 4, 400).round():
        words: list[str] = []
        while len(prompts.encode([" ".join(words)])[0]) < length:
            words.append(str(random.choice(_WORDS)))
        texts.append(" ".join(words))
    return texts


def generate(model: Any, rows: Sequence[Row]) -> None:
    """The rival: a batch padded on the left, 8 tokens, greedy."""
    device = next(model.parameters()).device
    longest = max(len(row.ids) for row in rows)
    ids = np.zeros((len(rows), longest), np.int64)
    mask = np.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, longest - len(row.ids) :] = row.ids
        mask[place, longest - len(row.ids) :] = 1
    model.generate(
        input_ids=torch.from_numpy(ids).to(device),
        attention_mask=torch.from_numpy(mask).to(device),
        do_sample=False,
        min_new_tokens=VERDICT_TOKENS,
        max_new_tokens=VERDICT_TOKENS,
        pad_token_id=0,
    )


def timed(times: Times, run: Callable[[], object], events: int, device: str) -> None:
    """One call, to its end on the device."""
    begun, cpu = time.perf_counter(), time.process_time()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    times.seconds.append(time.perf_counter() - begun)
    times.cpu += time.process_time() - cpu
    times.events += events


def race(model: Any, rows: Sequence[Row], batch: int, device: str, share: int) -> dict[str, Times]:
    """Our forward, the same without reuse, and `generate` for one row in `share`, in turns over the same batches."""
    packed = copy.deepcopy(model) if device == "cpu" else model
    pack(packed)  # as loading does
    ours = OneForward(packed, batch_rows=batch, batch_tokens=1 << 20, prefixes=Prefixes(4 << 30))
    plain = OneForward(packed, batch_rows=batch, batch_tokens=1 << 20)
    times = {"ours": Times(), "no_reuse": Times(), "generate": Times()}
    ordered = sorted(rows, key=lambda row: len(row.ids))  # as a lane's batcher has them
    batches = [ordered[first : first + batch] for first in range(0, len(ordered), batch)]
    alone = 1 if device == "cpu" else batch
    for warm in (ours.margins, plain.margins, lambda some: generate(model, some[:alone])):
        warm(batches[0][:2] if device == "cpu" else batches[0])
    for number in np.random.default_rng(3).permutation(len(batches)):
        some = batches[number]
        timed(times["ours"], lambda some=some: ours.margins(some), len(some), device)  # type: ignore[misc]
        timed(times["no_reuse"], lambda some=some: plain.margins(some), len(some), device)  # type: ignore[misc]
        asked = some[::share] if device == "cpu" else some
        for first in range(0, len(asked), alone):
            few = asked[first : first + alone]
            timed(times["generate"], lambda few=few: generate(model, few), len(few), device)  # type: ignore[misc]
    return times


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    arguments.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments.add_argument("--full-size", action="store_true", help="Nemotron-3.5's true size, bfloat16 on CUDA")
    arguments.add_argument("--layers", type=int, help="fewer layers, to try the script out")
    arguments.add_argument("--threads", type=int, default=2, help="1 on a busy machine, where the CPU seconds count")
    arguments.add_argument("--no-tail", action="store_true", help="without the template's words after the content")
    arguments.add_argument("--share", type=int, default=8, help="`generate` answers one event in so many, on CPU")
    arguments.add_argument("--policy-tokens", type=int, default=POLICY_TOKENS, help="of the tenant's tree alone")
    arguments.add_argument("--events", type=int, default=64)
    arguments.add_argument("--batch", type=int, action="append", help="rows a forward; may be given several times")
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    words = tokenizer("nemotron")
    prompts = Prompts(words, NEMOTRON, "bench")
    shape = dict(TRUE_SIZE if chosen.full_size else EIGHTH)
    if chosen.layers:
        shape["num_hidden_layers"] = chosen.layers
    dtype = torch.bfloat16 if chosen.device == "cuda" else torch.float32
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    with torch.device(chosen.device):
        model = random_model("nemotron", words, shape=shape).to(dtype)
    torch.set_default_dtype(default)
    asked = question(prompts, chosen.policy_tokens)
    texts = [prompts.neutral(text) for text in contents(prompts, chosen.events)]
    rows = prompts.rows([(asked, text) for text in texts])
    if chosen.no_tail:
        tail = len(prompts.encode([asked.after])[0]) - len(prompts.encode([NEMOTRON.forced])[0])
        kept = len(prompts.encode([NEMOTRON.forced])[0])
        rows = [replace(row, ids=np.concatenate([row.ids[: -tail - kept], row.ids[-kept:]])) for row in rows]
    after = len(prompts.encode([asked.before + asked.after])[0]) - len(asked.prefix)
    after = kept if chosen.no_tail else after
    own = [len(ids) for ids in prompts.encode(texts)]
    name = torch.cuda.get_device_name() if chosen.device == "cuda" else f"cpu, {chosen.threads} threads"
    print(f"{name}; {sum(p.numel() for p in model.parameters()) / 1e6:.0f} M parameters, {dtype}")
    print(
        f"{len(rows)} events; prefix {len(asked.prefix)} tokens, contents {np.median(own):.0f} in the median, "
        f"{after} after them; all rows share the prefix: {all(row.shared for row in rows)}"
    )
    values: dict[str, str] = {}
    for batch in chosen.batch or [16]:
        if chosen.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        times = race(model, rows, batch, chosen.device, chosen.share)
        ours, plain, rival = times["ours"], times["no_reuse"], times["generate"]
        mark = f"_b{batch}" if len(chosen.batch or ()) > 1 else ""
        values |= {
            f"events_per_s{mark}": f"{ours.per_s:.2f}",
            f"no_reuse_per_s{mark}": f"{plain.per_s:.2f}",
            f"generate_per_s{mark}": f"{rival.per_s:.2f}",
            f"p50_ms{mark}": f"{ours.quantile_ms(0.5):.0f}",
            f"p95_ms{mark}": f"{ours.quantile_ms(0.95):.0f}",
            f"generate_p50_ms{mark}": f"{rival.quantile_ms(0.5):.0f}",
            f"ratio_generate{mark}": f"{ours.per_s / rival.per_s:.2f}",
            f"ratio_no_reuse{mark}": f"{ours.per_s / plain.per_s:.2f}",
            f"ratio_generate_cpu{mark}": f"{(rival.cpu / rival.events) / (ours.cpu / ours.events):.2f}",
            f"ratio_no_reuse_cpu{mark}": f"{(plain.cpu / plain.events) / (ours.cpu / ours.events):.2f}",
        }
        if chosen.device == "cuda":
            values[f"peak_gb{mark}"] = f"{torch.cuda.max_memory_allocated() / 1e9:.2f}"
    print(" ".join(f"{name}={value}" for name, value in values.items()))


if __name__ == "__main__":
    main()
