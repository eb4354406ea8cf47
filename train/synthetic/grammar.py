"""The grammar's files, read; and rows drawn from it, seeded, in many registers."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from train.rows import Labels, Row, labels

HERE = Path(__file__).parent
_SLOT = re.compile(
    r"\{(?:(?P<role>[a-z])\.)?(?P<name>[a-z]+)(?:\.(?P<form>one|adj))?(?:>(?P<part>[a-z]+))?(?:@(?P<of>[a-z]+))?\}"
)
_HOLE = "{_}"
_TIMES = re.compile(r"\*(\d+) ")
_FORMS = {None: 0, "one": 1, "adj": 2}
_TAILS = ("", "", "", "", "", "", " lol", " tbh", " smh", " ...", "!!", " imo", " fr", " :/", " haha", " ffs", " pls")
_HEADS = (
    "",
    "",
    "",
    "",
    "",
    "",
    "",
    "ok so ",
    "listen, ",
    "honestly, ",
    "hey, ",
    "@user ",
    "RT @user: ",
    "well ",
    "btw ",
)


@dataclass(frozen=True, slots=True)
class Function:
    """One way of meaning it, e.g. derogation or counter speech: wordings with the same labels."""

    subject: str  # the file's name
    name: str
    labels: Labels
    harmful: bool
    wordings: tuple[str, ...]

    @property
    def source(self) -> str:
        return f"synthetic/{self.subject}/{self.name.replace(' ', '-')}"


@dataclass(frozen=True, slots=True)
class Grammar:
    """All functions and the fillers of their slots. `parts`: the fillers that make up whole lines."""

    functions: tuple[Function, ...]
    fillers: dict[str, tuple[tuple[str, ...], ...]]
    parts: frozenset[str] = frozenset()

    def rows(self, seed: int, per_wording: int) -> Iterator[Row]:
        """
        At most `per_wording` different rows of each wording, or n times as many where it begins with `*n`, in the
        grammar's order; the same for the same seed.
        """
        for function in self.functions:
            for wording in function.wordings:
                times = _TIMES.match(wording)
                most = per_wording * (int(times[1]) if times else 1)
                # A wording draws from its own seed, so that adding one moves no other.
                dice = random.Random(f"{seed}:{function.source}:{wording}")
                seen: set[str] = set()
                for _ in range(most * 2):
                    text = registered(self.filled(wording, dice), dice)
                    if text.lower() not in seen and len(seen) < most:
                        seen.add(text.lower())
                        yield Row(text, function.labels, function.source)

    def filled(self, wording: str, dice: random.Random) -> str:
        """
        The wording with its slots filled; one role of a slot keeps its filler through the line.

        `{frame>claim}` is a frame with a claim in its hole; `{frame>claim@others}` the same with `others` where the
        claim names an identity.
        """
        chosen: dict[tuple[str | None, str], tuple[str, ...]] = {}

        def fill(slot: re.Match[str], others: str | None) -> str:
            others = slot["of"] or others
            name = others if others and slot["name"] == "identity" else slot["name"]
            key = (slot["role"], name)
            if key not in chosen:
                taken = [forms for (_, other), forms in chosen.items() if other == name]
                chosen[key] = dice.choice([forms for forms in self.fillers[name] if forms not in taken])
            forms = chosen[key]
            word = forms[_FORMS[slot["form"]]] if len(forms) > 1 else forms[0]
            if len(forms) == 1:  # a plain slot used twice says something new each time
                del chosen[key]
            if slot["part"]:
                word = word.replace(_HOLE, dice.choice(self.fillers[slot["part"]])[0])
            return _SLOT.sub(lambda inner: fill(inner, others), word)

        return _SLOT.sub(lambda slot: fill(slot, None), _TIMES.sub("", wording, count=1))

    def kept(self, keep: Callable[[str], bool]) -> Grammar:
        """The grammar with only those wordings and parts that `keep` says; compositions stay while parts are left."""

        fillers = {
            name: tuple(forms for forms in some if name not in self.parts or keep(forms[0]) or forms[0] == _HOLE)
            for name, some in self.fillers.items()
        }

        def stays(wording: str) -> bool:
            composed = ">" in wording or _names(wording) <= self.parts
            return all(fillers[name] for name in _slots(wording)) if composed else keep(wording)

        functions = (dataclasses.replace(f, wordings=tuple(filter(stays, f.wordings))) for f in self.functions)
        return Grammar(tuple(functions), fillers, self.parts)


def _slots(wording: str) -> set[str]:
    """The names of fillers and parts that a wording asks for."""
    return {name for slot in _SLOT.finditer(wording) for name in (slot["name"], slot["part"], slot["of"]) if name}


def _names(wording: str) -> set[str]:
    """The parts that a wording is made of when it is nothing but parts; else something that is no part."""
    rest = _SLOT.sub("", _TIMES.sub("", wording, count=1)).strip()
    return {rest} if rest else {slot["name"] for slot in _SLOT.finditer(wording)}


def registered(text: str, dice: random.Random) -> str:
    """The same line as different people type it: heads, tails, case, missing marks, slips of the finger."""
    text = dice.choice(_HEADS) + text + dice.choice(_TAILS)
    if dice.random() < 0.4:
        text = text[0].upper() + text[1:]
    if dice.random() < 0.25 and text[-1].isalpha():
        text += "."
    if dice.random() < 0.15:
        text = text.replace("'", "")
    if dice.random() < 0.15:
        text = text.replace(",", "").replace("?", "")
    if dice.random() < 0.08:
        text = _slip(text, dice)
    if dice.random() < 0.05:
        text = text.upper()
    return text


def _slip(text: str, dice: random.Random) -> str:
    """Two neighbouring letters change places."""
    at = dice.randrange(max(1, len(text) - 1))
    return text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :]


def read_grammar(folder: Path = HERE) -> Grammar:
    """
    Every *.txt of the folder.

    Raises:
        ValueError: a line that cannot be read, or a slot without fillers, with file and line.
    """
    words = _fillers(folder / "fillers.txt")
    parts = _fillers(folder / "parts.txt") if (folder / "parts.txt").is_file() else {}
    fillers = words | parts
    files = [file for file in sorted(folder.glob("*.txt")) if file.name not in ("fillers.txt", "parts.txt")]
    functions = [f for file in files for f in _functions(file)]
    said = [(f.subject, wording) for f in functions for wording in f.wordings]
    said += [("parts", forms[0]) for some in parts.values() for forms in some if forms[0] != _HOLE]
    for subject, wording in said:
        for name in _slots(wording):
            if name not in fillers:
                raise ValueError(f"{subject}: {wording}: there is no filler @{name}")
    return Grammar(tuple(functions), fillers, frozenset(parts))


def _fillers(file: Path) -> dict[str, tuple[tuple[str, ...], ...]]:
    """By name; the lines of parts have one form."""
    found: dict[str, list[tuple[str, ...]]] = {}
    name = ""
    for line in _lines(file):
        if line.startswith("@"):
            name = line.lstrip("@")
        else:
            found.setdefault(name, []).append(tuple(form.strip() for form in line.split("|")))
    return {key: tuple(values) for key, values in found.items()}


def _functions(file: Path) -> Iterator[Function]:
    head = ""
    wordings: list[str] = []
    for line in [*_lines(file), "=="]:
        if line.startswith("=="):
            if wordings:
                yield _function(file.stem, head, wordings)
            head, wordings = line[2:].strip(), []
        else:
            wordings.append(line)


def _function(subject: str, head: str, wordings: Sequence[str]) -> Function:
    name, said, *rest = (part.strip() for part in head.split("|"))
    yes = [] if said == "-" else [label.strip() for label in said.split(",")]
    unknown = [label.strip() for label in " ".join(rest).split("?") if label.strip()]
    return Function(
        subject, name, labels(yes, unknown=[u for u in unknown if u not in yes]), bool(yes), tuple(wordings)
    )


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8").splitlines() if line.strip() and not line.startswith("# ")]
