"""The load, from a seed: events of several tenants and kinds, what is no event, and the policies that judge them."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import orjson

DATA = Path(__file__).resolve().parents[2] / "tests" / "data"
KIND = "chaos-kind"  # header that says what the verifier must find for a record
TENANTS = ("amber-co", "birch-co", "cedar-co")  # the first two under lists alone, the third under scores too
WORDS = ("", "", "", "", "crimson", "saffron", "stormy", "gusty")
KINDS = {  # of 1,000 records; the rest are texts
    "image": 8,
    "audio": 4,
    "invalid": 25,
    "tombstone": 20,
    "oversized": 5,
    "long": 5,
}
MOST_TEXT = 2_000  # characters a policy admits
_BIG = 40_000  # bytes: over the size from which a dead letter becomes a pointer


class Made(NamedTuple):
    """One input record to be."""

    kind: str
    key: bytes
    value: bytes | None


def workload(seed: int, count: int, *, poison: bool) -> Iterator[Made]:
    """`count` records. Events of one actor share a key, so that their order can be checked."""
    random = Random(f"workload {seed}")
    picture, clip = _picture(), _clip()
    poisoned = random.randrange(count // 4, count) if poison else None
    kinds = [*KINDS, "text"]
    weights = [*KINDS.values(), 1_000 - sum(KINDS.values())]
    for number, kind in enumerate(random.choices(kinds, weights, k=count)):
        tenant = TENANTS[random.randrange(3)]
        actor = f"u{int(random.paretovariate(0.7)) % 200}"  # a few busy actors, many quiet ones
        key = f"{tenant}/{actor}".encode()
        if number == poisoned:
            kind = "poison"
        if kind == "tombstone":
            yield Made(kind, key, None)
        elif kind in ("invalid", "oversized"):
            yield Made(kind, key, b"not json " + random.randbytes(_BIG if kind == "oversized" else 40))
        else:
            event = _event(random, kind, number, tenant, actor, picture, clip)
            yield Made(kind, key, orjson.dumps(event))


def _event(random: Random, kind: str, number: int, tenant: str, actor: str, picture: str, clip: str) -> dict[str, Any]:
    word = random.choice(WORDS)
    text = f"line {number} {word} said {actor}"
    parts: list[dict[str, Any]] = [{"type": "text", "text": text + " la" * MOST_TEXT if kind == "long" else text}]
    if kind == "image":
        parts.append({"type": "image", "data": picture})
    if kind == "audio":
        parts.append({"type": "audio", "data": clip})
    event: dict[str, Any] = {"id": f"e{number}", "tenant": tenant, "parts": parts}
    if random.random() < 0.2:
        event["stream"] = {"id": f"call-{actor}", "seq": number}
    event["context"] = {"actor": actor}
    return event


def _picture() -> str:
    return base64.b64encode((DATA / "image" / "chelsea.jpg").read_bytes()).decode()


def _clip() -> str:
    """A third of a second of a recording."""
    whole = io.BytesIO()
    with wave.open(str(DATA / "audio" / "librivox_0880.wav")) as source, wave.open(whole, "wb") as cut:
        cut.setparams(source.getparams())
        cut.writeframes(source.readframes(source.getframerate() // 3))
    return base64.b64encode(whole.getvalue()).decode()


def policies(number: int) -> dict[str, dict[str, Any]]:
    """
    The `number`th version of both policies by file name. Even and odd ones act differently, so a decision that mixes
    two versions, or names a version that it did not follow, shows.
    """
    odd = bool(number % 2)
    terms = [
        {"words": ["crimson"], "match": "word", "category": "colour", "action": "flag" if odd else "block"},
        {"words": ["saffron"], "match": "word", "category": "colour", "action": "block" if odd else "flag"},
    ]
    colour = {"colour": {"flag": 0.5, "block": 0.9}}
    weather = {"definition": "storms", "examples": {"violating": ["stormy"], "allowed": ["calm"]}}
    scored = {"weather": {**weather, "flag": 0.2 if odd else 0.5, "block": 0.5 if odd else 0.9}}
    limits = {"text_chars": MOST_TEXT}
    return {
        "lists.json": _policy("lists", number, colour, terms, limits),
        "scores.json": _policy("scores", number, {**colour, **scored}, terms, limits),
    }


def _policy(id: str, number: int, categories: Any, terms: Any, limits: Any) -> dict[str, Any]:
    alone = {"messages": 0, "exchange": 0}  # what the verifier foretells is foretold of each event by itself
    return {
        "id": id,
        "version": f"v{number}",
        "categories": categories,
        "terms": terms,
        "limits": limits,
        "calls": alone,
    }


def write_policies(folder: Path, number: int) -> None:
    """Put the `number`th version in force; each file is whole at every moment."""
    folder.mkdir(exist_ok=True)
    whole: dict[str, Any] = dict(policies(number))
    whole["tenants.json"] = {TENANTS[0]: "lists", TENANTS[1]: "lists", TENANTS[2]: "scores"}
    for name, document in whole.items():
        fresh = folder.parent / f"{name}.new"
        fresh.write_bytes(orjson.dumps(document))
        fresh.replace(folder / name)


def expected(kind: str, tenant: str, word: str, number: int, *, standin: bool) -> str | None:
    """
    What the `number`th version of a tenant's policy says of an event of the workload; None when a real model decides.

    Written from the policies' text and the stand-in's scores, not from the worker's code.
    """
    odd = bool(number % 2)
    if kind in ("long", "image", "audio"):
        floor = "allow" if kind == "image" and tenant == TENANTS[2] and standin else "flag"
    else:
        floor = "allow"
    if word in ("crimson", "saffron"):
        return "block" if (word == "saffron") is odd else "flag"
    if not standin and kind in ("image", "audio"):
        return None  # whether real models look at it depends on the profile
    if word in ("stormy", "gusty") and tenant == TENANTS[2]:
        if not standin:
            return None
        if kind == "long":
            return "flag" if word == "gusty" or not odd else None
        said = {("stormy", True): "block", ("stormy", False): "flag", ("gusty", True): "flag"}
        return max(floor, said.get((word, odd), "allow"), key=("allow", "flag", "block").index)
    return None if tenant == TENANTS[2] and not standin else floor
