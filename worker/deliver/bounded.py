"""A decision made small enough for any topic: the action and the reasons stay, what can be long goes."""

from __future__ import annotations

import orjson

from worker.core.records import Outgoing

NOTE = "cut: the decision was too large for its topic"
_MOST = 20  # entries of a list that are kept
_KEY_BYTES = 1_000  # a longer key is left out: the partition is that of the input anyway


def bounded(decision: Outgoing) -> Outgoing | None:
    """
    The decision with empty `context`, no `shadow`, the first entries of every other list, and a note that says so.

    None when it was cut before: nothing more can go.
    """
    body = orjson.loads(decision.value or b"{}")
    if NOTE in body.get("notes", ()):
        return None
    for name in ("reasons", "hits", "degraded", "models", "overrides"):
        if body.get(name):
            body[name] = body[name][:_MOST]
    body["shadow"], body["context"] = [], {}
    body["notes"] = [*body.get("notes", ())[:_MOST], NOTE]
    key = decision.key if decision.key is None or len(decision.key) <= _KEY_BYTES else None
    headers = tuple((name, content) for name, content in decision.headers if len(content) <= _KEY_BYTES)
    return decision._replace(key=key, value=orjson.dumps(body), headers=headers)
