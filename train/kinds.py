"""Kinds of text, finer than the taxonomy and defined in words: what the policy-conditioned head learns from."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from train.data import wordings
from train.rows import CATEGORIES, Row, labels
from train.sources import OPENAI, catqa, convabuse, held_apart, read_csv, real_rows, tidy
from train.synthetic import read_grammar
from worker.core.views import Floats

FILE = Path(__file__).with_name("kinds.txt")
_TARGET = re.compile(r"'([^']+)'")
_PER_WORDING = 6
_OF_CLASS = 1500  # rows of one class of a large source
_CALM = 0.4  # share of the harmless rows of chats that is read
_SEED = 77


class Kind(NamedTuple):
    """
    name: its source and what that calls it. definitions: as policy authors would say it, one or more wordings.
    about: bool [13], the categories that its rows violate; none for harmless kinds. groups: kinds of one source that
    share one may overlap.
    """

    name: str
    definitions: tuple[str, ...]
    about: np.ndarray[tuple[int], np.dtype[np.bool_]]
    groups: frozenset[str]

    @property
    def source(self) -> str:
        """The first part of its name; the grammar's files are one source."""
        first = self.name.partition("/")[0]
        return first if first in _SOURCES else "synthetic"


class Told(NamedTuple):
    """A text, and for each of the K kinds 1 (is one), 0 (is none) or NaN (nobody knows), float32 [K]."""

    text: str
    wanted: Floats


def read_kinds() -> list[Kind]:
    """
    Every line of `kinds.txt`.

    Raises:
        ValueError: a line without a definition, or a name that is no function of the grammar and has no source.
    """
    functions = {f"{f.subject}/{f.name}": f for f in read_grammar().functions}
    found = []
    for line in FILE.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        head, *definitions = (part.strip() for part in line.split(" | "))
        name, *marks = re.split(r" (?=[@~])", head)
        about = labels([mark[1:] for mark in marks if mark[0] == "@"]) == 1
        if name in functions:
            about = functions[name].labels == 1
        if not definitions or (name not in functions and name.partition("/")[0] not in _SOURCES):
            raise ValueError(f"{FILE.name}: {line}: name a function of the grammar or a source, and define it")
        found.append(Kind(name, tuple(definitions), about, frozenset(mark[1:] for mark in marks if mark[0] == "~")))
    return found


def told(kinds: Sequence[Kind]) -> list[Told]:
    """All rows that are not held apart, in a fixed order."""
    judge = _Judge(kinds)
    return [
        Told(row.text, judge.wanted(row, own, known))
        for make in _SOURCES.values()
        for row, own, known in make()
        if row.text.strip() and (row.source.startswith("synthetic") or not held_apart(row))
    ]


