"""
By which rules a schema may change while its major version stays, and what a change breaks.

Written by others (event, policy): what was valid stays valid. Nothing becomes required, no field, type or value goes,
no bound gets narrower. Read by others (decision, dead letter): what readers rely on stays. No required field goes or
becomes optional, no field gets another type or value; new fields may come, and readers ignore what they do not know.
Anything else needs a new major version beside the old one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

Side = Literal["written", "read"]
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
Seen = set[tuple[int, int]]  # pairs that are looked at already: a policy's categories hold categories


def breaks(old: dict[str, Any], new: dict[str, Any], side: Side) -> list[str]:
    """
    What `new` breaks for those who kept to `old`: one line each, with its place; nothing when the rules hold.

    side: "written" by others and read by us, or "read" by others.
    """
    if side == "written":
        return sorted(set(_narrower(old, new, old, new, "$", set())))
    return sorted(set(_narrower(new, old, new, old, "$", set(), open_fields=True)))


def _narrower(
    wide: dict[str, Any],
    narrow: dict[str, Any],
    wide_root: dict[str, Any],
    narrow_root: dict[str, Any],
    at: str,
    seen: Seen,
    *,
    open_fields: bool = False,
) -> Iterator[str]:
    """Where something that `wide` allows may be refused by `narrow`."""
    wide, narrow = _resolved(wide, wide_root), _resolved(narrow, narrow_root)
    if not narrow or (id(wide), id(narrow)) in seen:
        return
    seen.add((id(wide), id(narrow)))
    either, among = _choices(wide), _choices(narrow)
    if len(either) > 1 or len(among) > 1:
        for one in either:
            lines = [
                list(_narrower(one, other, wide_root, narrow_root, at, set(seen), open_fields=open_fields))
                for other in among
            ]
            if all(lines):
                yield min(lines, key=len)[0]
        return
    yield from _values(wide, narrow, at)
    yield from _fields(wide, narrow, wide_root, narrow_root, at, seen, open_fields=open_fields)


def _resolved(schema: dict[str, Any] | bool | None, root: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {} if schema in (True, None) else {"not": {}}
    while "$ref" in schema:
        found = root
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def _choices(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives of anyOf, oneOf and a list of types; the schema itself where there is one alone."""
    for word in ("anyOf", "oneOf"):
        if word in schema:
            rest = {key: value for key, value in schema.items() if key != word}
            return [{**rest, **one} for one in schema[word]]
    kinds = schema.get("type")
    return [{**schema, "type": kind} for kind in kinds] if isinstance(kinds, list) else [schema]


def _values(wide: dict[str, Any], narrow: dict[str, Any], at: str) -> Iterator[str]:
    """Types, values and bounds."""
    kinds = {wide.get("type"), narrow.get("type")} - {None}
    if narrow.get("type") and wide.get("type") != narrow["type"] and kinds != {"integer", "number"}:
        yield f"{at}: type {wide.get('type', 'anything')} against {narrow['type']}"
        return
    if narrow.get("type") == "integer" and wide.get("type") == "number":
        yield f"{at}: type number against integer"
    allowed = narrow.get("enum", [narrow["const"]] if "const" in narrow else None)
    if allowed is not None:
        sent = wide.get("enum", [wide["const"]] if "const" in wide else None)
        if sent is None or not all(value in allowed for value in sent):
            yield f"{at}: values {sent if sent is not None else 'of any kind'} against {allowed}"
    for word in _LOWER:
        if word in narrow and (word not in wide or wide[word] < narrow[word]):
            yield f"{at}: {word} {wide.get(word)} against {narrow[word]}"
    for word in _UPPER:
        if word in narrow and (word not in wide or wide[word] > narrow[word]):
            yield f"{at}: {word} {wide.get(word)} against {narrow[word]}"
    if "pattern" in narrow and wide.get("pattern") != narrow["pattern"]:
        yield f"{at}: pattern {wide.get('pattern')} against {narrow['pattern']}"


def _fields(
    wide: dict[str, Any],
    narrow: dict[str, Any],
    wide_root: dict[str, Any],
    narrow_root: dict[str, Any],
    at: str,
    seen: Seen,
    *,
    open_fields: bool,
) -> Iterator[str]:
    """Fields of objects and items of lists."""
    for name in narrow.get("required", ()):
        if name not in wide.get("required", ()):
            yield f"{at}.{name}: required on one side alone"
    known = narrow.get("properties", {})
    for name, one in wide.get("properties", {}).items():
        if name in known:
            inner = f"{at}.{name}"
            yield from _narrower(one, known[name], wide_root, narrow_root, inner, seen, open_fields=open_fields)
        elif narrow.get("additionalProperties") is False and not open_fields:
            yield f"{at}.{name}: the field is known on one side alone"
    for word in ("items", "additionalProperties"):
        if isinstance(wide.get(word), dict) and isinstance(narrow.get(word), dict):
            inner = f"{at}[]" if word == "items" else f"{at}.*"
            yield from _narrower(wide[word], narrow[word], wide_root, narrow_root, inner, seen, open_fields=open_fields)
