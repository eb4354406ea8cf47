"""
Harm split over messages: how much is caught with conversations on and off, at equal false alarms.

Harmful: 200 rows that their source labels harmful, each cut at spaces into 2 to 4 messages of one speaker; after every
second message of half of them somebody else says something harmless. Harmless: 500 exchanges of 3 to 8 messages of two
speakers, of rows labelled harmless and of everyday lines. An exchange is caught when one of its messages is. Off reads
each message by itself; on reads it with those before it as well, as the worker does (`window/conversation.py`, the same
views and scorer, the default policy). The false alarms are made equal by one shift of the log-odds of all thresholds;
`whole` is what is caught of the 200 rows in one piece, with the shift of off. The rows are not those that figures of
the model itself are held back on, but some are of kinds that it was trained on: so look at the difference, not at the
level.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

from worker.core.decisions import Findings
from worker.core.events import PartType
from worker.core.records import Position
from worker.core.streams import CallRules
from worker.core.views import Floats, TextSource, View, empty_scores
from worker.pipeline.together import joins
from worker.policy.compile import CompiledPolicy
from worker.policy.tools.loading import open_folder
from worker.score.profile import Models, load_models
from worker.settings import load
from worker.window.conversation import Conversations
from worker.window.views import Views

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "text"
EVERYDAY = ROOT / "train" / "synthetic" / "everyday.txt"
SEED = 6
SPLIT, HARMLESS = 200, 500
WORDS = range(5, 31)  # of a row that is cut
ALARMS = (0.01, 0.02, 0.05)  # shares of harmless exchanges at which both are compared
BATCH = 64
TEXT = (PartType.TEXT,)


class Message(NamedTuple):
    """One line of an exchange."""

    speaker: str
    text: str


Exchange = list[Message]


def rows() -> tuple[list[str], list[str]]:
    """Harmful and harmless texts, each once, as their sources label them."""
    bad, good = set[str](), set[str]()
    for line in gzip.decompress((DATA / "openai_moderation_dev.jsonl.gz").read_bytes()).splitlines():
        row = json.loads(line)
        labels = [value for name, value in row.items() if name != "prompt"]
        (bad if any(labels) else good).add(row["prompt"])
    for name, column, said in (
        ("surge_toxicity_en.csv.gz", "is_toxic", {"Toxic": bad, "Not Toxic": good}),
        ("edos_train_dev.csv.gz", "label_sexist", {"sexist": bad}),  # what is not sexist there is often harmful
        ("davidson_dev.csv.gz", "class", {"0": bad, "2": good}),
    ):
        for found in _csv(DATA / name):
            if (into := said.get(found.get(column, ""))) is not None:
                into.add(found.get("text") or found["tweet"])
    return _short(bad - good), _short(good - bad)


def _csv(path: Path) -> Iterator[dict[str, str]]:
    return csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))


def _short(texts: set[str]) -> list[str]:
    one_line = (" ".join(text.split()) for text in texts)
    return sorted(text for text in one_line if len(text.split()) in WORDS)


def cut(text: str, random: Random) -> list[str]:
    """The text in 2 to 4 pieces, cut at spaces."""
    words = text.split()
    pieces = random.randint(2, min(4, len(words)))
    ends = sorted(random.sample(range(1, len(words)), pieces - 1))
    return [" ".join(words[a:b]) for a, b in zip([0, *ends], [*ends, len(words)], strict=True)]


def split(bad: Sequence[str], lines: Sequence[str], random: Random) -> tuple[list[Exchange], list[Exchange]]:
    """200 exchanges with a row cut in pieces, and the rows in one piece."""
    chosen = random.sample(list(bad), SPLIT)
    found = []
    for number, text in enumerate(chosen):
        exchange: Exchange = []
        for place, piece in enumerate(cut(text, random)):
            exchange.append(Message("ann", piece))
            if number % 2 and place % 2 == 0:
                exchange.append(Message("bob", random.choice(lines)))
        found.append(exchange)
    return found, [[Message("ann", text)] for text in chosen]


def harmless(good: Sequence[str], lines: Sequence[str], random: Random) -> list[Exchange]:
    """500 exchanges, half of whose lines are rows and half everyday lines."""
    pool = [random.sample(list(good), len(good)), list(lines)]
    return [
        [
            Message(random.choice(["ann", "bob"]), random.choice(pool[random.randrange(2)]))
            for _ in range(random.randint(3, 8))
        ]
        for _ in range(HARMLESS)
    ]


class Reader:
    """The text views that the worker would make, and the distance of their scores from the policy's thresholds."""

    def __init__(self, models: Models, policy: CompiledPolicy) -> None:
        self._models, self._policy = models, policy
        self._views = Views(models.tokenizer, models.languages)
        judge = policy.judge(_scored(policy))
        assert judge is not None
        self.views = self.tokens = 0  # of the last call
        self._odds = _log_odds(np.minimum(judge.arrays.flag, judge.arrays.block)[PartType.TEXT])

    def strongest(self, exchanges: Sequence[Exchange], rules: CallRules) -> list[float]:
        """Of each exchange, how far in log-odds its strongest category is over its threshold; below 0: allowed."""
        found = [-math.inf] * len(exchanges)
        views: list[tuple[int, View]] = []
        talk = Conversations()
        for number, exchange in enumerate(exchanges):
            for place, message in enumerate(exchange):
                views += [(number, view) for view in self._read([message.text], excerpt=False)]
                at = Position("bench", 0, number * 100 + place)
                key = ("bench", str(number))
                together = talk.note(at, key, (number * 100 + place) * 1000, message.speaker, message.text, rules)
                read = [one for kind, _, said in together.windows for one in joins(kind, said)] if together else []
                for close in (True, False):
                    texts = [one.text for one in read if one.close is close]
                    views += [(number, view) for view in self._read(texts, excerpt=not close)]
        for start in range(0, len(views), BATCH):
            some = views[start : start + BATCH]
            for (number, _), odds in zip(some, self._score([view for _, view in some]), strict=True):
                found[number] = max(found[number], odds)
        self.views = len(views)
        self.tokens = sum(view.cost for _, view in views)
        return found

    def _read(self, texts: Sequence[str], *, excerpt: bool) -> list[View]:
        sources = [(TextSource("bench", text, TEXT), self._views.normalised(text)) for text in texts]
        views = self._views.texts(sources)[0] if sources else []
        for view in views:
            view.excerpt = view.excerpt or excerpt
        return views

    def _score(self, views: list[View]) -> list[float]:
        best = np.full(len(views), -np.inf)
        for name, scorer in self._models.scorers.items():
            concepts = self._policy.concepts(name)
            if concepts is None or scorer.kind is not views[0].kind:
                continue
            for place, scores in enumerate(scorer.score(views, [concepts] * len(views))):
                best[place] = max(best[place], float(np.nanmax(_log_odds(scores) - self._odds)))
        return best.tolist()


