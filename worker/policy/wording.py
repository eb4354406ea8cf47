"""What pydantic and CEL say of a mistake, in this house's words: what stands there, and what may."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from pydantic_core import ErrorDetails

_LONGEST = 40  # characters of a wrong value that are repeated

_EXPECTED = MappingProxyType(
    {
        "list_type": "a list is expected, in [ ]",
        "dict_type": "an object is expected, in { }",
        "model_type": "an object is expected, in { }",
        "model_attributes_type": "an object is expected, in { }",
        "string_type": "a text in quotes is expected",
        "bool_type": "true or false is expected, without quotes",
        "int_type": "a whole number is expected, without quotes",
        "int_from_float": "a whole number is expected",
        "float_type": "a number is expected, without quotes",
        "timezone_aware": "a time needs its zone, as in 2026-12-24T00:00:00Z",
        "datetime_type": "a time is expected, as in 2026-12-24T00:00:00Z",
        "datetime_parsing": "a time is expected, as in 2026-12-24T00:00:00Z",
        "datetime_from_date_parsing": "a time is expected, as in 2026-12-24T00:00:00Z",
    }
)
_BOUNDS = MappingProxyType(
    {
        "greater_than": ("gt", "is not above"),
        "greater_than_equal": ("ge", "is less than"),
        "less_than": ("lt", "is not below"),
        "less_than_equal": ("le", "is more than"),
    }
)


def mistake(details: ErrorDetails) -> str:
    """One of pydantic's mistakes in a sentence; its own message for a kind that is not listed here."""
    kind, context, given = details["type"], details.get("ctx", {}), details.get("input")
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{_short(given)} {words} {context[name]:g}"
    if kind == "literal_error":
        return _none_of(given, re.findall(r"'([^']*)'", str(context["expected"])))
    return str(details["msg"])


def _none_of(given: Any, allowed: Sequence[str]) -> str:
    listed = ", ".join(allowed[:-1]) + f" or {allowed[-1]}" if len(allowed) > 1 else "".join(allowed)
    near = difflib.get_close_matches(given, allowed, n=1) if isinstance(given, str) else []
    hint = f": did you mean `{near[0]}`?" if near else ""
    return f"{_short(given)} is not {listed}{hint}"


def _short(given: Any) -> str:
    text = f"`{given}`" if isinstance(given, str) else str(given)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


_PLACE = re.compile(r"ERROR: <input>:\d+:(\d+): (?:Syntax error: )?(.*)")
_INSTEAD = MappingProxyType({"and": "&&", "or": "||", "not": "!", "is": "==", "<>": "!=", "=": "==", "===": "=="})


def cel_mistake(error: str, source: str) -> str:
    """
    CEL's parser in a sentence: where it stopped, and what it most likely should be.

    error: the parser's report. source: the condition.
    """
    found = _PLACE.search(error)
    if found is None:
        return "it does not parse"
    at, said = int(found[1]) - 1, found[2]
    if not source.strip():
        return "it is empty"
    if at >= len(source):
        bracket = re.match(r"missing '(.)'", said)
        return f"a {bracket[1]} is missing at its end" if bracket else "it ends too early"
    before = source[:at].split()[-1:]
    word = next((word for word in (_word(source, at), *before) if word in _INSTEAD), None)
    if word is not None:
        return f"write `{_INSTEAD[word]}` for `{word}`"
    character = source[at]
    if character in "'\"":
        return f"a text that begins at character {at + 1} does not end: close it with {character}"
    if character in "‘’“”":
        return f"`{character}` at character {at + 1} is no quote of CEL: write '"
    return f"it stops making sense at character {at + 1}, `{_word(source, at)}`"


def _word(source: str, at: int) -> str:
    """The word or the operator that stands at a place."""
    words = re.finditer(r"\w+|[=<>!&|]+|\S", source)
    return next((word[0] for word in words if word.start() <= at < word.end()), source[at:])
