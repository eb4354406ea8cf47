"""
`python -m train.custom`: do categories that a policy author writes gain or lose by the adapted model?

EDOS's four categories and eleven vectors, as a tenant would write them: a definition, and k violating and k allowed
examples drawn from the training rows (mean of three draws); AUROC of the category's held-apart rows against all the
other held-apart rows, sexist or not. No head was ever trained on these categories; the adapted model did see EDOS's
other rows, labelled hate or not. Some categories have fifteen rows: a difference is named with its standard error
(DeLong et al. 1988, for the same rows read by both models).
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from train.rows import Row, labels
from train.sources import held_apart, read_csv, tidy
from worker.core.views import Floats
from worker.score.concepts import NAME, TextConcepts
from worker.score.models.adapted import adaptation, published
from worker.score.models.minilm import MiniLM
from worker.score.models.minilm_encoders import CpuEncoder

Doubles = npt.NDArray[np.float64]
Cell = tuple[str, int]  # a category and its number of examples

COUNTS = (0, 1, 5, 20)
_DRAWS = 3
_BEYOND = 1.96  # standard errors: differences that chance would bring in one cell of twenty
_OTHERS = 1500  # held-apart rows that are not sexist
DEFINITIONS = {
    "1. threats, plans to harm and incitement": "Threatens women with harm, plans it, or calls on others to do it.",
    "2. derogation": "Attacks, demeans or insults women, their looks, minds or worth.",
    "3. animosity": "Shows women less respect: slurs used lightly, stereotypes, backhanded compliments, condescension.",
    "4. prejudiced discussions": "Defends or denies the mistreatment of women or discrimination against them.",
    "1.1 threats of harm": "Threatens a woman or women with violence or harm.",
    "1.2 incitement and encouragement of harm": "Calls on others to harm women, or cheers when they do.",
    "2.1 descriptive attacks": "Describes women as stupid, dishonest, promiscuous, incapable or otherwise bad.",
    "2.2 aggressive and emotive attacks": "Insults women with anger and disgust.",
    "2.3 dehumanising attacks & overt sexual objectification": "Treats women as objects, animals or sexual things.",
    "3.1 casual use of gendered slurs, profanities, and insults": "Uses slurs for women as if they were plain words.",
    "3.2 immutable gender differences and gender stereotypes": "Says that women are by nature this and men that.",
    "3.3 backhanded gendered compliments": "Compliments women in a way that belittles them.",
    "3.4 condescending explanations or unwelcome advice": "Tells women from above how they should behave.",
    "4.1 supporting mistreatment of individual women": "Says that a particular woman deserved her mistreatment.",
    "4.2 supporting systemic discrimination against women as a group": "Says that discrimination of women is right, "
    "or that it does not exist and men are the victims.",
}


@dataclass(frozen=True, slots=True)
class Custom:
    """A category as a tenant writes one."""

    path: str
    definition: str
    violating: Sequence[str]
    allowed: Sequence[str]
    detectors: Sequence[str] = ()


class Sexism(NamedTuple):
    """One row of EDOS: its category and vector, `none` where it is not sexist."""

    text: str
    category: str
    vector: str


class Placed(NamedTuple):
    """
    Of one cell, mean of the draws: the share of the other rows that each row of the category passes, float64 [m], and
    the share of the category's rows that pass each other row, float64 [n]. The mean of either is the AUROC.
    """

    own: Doubles
    others: Doubles

    @property
    def auroc(self) -> float:
        return float(self.own.mean())

    def gain(self, before: Placed) -> tuple[float, float]:
        """How much higher the AUROC is than `before`'s, and the standard error of that."""
        own, others = self.own - before.own, self.others - before.others
        return float(own.mean()), float(np.sqrt(own.var(ddof=1) / len(own) + others.var(ddof=1) / len(others)))


def main() -> None:
    """Print the table and whether any category got worse."""
    asked = argparse.ArgumentParser(prog="python -m train.custom", description=__doc__)
    asked.add_argument("--threads", type=int, default=2)
    threads = asked.parse_args().threads
    rows = [Sexism(tidy(r["text"]), r["label_category"], r["label_vector"]) for r in read_csv("edos_train_dev.csv.gz")]
    apart = [row for row in rows if held_apart(Row(row.text, labels(), "edos"))]
    known = [row for row in rows if not held_apart(Row(row.text, labels(), "edos"))]
    plain = [row for row in apart if row.category == "none"]
    apart = [row for row in apart if row.category != "none"] + random.Random(1).sample(plain, _OTHERS)
    found = [
        _measured(MiniLM(encoder=CpuEncoder(threads, adapted=a)), known, apart) for a in (published(), adaptation())
    ]
    _show(*found)


def _measured(model: MiniLM, known: Sequence[Sexism], apart: Sequence[Sexism]) -> dict[Cell, Placed]:
    concepts = TextConcepts(model)
    seen = model.read_texts([row.text for row in apart])
    found = {}
    for name, definition in DEFINITIONS.items():
        truth = np.array([name in (row.category, row.vector) for row in apart])
        for count in COUNTS:
            drawn = [_drawn(name, definition, count, draw, known) for draw in range(_DRAWS)]
            scores = [concepts.compile([custom])[NAME].probabilities(seen)[:, 0] for custom in drawn]
            placed = [_placed(score[truth], score[~truth]) for score in scores]
            found[name, count] = Placed(*(np.mean(side, axis=0) for side in zip(*placed, strict=True)))
    return found


def _placed(own: Floats, others: Floats) -> Placed:
    """Ties count half."""
    return Placed(_passed(own, others), 1 - _passed(others, own))


def _passed(some: Floats, others: Floats) -> Doubles:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, some, "left") + np.searchsorted(ordered, some, "right")
    return np.asarray(below / (2 * len(ordered)), np.float64)


def _drawn(name: str, definition: str, count: int, draw: int, known: Sequence[Sexism]) -> Custom:
    dice = random.Random(f"{name}:{draw}")
    own = [row.text for row in known if name in (row.category, row.vector)]
    others = [row.text for row in known if row.category == "none"]
    dice.shuffle(own)  # the first five of twenty are the five
    dice.shuffle(others)
    return Custom("custom", definition, own[:count], others[:count])


def _show(before: Mapping[Cell, Placed], after: Mapping[Cell, Placed]) -> None:
    rows = {name: len(before[name, 0].own) for name in DEFINITIONS}
    table = Table("AUROC, published → adapted", "rows", *(f"k = {count}" for count in COUNTS))
    for name in DEFINITIONS:
        cells = (f"{before[name, k].auroc:.3f} → {after[name, k].auroc:.3f}" for k in COUNTS)
        table.add_row(name[:36], str(rows[name]), *cells)
    means = [[np.mean([found[name, k].auroc for name in DEFINITIONS]) for found in (before, after)] for k in COUNTS]
    table.add_row("mean", "", *(f"{old:.3f} → {new:.3f}" for old, new in means))
    Console(width=120).print(table)
    gains = {cell: after[cell].gain(was) for cell, was in before.items()}
    for word, sign in (("worse", -1), ("better", 1)):
        some = {cell: gain for cell, gain in gains.items() if gain[0] * sign > 0}
        sure = {cell: gain for cell, gain in some.items() if abs(gain[0]) > _BEYOND * gain[1]}
        print(f"{word} in {len(some)} of {len(gains)} cells, in {len(sure)} beyond chance")
        if sign < 0:
            for (name, k), (gain, error) in some.items():
                print(f"  {name[:3]} at k = {k}: {gain:+.3f} ± {error:.3f} ({rows[name]} rows)")


if __name__ == "__main__":
    main()
