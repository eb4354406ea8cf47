"""
`python -m ops.quality.without`: what each part of the text scorer adds, by leaving it out; a table of docs/quality.md.

Rows and wordings held apart, each read as an event is, by the highest log-odds of the 13 categories, any label against
none. The attacks' figures are taken at the threshold that flags 5 % of their harmless rows as written. `--speed` prints
texts a second of `real` instead, the fastest of three readings each, in turn. What the parts of the training add is in
`python -m train.ablations`.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from sklearn.metrics import average_precision_score, roc_auc_score

from ops.quality.suites import Suite, suites
from ops.quality.writing import PAGE, put
from train.calibrate import SILENT, background
from train.custom import Custom
from worker.core.events import PartType
from worker.core.views import Floats, TextSource, View
from worker.quality.attacks import ATTACKS
from worker.score.concepts import NAME, TextConcepts
from worker.score.features import Reading
from worker.score.models.adapted import published
from worker.score.models.minilm import Ids, MiniLM
from worker.score.models.minilm_encoders import CpuEncoder, Encoder
from worker.score.models.minilm_scorer import Weight, read_views, weight_of
from worker.window.views import Views

ROOT = Path(__file__).resolve().parents[2]
_BATCH = 256
_READ = ("real", "contrast", "attacks")
_RANKED = ("real", "contrast", "cut", "apart")
_SEED = 11
_HARMLESS_FLAGGED = 0.05
_HEADER = (
    "| left out | real: AUROC / AP | contrast: AUROC | in two parts: AUROC | with a line between: AUROC "
    "| attacks hide: mean / worst | harmless flagged, attacked |\n| --- | --- | --- | --- | --- | --- | --- |\n"
)

Score = Callable[[Reading], Floats]  # what is seen in views to the highest log-odds, float32 [N]


class Texts(NamedTuple):
    """Events as the texts of their parts, and whether each violates: bool [N]."""

    parts: Sequence[tuple[str, ...]]
    violates: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reader:
    """The scorer, whole or with a part left out."""

    name: str
    model: MiniLM
    score: Score
    normalised: bool = True
    sentences: bool = True
    joint: bool = True

    def highest(self, events: Sequence[tuple[str, ...]]) -> Floats:
        """float32 [N]: the highest log-odds of each event over its views."""
        asked = [(place, view) for place, parts in enumerate(events) for view in self._views(parts)]
        asked.sort(key=lambda view: view[1].cost)
        found = np.full(len(events), SILENT, np.float32)
        for first in range(0, len(asked), _BATCH):
            batch = asked[first : first + _BATCH]
            seen, less = read_views(self.model, [view for _, view in batch], self._look)
            np.maximum.at(found, [place for place, _ in batch], (self.score(seen) - less).astype(np.float32))
        return found

    def _look(self, found: Reading, _: Sequence[int]) -> Weight:
        return weight_of(self.score(found))

    def _views(self, parts: tuple[str, ...]) -> Iterator[View]:
        views = Views(self.model)
        sources = [TextSource(f"parts/{n}", text, (PartType.TEXT,)) for n, text in enumerate(parts)]
        whole = views.joint(sources) if self.joint else None
        read = [*sources, *([whole] if whole is not None else [])]
        pairs = [(source, views.normalised(source.text) if self.normalised else None) for source in read]
        for view in views.texts(pairs)[0]:
            if self.sentences or not view.excerpt:
                yield view


class Remembering(MiniLM):
    """Reads each content once: most of it is read again with another part left out."""

    def __init__(self, device: str = "auto", threads: int = 2, encoder: Encoder | None = None) -> None:
        super().__init__(device, threads, encoder)
        self._rows: dict[tuple[str, bytes], tuple[Floats, ...]] = {}

    def read(self, contents: Sequence[Ids]) -> Reading:
        """See `MiniLM`."""
        return self._once("read", super().read, contents)

    def glance(self, contents: Sequence[Ids]) -> Reading:
        """See `MiniLM`."""
        return self._once("glance", super().glance, contents)

    def _once(self, how: str, read: Callable[[Sequence[Ids]], Reading], contents: Sequence[Ids]) -> Reading:
        keys = [(how, content.tobytes()) for content in contents]
        fresh = {key: ids for key, ids in zip(keys, contents, strict=True) if key not in self._rows}
        if fresh:
            self._rows |= dict(zip(fresh, zip(*read(list(fresh.values())), strict=True), strict=True))
        return Reading(*(np.stack(parts) for parts in zip(*(self._rows[key] for key in keys), strict=True)))


def readers(threads: int, make: type[MiniLM]) -> list[Reader]:
    """The scorer as it ships first; models by `make`."""
    model = make("cpu", threads)
    before = make(encoder=CpuEncoder(threads, adapted=published()))

    def heads(seen: Reading) -> Floats:
        highest: Floats = seen.log_odds.max(1)
        return highest

    words = _by_words(before)
    return [
        Reader("nothing", model, heads),
        Reader("the training: definitions and examples alone", before, words),
        Reader("the normaliser", model, heads, normalised=False),
        Reader("sentences of long texts", model, heads, sentences=False),
        Reader("the joint view", model, heads, joint=False),
    ]


def _by_words(model: MiniLM) -> Score:
    """The published model, by the words that the default policy has for each category."""
    categories = [
        Custom(path, *said) for path, said in _words(json.loads((ROOT / "policies/default.json").read_text()))
    ]
    heads = TextConcepts(model).compile(categories)[NAME]

    def score(seen: Reading) -> Floats:
        chances = heads.probabilities(seen).max(1)
        odds: Floats = np.log(chances / (1 - chances))
        return odds

    return score


def _words(node: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, tuple[str, list[str], list[str]]]]:
    for name, category in node.get("categories", node.get("children", {})).items():
        path = f"{above}/{name}" if above else name
        examples = category.get("examples", {})
        yield path, (category["definition"], examples.get("violating", []), examples.get("allowed", []))
        yield from _words({"children": category.get("children", {})}, path)


def _texts(suite: Suite, limit: int | None) -> Texts:
    rows = [row for row in suite if "any" in row["labels"]]
    rows = rows[:: max(1, len(rows) // limit)] if limit else rows
    texts = [tuple(part["text"] for part in row["parts"]) for row in rows]
    return Texts(texts, np.array([bool(row["labels"]["any"]) for row in rows]))


def cut(events: Texts, between: Sequence[str]) -> Texts:
    """Each text of four words or more as two parts, cut in the middle, one of the lines `between` them if there are."""
    words = [parts[0].split() for parts in events.parts]
    long = [place for place, found in enumerate(words) if len(found) >= 4]
    dice = random.Random(_SEED)
    parts = []
    for place in long:
        middle = len(words[place]) // 2
        line = [dice.choice(between)] if between else []
        parts.append((" ".join(words[place][:middle]), *line, " ".join(words[place][middle:])))
    return Texts(parts, events.violates[long])


def measured(reader: Reader, suite: Mapping[str, Texts]) -> str:
    """One row of the table."""
    real, *others = (reader.highest(suite[name].parts) for name in _RANKED)
    plain, violates = suite["attacks"]
    written = reader.highest(plain)
    threshold = np.quantile(written[~violates], 1 - _HARMLESS_FLAGGED)
    hidden, flagged = [], []
    for attack in ATTACKS.values():
        attacked = reader.highest([(attack(parts[0]),) for parts in plain]) > threshold
        hidden.append(float((~attacked)[violates & (written > threshold)].mean()))
        flagged.append(float(attacked[~violates].mean()))
    auroc = roc_auc_score(suite["real"].violates, real)
    cells = [
        reader.name,
        f"{auroc:.3f} / {average_precision_score(suite['real'].violates, real):.3f}",
        *(f"{roc_auc_score(suite[n].violates, odds):.3f}" for n, odds in zip(_RANKED[1:], others, strict=True)),
        f"{100 * np.mean(hidden):.1f} % / {100 * np.max(hidden):.0f} %",
        f"{100 * np.mean(flagged):.1f} %",
    ]
    return f"| {' | '.join(cells)} |"


def speeds(every: Sequence[Reader], events: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Each reader with its texts a second."""
    best = [0.0] * len(every)
    for _ in range(3):
        for place, reader in enumerate(every):
            began = time.perf_counter()
            reader.highest(events)
            best[place] = max(best[place], len(events) / (time.perf_counter() - began))
    return (f"{reader.name}: {speed:.0f} texts/s" for reader, speed in zip(every, best, strict=True))


def main() -> None:
    """Measure each, print, and write the table."""
    asked = argparse.ArgumentParser(prog="python -m ops.quality.without", description=__doc__)
    asked.add_argument("--limit", type=int, help="rows of each suite (default: all); nothing is written to docs")
    asked.add_argument("--speed", action="store_true", help="texts a second instead")
    asked.add_argument("--threads", type=int, default=2)
    options = asked.parse_args()
    found = {name: _texts(rows, options.limit) for name, rows in suites().items() if name in _READ}
    found["cut"] = cut(found["contrast"], ())
    found["apart"] = cut(found["contrast"], [row.text for row in background()])
    console = Console(highlight=False, soft_wrap=True)
    if options.speed:
        console.print("\n".join(speeds(readers(options.threads, MiniLM), found["real"].parts)))
        return
    lines = []
    for reader in readers(options.threads, Remembering):
        lines.append(measured(reader, found))
        console.print(lines[-1])
    if options.limit is None:
        put("without: make without", "end of without", _HEADER + "\n".join(lines))
        console.print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