class _Judge:
    """What is known of a row: by its own source's kinds, and of the others by the categories that it cannot violate."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds = kinds
        self._about = np.stack([kind.about for kind in kinds])
        self._of = np.array([kind.source for kind in kinds])
        self._places = {kind.name: place for place, kind in enumerate(kinds)}
        self._groups = [kind.groups for kind in kinds]

    def wanted(self, row: Row, own: frozenset[str], known: bool) -> Floats:
        """
        own: names of the kinds that it is one of. known: whether its source says so of every kind of its own.
        """
        innocent = row.labels == 0
        cannot = (self._about & innocent).any(1)
        harmless_kind = ~self._about.any(1)
        found = np.where(cannot | (harmless_kind & (row.labels == 1).any()), 0.0, np.nan).astype(np.float32)
        mine = [self._places[name] for name in own if name in self._places]
        if known and (mine or not own):  # of a function that is no kind nobody said what else it is
            groups = frozenset[str]().union(*(self._groups[place] for place in mine))
            source = row.source.partition("/")[0]
            apart = [of == source and not groups & g for of, g in zip(self._of, self._groups, strict=True)]
            found[np.array(apart)] = 0.0
            if row.source.startswith("synthetic"):  # functions with a category in common may overlap
                found[self._overlapping(row)] = np.nan
        found[mine] = 1.0
        return found

    def _overlapping(self, row: Row) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        shared = (self._about & (row.labels == 1)).any(1)
        return np.asarray(shared & (self._of == "synthetic"))


_Rows = Iterator[tuple[Row, frozenset[str], bool]]  # a row, its kinds, and whether those are all of its source's


def _synthetic() -> _Rows:
    grammar = wordings(read_grammar(), held=False)
    names = {f.source: f"{f.subject}/{f.name}" for f in grammar.functions}
    for row in grammar.rows(_SEED, _PER_WORDING):
        yield row, frozenset({names[row.source]}), True


def _hatemoji() -> _Rows:
    for file in ("hatemoji_build_train", "hatemoji_build_validation"):
        for found in read_csv(f"{file}.csv.gz"):
            hateful = found["label_gold"] == "1"
            row = Row(
                found["text"],
                labels(["hate"] if hateful else (), no=() if hateful else ("hate", "hate/threatening")),
                "hatemoji",
            )
            targets = {f"hatemoji/target/{name}" for name in _TARGET.findall(found["target"])}
            yield row, frozenset({f"hatemoji/type/{found['type']}", *targets} if hateful else ()), True


def _convabuse() -> _Rows:
    dice = random.Random(_SEED)
    for text, mean, some in convabuse():
        if mean > 0.9 and dice.random() < _CALM:
            yield Row(text, labels(no=CATEGORIES[:4]), "convabuse"), frozenset(), True
        elif mean <= -0.7:
            said = [key for vote in some for key, word in vote.items() if word and word == _ABUSE.get(key)]
            said += [vote["direction"] for vote in some]
            often = frozenset(f"convabuse/{word}" for word in set(said) if said.count(word) * 2 >= len(some))
            yield Row(text, labels(["harassment"], no=()), "convabuse"), often, True


# What the annotators' columns hold where they say yes.
_ABUSE = {
    "ableism": "able",
    "homoph": "homophobic",
    "intel": "intellectual",
    "racist": "racist",
    "sex_harassment": "harass",
    "sexism": "sexist",
}


def _davidson() -> _Rows:
    named = {"0": "hate", "1": "offensive", "2": "neither"}
    of = {"0": labels(["hate"], no=()), "1": labels(no=("hate/threatening",)), "2": labels(no=CATEGORIES[:4])}
    left = dict.fromkeys(named, _OF_CLASS)
    for found in read_csv("davidson_dev.csv.gz"):
        which = found["class"]
        left[which] -= 1
        if left[which] >= 0:
            yield Row(tidy(found["tweet"]), of[which], "davidson"), frozenset({f"davidson/{named[which]}"}), True


def _openai() -> _Rows:
    for row in real_rows():
        if row.source == "openai":
            own = {f"openai/{key}" for key, name in OPENAI.items() if row.labels[CATEGORIES.index(name)] == 1}
            yield row, frozenset(own), False


def _surge() -> _Rows:
    for row in real_rows():
        if row.source == "surge":
            yield row, frozenset({"surge/toxic"} if (row.labels == 1).any() else ()), True


def _ailuminate() -> _Rows:
    for found in read_csv("ailuminate_demo_en.csv.gz"):
        yield Row(found["prompt_text"], labels(no=()), "ailuminate"), frozenset({f"ailuminate/{found['hazard']}"}), True


def _catqa() -> _Rows:
    for topic, kinds in catqa().items():
        for kind, questions in kinds.items():
            for question in questions:
                own = frozenset({f"catqa/{topic}", f"catqa/{kind}"})
                yield Row(question, labels(no=()), "catqa"), own, True


_SOURCES: dict[str, Callable[[], _Rows]] = {
    "synthetic": _synthetic,
    "hatemoji": _hatemoji,
    "convabuse": _convabuse,
    "davidson": _davidson,
    "openai": _openai,
    "surge": _surge,
    "ailuminate": _ailuminate,
    "catqa": _catqa,
}
