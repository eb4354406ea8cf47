"""
OpenAI's moderation API in terms of ours: requests to events, decisions to results. Pure.

Request and response as in OpenAI's reference (`POST /v1/moderations`): `input` is a string, a list of strings (a
result for each), or a list of text and image parts (one result). Beside their fields a result has `tidegate`, with the
decision's id and action.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

from worker.serve.problems import Refused

# OpenAI's own names, which a client may ask for by attribute: there even when the policy has no such category.
THEIRS = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
MODEL = "tidegate"


def parts_of(body: Any, *, most: int, remote: bool) -> list[list[dict[str, Any]]]:
    """
    The parts of each result that the request asks for; a picture elsewhere has a `url` in place of `data`.

    remote: whether pictures elsewhere are fetched at all.

    Raises:
        Refused: 422, with what is wrong.
    """
    if not isinstance(body, dict) or "input" not in body:
        raise _wrong("input is missing: a string, a list of strings, or a list of text and image parts")
    asked = body["input"]
    if isinstance(asked, str):
        asked = [asked]
    if not isinstance(asked, list) or not asked:
        raise _wrong("input must be a string, a list of strings, or a list of text and image parts, not empty")
    if len(asked) > most:
        raise _wrong(f"input has {len(asked)} entries, more than the {most} allowed: send several requests")
    if all(isinstance(one, str) for one in asked):
        return [[{"type": "text", "text": one}] for one in asked]
    if all(isinstance(one, dict) for one in asked):
        return [[_part(one, number, remote=remote) for number, one in enumerate(asked)]]
    raise _wrong("input mixes strings and parts: send one or the other")


def events_of(results: Sequence[Sequence[dict[str, Any]]], *, request_id: str, tenant: str) -> list[bytes]:
    """event.v1 of each result's parts."""
    return [
        orjson.dumps({"id": f"{request_id}-{number}", "tenant": tenant, "parts": parts})
        for number, parts in enumerate(results)
    ]


def _part(part: Mapping[str, Any], number: int, *, remote: bool) -> dict[str, Any]:
    kind, at = part.get("type"), f"input[{number}]"
    if kind == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    image = part.get("image_url")
    if kind == "image_url" and isinstance(image, dict) and isinstance(image.get("url"), str):
        return {"type": "image", **_picture(image["url"], at, remote=remote)}
    raise _wrong(f"{at} must be {{type: text, text}} or {{type: image_url, image_url: {{url}}}}")


def _picture(url: str, at: str, *, remote: bool) -> dict[str, str]:
    """The base64 of a `data:` URL (RFC 2397) as `data`, or an https address as `url`."""
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "https" and remote:
        return {"url": url}
    if scheme.lower() != "data":
        what = "only https addresses are fetched" if remote else "this endpoint fetches nothing, see claims.hosts"
        raise Refused(422, "url_not_fetched", f"{at}: {what}: send the picture itself as a data: URL")
    head, comma, content = rest.partition(",")
    if not comma:
        raise _wrong(f"{at} is no data: URL: it has no comma")
    if head.lower().endswith(";base64"):
        return {"data": content}
    return {"data": binascii.b2a_base64(unquote_to_bytes(content), newline=False).decode()}


def response_of(decisions: Sequence[Mapping[str, Any]], *, request_id: str) -> dict[str, Any]:
    """The response to a request whose events got these decisions, in order."""
    return {"id": request_id, "model": MODEL, "results": [result_of(decision) for decision in decisions]}


def result_of(decision: Mapping[str, Any]) -> dict[str, Any]:
    """
    One result.

    A category is true when the policy acts on it; its score is its own, before roll-up. A category that nothing looked
    for has no applied type and the score 0, as OpenAI does it for types that a category does not read.
    """
    scores: Mapping[str, float] = decision["scores"]
    acts = {reason["category"] for reason in decision["reasons"]}
    names = dict.fromkeys([*THEIRS, *scores, *sorted(acts)])
    applied = _applied(decision)
    return {
        "flagged": decision["action"] != "allow",
        "categories": {name: name in acts for name in names},
        "category_scores": {name: scores.get(name, 0.0) for name in names},
        "category_applied_input_types": {name: applied.get(name, []) for name in names},
        "tidegate": {
            "decision": decision["id"],
            "action": decision["action"],
            "policy": decision["policy"]["id"],
            "degraded": [one["code"] for one in decision["degraded"] or ()],
        },
    }


def _applied(decision: Mapping[str, Any]) -> dict[str, list[str]]:
    """By category, the types of part that were scored or hit for it."""
    by_type = decision.get("scores_by_type") or dict.fromkeys(decision["types"][:1], decision["scores"])
    found: dict[str, set[str]] = {}
    for kind, scores in by_type.items():
        for name in scores:
            found.setdefault(name, set()).add(kind)
    for reason in decision["reasons"]:
        found.setdefault(reason["category"], set()).add(reason["type"])
    return {name: sorted(kinds, reverse=True) for name, kinds in found.items()}


def _wrong(detail: str) -> Refused:
    return Refused(422, "wrong_shape", detail)