def _scored(policy: CompiledPolicy) -> Findings:
    return Findings({}, frozenset({"text"}), scores=empty_scores(len(policy.categories)))


def _log_odds(probabilities: Floats) -> Floats:
    inside = np.clip(probabilities, 1e-6, 1 - 1e-6)
    odds: Floats = np.where(np.isfinite(probabilities), np.log(inside / (1 - inside)), np.inf)
    return odds


def share(strengths: Sequence[float], over: float) -> float:
    """How many are over `over`."""
    return sum(one > over for one in strengths) / len(strengths)


def shift(harmless_strengths: Sequence[float], alarms: float) -> float:
    """The lowest shift at which no more than this share of harmless exchanges is over it."""
    ordered = sorted(harmless_strengths, reverse=True)
    return ordered[int(alarms * len(ordered))]


def main() -> None:
    """Print a line for each share of false alarms, and last one of name=value pairs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    models = load_models(load().models.model_dump())
    policy = open_folder(ROOT / "policies").compiled("default", models.concepts)
    random = Random(asked.seed)
    bad, good = rows()
    lines = [line for line in EVERYDAY.read_text().splitlines() if line and not set(line) & set("#={}|")]
    pieces, whole = split(bad, lines, random)
    calm = harmless(good, lines, random)
    reader = Reader(models, policy)
    apart = CallRules(messages=0, exchange=0)
    found: dict[str, tuple[list[float], list[float]]] = {}
    cost = {}
    for name, rules in (("off", apart), ("on", CallRules())):
        caught = reader.strongest(pieces, rules)
        found[name] = (caught, reader.strongest(calm, rules))
        cost[name] = reader.tokens
    whole_strengths = reader.strongest(whole, apart)
    print(f"rows: {len(bad)} harmful, {len(good)} harmless; tokens: {cost['off']} off, {cost['on']} on")
    for name, (caught, wrongly) in found.items():
        at_zero = f"{share(caught, 0):.3f} caught, {share(wrongly, 0):.3f} false"
        print(f"  at the policy's thresholds, {name}: {at_zero}")
    values = {}
    for alarms in ALARMS:
        shifts = {name: shift(calm_strengths, alarms) for name, (_, calm_strengths) in found.items()}
        caught_by = {name: share(found[name][0], shifts[name]) for name in found}
        in_one = share(whole_strengths, shifts["off"])
        print(f"  at {alarms:.0%}: off {caught_by['off']:.3f}, on {caught_by['on']:.3f}, in one piece {in_one:.3f}")
        values[alarms] = (caught_by["off"], caught_by["on"], in_one)
    off, on, in_one = values[0.02]
    print(
        f"split={SPLIT} harmless={HARMLESS} alarms=0.02 off={off:.3f} on={on:.3f} whole={in_one:.3f} "
        f"tokens_ratio={cost['on'] / cost['off']:.2f}"
    )


if __name__ == "__main__":
    main()
