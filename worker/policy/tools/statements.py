"""Decisions to statements of reasons: what the policy says of the category, with what the decision knows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from pydantic import ValidationError

from worker.policy.compile import CompiledPolicy
from worker.policy.dsa import Dsa
from worker.policy.tools.statement import Statement

MOST_IN_BATCH = 100  # that the API takes at once
_SPELT_OUT = "KEYWORD_OTHER"  # there is one field to spell it out, and it is the first category's
_CONTENT = {"text": "CONTENT_TYPE_TEXT", "image": "CONTENT_TYPE_IMAGE", "audio": "CONTENT_TYPE_AUDIO"}
_PARTS = {"text": "a text", "image": "a picture", "audio": "a recording"}
_CARRIED = (
    "decision_visibility",
    "decision_visibility_other",
    "decision_ground",
    "decision_ground_reference_url",
    "illegal_content_legal_ground",
    "illegal_content_explanation",
    "incompatible_content_ground",
    "incompatible_content_explanation",
    "incompatible_content_illegal",
    "category",
    "category_specification_other",
    "territorial_scope",
)


@dataclass(frozen=True, slots=True)
class NoStatement:
    """A block of which no statement can be made, and what is missing for it."""

    decision: str
    why: str


def statement_of(decision: Mapping[str, Any], policies: Mapping[str, CompiledPolicy]) -> Statement | NoStatement | None:
    """
    The statement on a decision; None for one that restricts nothing: only blocks do, a flag waits for a person.

    decision: decision.v1. policies: by digest, those that may have decided it.
    """
    if decision["action"] != "block":
        return None
    policy = policies.get(decision["policy"]["digest"])
    if policy is None:
        about = f"{decision['policy']['id']} {decision['policy']['version']}"
        return NoStatement(decision["id"], f"policy {about} is not at hand: name its folder with --was")
    acting = [reason for reason in decision["reasons"] if reason["action"] == "block"]
    if not acting:
        cause = ", ".join(sorted({one["cause"] for one in decision["overrides"]})) or "nothing said"
        return NoStatement(decision["id"], f"no category asked for the block ({cause}): a person has to state why")
    stated = [(reason, policy.dsa(reason["category"])) for reason in acting]
    first, dsa = max(stated, key=lambda pair: _strength(pair[0]))
    if dsa is None or (lacks := dsa.missing()) is not None:
        field = "dsa" if dsa is None else f"dsa.{lacks}"
        return NoStatement(decision["id"], f"category {first['category']} of {policy.id} has no {field}: write it")
    try:
        return Statement(**_fields(decision, dsa, [one for _, one in stated if one is not None], acting))
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "statement"
        return NoStatement(decision["id"], f"{where} of category {first['category']}: {error.errors()[0]['msg']}")


def batches(statements: Iterable[Statement]) -> Iterator[dict[str, Any]]:
    """Bodies of `POST /api/v1/statements`, each with at most 100 statements."""
    left = iter(statements)
    while some := list(islice(left, MOST_IN_BATCH)):
        yield {"statements": [one.as_json() for one in some]}


def _strength(reason: Mapping[str, Any]) -> tuple[bool, float]:
    """A list hit is exact and goes first; else the score that is furthest over its threshold."""
    if reason.get("score") is None:
        return True, 0.0
    return False, reason["score"] - reason["threshold"]


def _fields(
    decision: Mapping[str, Any], dsa: Dsa, all_of: Sequence[Dsa], acting: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    said = dsa.model_dump(exclude_none=True)
    applied = datetime.fromisoformat(decision["time"])
    came = applied - timedelta(milliseconds=decision["latency_ms"].get("total", 0))
    additions = {one.category: None for one in all_of if one.category not in (None, dsa.category)}
    additions |= dict.fromkeys(name for name in dsa.category_addition or () if name != dsa.category)
    keywords = dict.fromkeys(dsa.category_specification or ())
    keywords |= {word: None for one in all_of for word in one.category_specification or () if word != _SPELT_OUT}
    fields = {name: said[name] for name in _CARRIED if name in said}
    language = (decision.get("context") or {}).get("language")
    if isinstance(language, str) and len(language) >= 2 and language[:2].isascii() and language[:2].isalpha():
        fields["content_language"] = language[:2].upper()
    return fields | {
        "puid": decision["id"],
        "content_type": [_CONTENT[kind] for kind in decision["types"]],
        "category_addition": list(additions) or None,
        "category_specification": list(keywords) or None,
        "content_date": came.date(),
        "application_date": applied.date(),
        "decision_facts": facts(decision, acting),
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": "AUTOMATED_DECISION_FULLY",
    }


def facts(decision: Mapping[str, Any], acting: Sequence[Mapping[str, Any]]) -> str:
    """What was found and how, at most 5,000 characters; categories and models, nothing of who wrote or what."""
    kinds = " and ".join(_PARTS[kind] for kind in decision["types"])
    found = "; ".join(dict.fromkeys(map(_found, acting)))
    models = ", ".join(sorted({f"{one['name']} {one['version']}" for one in decision["models"]})) or "none"
    policy = f"{decision['policy']['id']} {decision['policy']['version']}"
    text = (
        f"On its own initiative the provider's automated system looked at {kinds} under its policy {policy}. {found}. "
        f"Models that took part: {models}. The system restricted the content without a person taking part."
    )
    return text if len(text) <= 5_000 else f"{text[:4_996]} …"


def _found(reason: Mapping[str, Any]) -> str:
    where = {"text": "text", "image": "picture", "audio": "recording"}[reason["type"]]
    if reason.get("score") is None:
        return f"An entry of a list for the category {reason['category']} was found in the {where}"
    return (
        f"The {where} was scored {reason['score']:.2f} for the category {reason['category']}, "
        f"at or over the limit of {reason['threshold']:g} for blocking"
    )
