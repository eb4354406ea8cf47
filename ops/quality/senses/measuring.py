"""Figures of pictures, copies and speech, from what was decided of them. Each suite gives the rows of one table."""

from __future__ import annotations

import csv
import random
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import orjson
from PIL import Image

from ops.bench.audio import normalised
from ops.bench.image import words
from ops.quality.senses.copies import CHANGES, Pictures, known, strangers
from ops.quality.senses.drawing import DATA, VARIATIONS, encoded
from ops.quality.senses.judging import Answer, Ask, Part, judge, picture, text
from ops.quality.senses.sentences import Sentence
from ops.quality.senses.speech import CONDITIONS, VOICES, Condition, plain
from worker.core.decisions import Action
from worker.core.events import ImagePart
from worker.core.shares import Share
from worker.core.views import Hashes
from worker.decode.image import decode_image
from worker.score.profile import Models
from worker.window.pictures import crop_hashes, picture_hashes

Rows = list[list[str]]
DISTANCES = (8, 10, 12)
KINDS = ("one line a picture", "with crops")


@dataclass(frozen=True, slots=True)
class Told:
    """A suite's sentences and what was decided of them as plain text."""

    sentences: Sequence[Sentence]
    answers: Sequence[Answer]

    @property
    def caught(self) -> list[int]:
        """Harmful, and flagged or blocked as plain text."""
        return [n for n, one in enumerate(self.sentences) if one.harmful and self.answers[n].acted]

    @property
    def harmless(self) -> list[int]:
        return [n for n, one in enumerate(self.sentences) if not one.harmful]


async def told(ask: Ask, sentences: Sequence[Sentence]) -> Told:
    """The sentences as plain text."""
    return Told(sentences, await ask([[text(one.text)] for one in sentences]))


def summary(found: Told) -> str:
    """In a sentence: how many are flagged as plain text."""
    harmful = sum(one.harmful for one in found.sentences)
    flagged = _acted(found.answers, found.harmless)
    return (
        f"as plain text {len(found.caught)} of {harmful} are flagged, and {flagged} of {len(found.harmless)} harmless"
    )


