"""A decision in plain words, for the person whose content it was: what happened, which rule, where and what now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from worker.policy.dsa import Dsa

_WHAT = {"text": "message", "image": "picture", "audio": "recording"}
_DONE = {"block": "was not published", "flag": "waits for a person to look at it", "allow": "was published"}
REDRESS = (
    "If you think that this is wrong, you can appeal, free of charge, and a person will look at it again. You may also "
    "turn to a certified body for out-of-court dispute settlement, or to a court"
)


def plain_words(decision: Mapping[str, Any], stated: Mapping[str, Dsa], redress: str = REDRESS) -> str:
    """
    One paragraph without names of models, scores or thresholds, which would only help to get round them.

    stated: by category path, what the policy's `dsa` says. redress: what the person can do, one sentence or more.
    """
    day = datetime.fromisoformat(decision["time"])
    kinds = " and ".join(dict.fromkeys(_WHAT[kind] for kind in decision["types"]))
    action = decision["action"]
    said = [f"Your {kinds} of {day.day} {day:%B %Y} {_DONE[action]}"]
    if action == "allow":
        return f"{said[0]}. Nothing was found in it that our rules do not allow."
    acting = [reason for reason in decision["reasons"] if reason["action"] == action]
    said += _why(acting, stated, decision)
    if places := _places(acting):
        said.append(f"It was found {places}")
    said.append("An automated system found it and decided; no person took part")
    return ". ".join([*said, redress]).rstrip(".") + "."


def _why(acting: Sequence[Mapping[str, Any]], stated: Mapping[str, Dsa], decision: Mapping[str, Any]) -> list[str]:
    """Each rule once with its explanations; without a category, what else led to it."""
    rules: dict[str, dict[str, None]] = {}
    for reason in acting:
        dsa = stated.get(reason["category"])
        if dsa is not None and dsa.missing() is None:
            law = dsa.illegal_content_legal_ground
            rule = (
                f"The law that it is held against is “{law}”"
                if law
                else f"The rule is “{dsa.incompatible_content_ground}”"
            )
            why = dsa.illegal_content_explanation or dsa.incompatible_content_explanation or ""
            rules.setdefault(rule, {})[why.rstrip(".")] = None
        else:
            rules[f"Our rules on {reason['category'].replace('/', ', ')} do not allow it"] = {}
    if not rules and decision.get("degraded"):
        return ["Part of it could not be read or judged, and our rules say what happens then"]
    return [". ".join([rule, *whys]) for rule, whys in rules.items()] or [
        "Our rules say that such content is looked at"
    ]


def _places(acting: Sequence[Mapping[str, Any]]) -> str:
    """`in the text, characters 12 to 40; in the picture`: each place once."""
    return "; ".join(dict.fromkeys(map(_place, acting)))


def _place(reason: Mapping[str, Any]) -> str:
    evidence, view = reason.get("evidence") or {}, reason.get("view") or ""
    if "t" in evidence:
        begin, end = evidence["t"]
        return f"in what is said from second {begin:.0f} to {end:.0f}"
    if reason["type"] == "image":
        return "in words on the picture" if "ocr" in view else "in the picture"
    if reason["type"] == "audio":
        return "in what is said"
    if "span" in evidence:
        return f"in the text, characters {evidence['span'][0] + 1} to {evidence['span'][1]}"
    return "in the text"
