"""The part of CEL whose truth can be enumerated: comparisons of a field with literals, joined by `&&`, `||` and `!`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import cel

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<op>&&|\|\||==|!=|<=|>=|[<>!()\[\],.-])
    |(?P<word>[A-Za-z_]\w*)
    )""",
    re.VERBOSE,
)
_KNOWN = re.compile(r"parts|stream\.\w+|context\.attributes\.\w+|context\.(?!attributes\b)\w+")
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_FIELD = object()  # an operand that is read from the event
_TRUTH = object()  # an operand that is itself a comparison


@dataclass(slots=True)
class Reading:
    """What a condition reads, and the literals each field is compared with. `exact`: nothing else decides it."""

    fields: dict[str, list[Any]] = field(default_factory=dict)  # `context.audience` to its literals, in order
    exact: bool = True


class _Opaque(Exception):
    """Something outside the grammar."""


def read_condition(source: str) -> Reading:
    """
    The fields and literals of a CEL condition.

    Outside the grammar (functions, arithmetic, fields compared with fields) it is not `exact`, and every literal is
    given to every field: good to look for an example with, no good to prove anything by.
    """
    parser = _Parser(source)
    try:
        parser.whole()
    except _Opaque:
        return _loosely(source)
    return parser.reading


class _Parser:
    """Recursive descent over the tokens of one condition."""

    def __init__(self, source: str) -> None:
        self._tokens = _tokens(source)
        self._at = 0
        self.reading = Reading()

    def whole(self) -> None:
        self._either()
        if self._at < len(self._tokens):
            raise _Opaque

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str | None = None) -> tuple[str, str]:
        if self._at >= len(self._tokens) or (wanted is not None and self._peek() != wanted):
            raise _Opaque
        self._at += 1
        return self._tokens[self._at - 1]

    def _either(self) -> Any:
        found = self._both()
        while self._peek() == "||":
            self._take()
            self._both()
            found = _TRUTH
        return found

    def _both(self) -> Any:
        found = self._not()
        while self._peek() == "&&":
            self._take()
            self._not()
            found = _TRUTH
        return found

    def _not(self) -> Any:
        if self._peek() == "!":
            self._take()
            self._not()
            return _TRUTH
        return self._comparison()

    def _comparison(self) -> Any:
        start = self._at
        left = self._operand()
        if self._peek() not in _COMPARISONS:
            return left
        operator = self._take()[1]
        middle = self._at
        right = self._operand()
        self._note(left, start, right, operator)
        self._note(right, middle, left, operator)
        compound = left is _TRUTH or right is _TRUTH or (left is _FIELD and right is _FIELD)
        if compound and not self._only_parts(start):  # sets of parts are so few that all of them are tried
            raise _Opaque
        return _TRUTH

    def _only_parts(self, start: int) -> bool:
        words = {text for kind, text in self._tokens[start : self._at] if kind == "word"}
        return words <= {"parts", "size", "in"}

    def _note(self, one: Any, at: int, other: Any, operator: str) -> None:
        """Remember the literal that a field is compared with."""
        if one is not _FIELD or other is _FIELD or other is _TRUTH:
            return
        name = self._name_at(at)
        if operator == "in" and not isinstance(other, list) and name != "parts":
            raise _Opaque
        self.reading.fields.setdefault(name, []).extend(other if isinstance(other, list) else [other])

    def _name_at(self, at: int) -> str:
        steps = []
        for kind, text in self._tokens[at:]:
            if kind != "word" and text != ".":
                break
            if kind == "word" and text != "in":
                steps.append(text)
        return ".".join(steps)

    def _operand(self) -> Any:
        kind, text = self._take()
        if kind == "string":
            return cel.compile(text).execute({})
        if kind == "number":
            return _number(text)
        if text == "-":
            kind, text = self._take()
            if kind != "number":
                raise _Opaque
            return -_number(text)
        if text == "(":
            inner = self._either()
            self._take(")")
            return inner if not isinstance(inner, list) and inner is not _FIELD else self._wrapped()
        if text == "[":
            return self._list()
        if kind == "word":
            return self._word(text)
        raise _Opaque

    def _wrapped(self) -> Any:
        raise _Opaque  # `(context.audience)`: nobody writes it, and the name would have to be carried along

    def _list(self) -> list[Any]:
        items: list[Any] = []
        while self._peek() != "]":
            item = self._operand()
            if item is _FIELD or item is _TRUTH or isinstance(item, list):
                raise _Opaque
            items.append(item)
            if self._peek() != "]":
                self._take(",")
        self._take("]")
        return items

    def _word(self, text: str) -> Any:
        if text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[text]
        if text == "has":
            self._take("(")
            self._word(self._take()[1])
            self._take(")")
            return _TRUTH
        if text == "size":
            for wanted in ("(", "parts", ")"):
                self._take(wanted)
            self.reading.fields.setdefault("parts", [])
            return 0  # all sets of parts are tried, so what the size is compared with does not matter
        name = text
        while self._peek() == ".":
            self._take()
            name += "." + self._take()[1]
        if self._peek() in ("(", "["):
            raise _Opaque
        if not _KNOWN.fullmatch(name):
            raise _Opaque
        self.reading.fields.setdefault(name, [])
        return _FIELD


def _tokens(source: str) -> list[tuple[str, str]]:
    found, at = [], 0
    stripped = source.rstrip()
    while at < len(stripped):
        match = _TOKEN.match(stripped, at)
        if match is None:
            return [("op", "?")]  # nothing of the grammar starts so
        found.append((str(match.lastgroup), match.group(match.lastgroup or 0)))
        at = match.end()
    return found


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)


def _loosely(source: str) -> Reading:
    """Every field and every literal of a condition that the grammar does not cover."""
    names = re.findall(r"\b(context\.attributes\.\w+|context\.\w+|stream\.\w+|parts)\b", _STRINGS.sub("''", source))
    literals: list[Any] = [text[1:-1] for text in _STRINGS.findall(source)]
    literals += [_number(text) for text in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", _STRINGS.sub("''", source))]
    return Reading({name: list(literals) for name in names}, exact=False)


_STRINGS = re.compile(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""")