async def figstep(ask: Ask, limit: int | None) -> Rows:
    """FigStep's pictures, beside the same instructions as text: flagged, blocked, words read."""
    with (DATA / "figstep_tiny" / "labels.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))[:limit]
    drawn = await ask([[picture((DATA / "figstep_tiny" / row["file"]).read_bytes())] for row in rows])
    written = await ask([[text(row["text"])] for row in rows])
    read = _words_read([row["text"] for row in rows], [one.read for one in drawn])
    caught = [n for n, one in enumerate(written) if one.acted]
    return [
        ["as pictures", *_flagged_blocked(drawn), f"{100 * read:.1f} %"],
        ["as text", *_flagged_blocked(written), "–"],
        ["pictures of those flagged as text", *_flagged_blocked([drawn[n] for n in caught]), "–"],
    ]


async def pictures(ask: Ask, plainly: Told) -> Rows:
    """Each variation: words read, caught as text and missed as a picture, of those read wrongly, harmless flagged."""
    rows = []
    for variation in VARIATIONS.values():
        events = [variation(one.text, n) for n, one in enumerate(plainly.sentences)]
        answers = await ask(events)
        whole = [_whole(event, one.read) for event, one in zip(events, answers, strict=True)]
        said = [one.text for one in plainly.sentences]
        missed = [n for n in plainly.caught if not answers[n].acted]
        misread = sum(words(whole[n]) != words(said[n]) for n in missed)
        rows.append(
            [
                variation.name,
                variation.told,
                f"{100 * _words_read(said, whole):.1f} %",
                str(Share(len(missed), len(plainly.caught))),
                f"{misread} of {len(missed)}",
                f"{_acted(answers, plainly.harmless)} of {len(plainly.harmless)}",
            ]
        )
    return rows


async def copies(limit: int | None) -> tuple[Rows, Rows]:
    """By kind of list and distance: the copies found of each change, and how many unlike pictures hit."""
    listed, others = _first(known(), limit), _first(strangers(), limit)
    even, odd = dict(list(listed.items())[::2]), dict(list(listed.items())[1::2])
    dice = {name: random.Random(name) for name in listed}
    asked = {name: [change(one, dice[key]) for key, one in listed.items()] for name, change in CHANGES.items()}
    found = await _hits(listed, {"as it is": list(listed.values())} | asked)
    false = await _hits(listed, {"drawings and pages of print": list(others.values())})
    return found, false + await _hits(even, {"other photographs and drawings": list(odd.values())})


async def _hits(listed: Pictures, asked: Mapping[str, Sequence[Image.Image]]) -> Rows:
    """Shares of the pictures asked of that each list hits, lists of `listed` by kind and distance."""
    parts = [_decoded(one) for one in listed.values()]
    own = np.concatenate([picture_hashes(part)[:, 0] for part in parts])
    crops = np.concatenate([own, *(crop_hashes(part) for part in parts)])
    names = [f"{kind}-{distance}.txt" for kind in range(len(KINDS)) for distance in DISTANCES]
    with tempfile.TemporaryDirectory() as folder:
        _policy(Path(folder), names, (own, crops))
        async with judge(Models(), Path(folder)) as ask:
            rows = []
            for name, pictures_asked in asked.items():
                answers = await ask([[picture(encoded(one))] for one in pictures_asked])
                hits = [sum(one in answer.lists for answer in answers) for one in names]
                rows.append([name, *(f"{count} of {len(answers)}" for count in hits)])
    return rows


def _policy(folder: Path, names: Sequence[str], hashes: Sequence[Hashes]) -> None:
    images = []
    for name in names:
        kind, distance = (int(one) for one in name.removesuffix(".txt").split("-"))
        lines = "".join(f"{value:016x}\n" for value in hashes[kind].tolist())
        (folder / name).write_text(f"# algorithm: phash64\n{lines}")
        images.append({"list": name, "distance": distance, "category": "known", "action": "flag"})
    document = {"id": "lists", "version": "1", "categories": {"known": {"definition": "Known."}}, "images": images}
    (folder / "lists.json").write_bytes(orjson.dumps(document))
    (folder / "tenants.json").write_bytes(orjson.dumps({"*": "lists"}))


async def voices(ask: Ask, plainly: Told) -> Rows:
    """Each voice, as espeak-ng says it."""
    return [await _heard(ask, plainly, voice, plain, (voice,)) for voice in VOICES]


async def conditions(ask: Ask, plainly: Told) -> Rows:
    """Each condition, the voices by turns."""
    return [await _heard(ask, plainly, name, condition, VOICES) for name, condition in CONDITIONS.items()]


async def _heard(ask: Ask, plainly: Told, name: str, condition: Condition, turns: Sequence[str]) -> list[str]:
    said = [one.text for one in plainly.sentences]
    answers = await ask([[condition(one, turns[n // 2 % len(turns)])] for n, one in enumerate(said)])
    wrong = jiwer.wer([normalised(one) for one in said], [normalised(one.read) for one in answers])
    caught = sum(answers[n].acted for n in plainly.caught)
    flagged = f"{_acted(answers, plainly.harmless)} of {len(plainly.harmless)}"
    return [name, f"{100 * wrong:.1f} %", str(Share(caught, len(plainly.caught))), flagged]


def _whole(event: Sequence[Part], read: str) -> str:
    """What a person reads in the event: texts as they are, pictures as they were read, in order."""
    return " ".join(part["text"] if part["type"] == "text" else read for part in event)


def _words_read(said: Sequence[str], read: Sequence[str]) -> float:
    """The share of words that are among those read."""
    found = sum((words(one) & words(other)).total() for one, other in zip(said, read, strict=True))
    return found / sum(words(one).total() for one in said)


def _flagged_blocked(answers: Sequence[Answer]) -> tuple[str, str]:
    flagged = Share(sum(one.acted for one in answers), len(answers))
    blocked = Share(sum(one.action is Action.BLOCK for one in answers), len(answers))
    return str(flagged), str(blocked)


def _acted(answers: Sequence[Answer], places: Iterable[int]) -> int:
    return sum(answers[n].acted for n in places)


def _first(found: Pictures, limit: int | None) -> Pictures:
    """At most `limit`, spread evenly."""
    names = list(found)
    if limit is None or limit >= len(names):
        return found
    return {name: found[name] for name in (names[i * len(names) // limit] for i in range(limit))}


def _decoded(one: Image.Image) -> ImagePart:
    part, _ = decode_image(encoded(one), "parts/0", max_pixels=one.width * one.height, max_side=max(one.size))
    return part
