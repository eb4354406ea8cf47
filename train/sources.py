"""The real rows of ../shared/data/text as labelled texts: each source's labels turned into ours; who is held apart."""

from __future__ import annotations

import csv
import gzip
import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from train.rows import CATEGORIES, Row, labels

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "text"
HELD_APART = 5  # one row in five is never trained on, nor are thresholds chosen by it

OPENAI = {
    "S": "sexual",
    "S3": "sexual/minors",
    "H": "hate",
    "H2": "hate/threatening",
    "V": "violence",
    "V2": "violence/graphic",
    "HR": "harassment",
    "SH": "self-harm",
}
ILLICIT = ("illicit", "illicit/violent")
# Hazards of AILuminate and topics of CatQA: what violates, and what is left open beside it.
_ILLICIT_OPEN = ("harassment", "violence", "sexual", "hate")
_HAZARDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "vcr": (("illicit/violent",), (*_ILLICIT_OPEN, "harassment/threatening", "violence/graphic")),
    "ncr": (("illicit",), (*_ILLICIT_OPEN, "illicit/violent")),
    "iwp": (("illicit/violent",), ("violence",)),
    "ssh": (("self-harm/instructions",), ("self-harm/intent", "illicit", "violence")),
    "hte": (("hate",), ("harassment", "illicit", "violence", "hate/threatening", "harassment/threatening")),
    "src": (("illicit",), ("sexual", "sexual/minors", "violence", "harassment", "illicit/violent")),
    "prv": (("illicit",), ("harassment",)),
    "sxc_prn": (("sexual",), ("sexual/minors", "illicit", "violence")),
}
_TOPICS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Illegal Activity": (("illicit",), (*_ILLICIT_OPEN, "illicit/violent")),
    "Malware Viruses": (("illicit",), ()),
    "Economic Harm": (("illicit",), ()),
    "Fraud/Deception": (("illicit",), ()),
    "Privacy Violation Activity": (("illicit",), ("harassment",)),
    "Physical Harm": (("illicit",), (*_ILLICIT_OPEN, "illicit/violent", "self-harm", "self-harm/instructions")),
    "Adult Content": (("sexual",), ("sexual/minors",)),
}
_MENTION = re.compile(r"@\w+")
_LINK = re.compile(r"https?://\S+|\bURL\b")


def real_rows() -> Iterator[Row]:
    """All rows, source after source, as typed but for user names and links."""
    for make in (_openai, _edos, _davidson, _hatemoji, _surge, _ailuminate, _catqa, _convabuse):
        yield from make()


def held_apart(row: Row) -> bool:
    """True for the fifth of the rows that measures; by the text's hash, so that equal texts fall the same way."""
    return hashlib.sha256(row.text.strip().lower().encode()).digest()[0] % HELD_APART == 0


def _openai() -> Iterator[Row]:
    """Nobody was asked whether they are illicit; of the harmless ones, read by what looked most like it, none is."""
    for line in gzip.decompress((DATA / "openai_moderation_dev.jsonl.gz").read_bytes()).decode().splitlines():
        found = json.loads(line)
        yes = [name for key, name in OPENAI.items() if found.get(key) == 1]
        no = [name for key, name in OPENAI.items() if found.get(key) == 0]
        no += [f"self-harm/{kind}" for kind in ("intent", "instructions") if found.get("SH") == 0]
        no += () if yes else ILLICIT
        yield Row(found["prompt"], labels(yes, no=no), "openai", 3.0)


def _edos() -> Iterator[Row]:
    for row in read_csv("edos_train_dev.csv.gz"):
        sexist = row["label_sexist"] == "sexist"
        threat = row["label_category"].startswith("1.")
        yes = ["hate/threatening"] if threat else ["hate"] if sexist else []
        no = [] if sexist else ["hate", "hate/threatening", *ILLICIT]
        yield Row(tidy(row["text"]), labels(yes, no=no), "edos")


def _davidson() -> Iterator[Row]:
    for row in read_csv("davidson_dev.csv.gz"):
        text = tidy(row["tweet"])
        if row["class"] == "0":
            yield Row(text, labels(["hate"], no=()), "davidson/hate")
        elif row["class"] == "1":
            yield Row(text, labels(no=("hate/threatening",)), "davidson/offensive", 0.3)
        else:
            yield Row(text, labels(no=(*CATEGORIES[:4], *ILLICIT)), "davidson/neither")


def _hatemoji() -> Iterator[Row]:
    for name in ("hatemoji_build_train", "hatemoji_build_validation"):
        for row in read_csv(f"{name}.csv.gz"):
            yes = ("hate/threatening",) if row["type"] == "threateninglanguage" else ("hate",)
            hateful = row["label_gold"] == "1"
            no = () if hateful else ("hate", "hate/threatening")
            yield Row(row["text"], labels(yes if hateful else (), no=no), "hatemoji")


def _surge() -> Iterator[Row]:
    for row in read_csv("surge_toxicity_en.csv.gz"):
        toxic = row["is_toxic"] == "Toxic"
        # What is toxic may be any of several categories; what is not is none.
        yield Row(
            tidy(row["text"]), labels(["harassment"], no=()) if toxic else labels(), "surge", 0.7 if toxic else 1.0
        )


def _ailuminate() -> Iterator[Row]:
    for row in read_csv("ailuminate_demo_en.csv.gz"):
        if row["hazard"] in _HAZARDS:
            yes, unknown = _HAZARDS[row["hazard"]]
            yield Row(row["prompt_text"], labels(yes, unknown=unknown), "ailuminate", 2.0)


def _catqa() -> Iterator[Row]:
    for topic, kinds in catqa().items():
        if topic in _TOPICS:
            yes, unknown = _TOPICS[topic]
            for kind, questions in kinds.items():
                violent = ("illicit/violent",) if kind in ("Weapon:", "Weapon making", "Assault and battery") else yes
                for question in questions:
                    yield Row(question, labels(violent, unknown=[u for u in unknown if u not in violent]), "catqa", 2.0)


def _convabuse() -> Iterator[Row]:
    """What people said to chatbots: abuse by the annotators' mean."""
    for text, mean, _ in convabuse():
        if mean <= -1:
            yield Row(text, labels(["harassment"], no=()), "convabuse")
        elif mean > 0.9:
            yield Row(text, labels(no=(*CATEGORIES[:4], *ILLICIT)), "convabuse", 0.7)


def convabuse() -> Iterator[tuple[str, float, list[dict[str, Any]]]]:
    """What people said to chatbots, each text once: the mean of its votes on abuse, and the votes."""
    votes: dict[str, list[dict[str, Any]]] = {}
    for row in read_csv("convabuse.csv.gz"):
        votes.setdefault(row["Input.user"].strip(), []).append(row)
    for text, some in votes.items():
        if text:
            yield text, sum(float(vote["is_abuse"] or 0) for vote in some) / len(some), some


def catqa() -> dict[str, dict[str, list[str]]]:
    """CatQA's questions by topic and kind."""
    found: dict[str, dict[str, list[str]]] = json.loads(gzip.decompress((DATA / "catqa_en.json.gz").read_bytes()))
    return found


def read_csv(name: str) -> Iterable[dict[str, Any]]:
    """The rows of a file of `DATA`."""
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def tidy(text: str) -> str:
    """User names and links without what identifies; entities as the marks they stand for."""
    return (
        _LINK.sub("", _MENTION.sub("@user", html.unescape(text)))
        .replace("[USER]", "@user")
        .replace("[URL]", "")
        .strip()
    )
