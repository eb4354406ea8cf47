"""Where things stand in a JSON text: path to line, so that an error can name the line to mend."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

MAX_NESTING = 80  # 32 levels of categories, each with its `children`, and what stands around them

TOKEN = re.compile(r'[ \t\r\n]*("[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+)', re.DOTALL)
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


@dataclass(slots=True)
class _Container:
    """An open object or array: `key` is the path step of the value that comes next."""

    is_object: bool
    key: str | int
    wants_key: bool
    seen: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Place:
    """
    A key or array item, its 1-based line, its token's characters, and what JSON readers let pass but a policy must not.
    """

    path: Path
    line: int
    problem: str | None = None
    start: int = 0  # of the token: a key with its quotes, or an item's first token
    end: int = 0
    is_key: bool = False


def places(text: str) -> Iterator[Place]:
    """Every key and array item of `text`, in order; stops where the text is no longer JSON. Never recurses."""
    stack: list[_Container] = []
    line, counted = 1, 0
    for match in TOKEN.finditer(text):
        token = match.group(1)
        line += text.count("\n", counted, match.start(1))
        counted = match.start(1)
        if token == ",":
            _step(stack)
        elif token in "}]":
            if stack:
                stack.pop()
        elif token == ":":
            continue
        elif stack and stack[-1].wants_key:
            yield _key(stack, token, line, match.start(1))
        else:
            yield from _value(stack, token, line, match.start(1))


def _step(stack: list[_Container]) -> None:
    if stack and isinstance(stack[-1].key, int):
        stack[-1].key += 1
    elif stack:
        stack[-1].wants_key = True


def _path(stack: list[_Container]) -> Path:
    return tuple(container.key for container in stack)


def _key(stack: list[_Container], token: str, line: int, start: int) -> Place:
    top = stack[-1]
    try:
        name = str(json.loads(token))
    except ValueError:
        name = token
    problem = f"the key {name!r} stands twice: keep one" if name in top.seen else None
    top.seen.add(name)
    top.key, top.wants_key = name, False
    return Place(_path(stack), line, problem, start, start + len(token), is_key=True)


def _value(stack: list[_Container], token: str, line: int, start: int) -> Iterator[Place]:
    end = start + len(token)
    if stack and not stack[-1].is_object:
        yield Place(_path(stack), line, None, start, end)
    if token in "{[":
        stack.append(_Container(token == "{", "" if token == "{" else 0, token == "{"))
        if len(stack) > MAX_NESTING:
            problem = f"nested more than {MAX_NESTING} deep: categories may be 32 deep"
            yield Place(_path(stack)[:6], line, problem, start, end)
        return
    if token in _NO_NUMBERS or (token[0] in "-0123456789" and _overflows(token)):
        yield Place(_path(stack), line, f"{token[:20]} is not a finite number", start, end)


def _overflows(token: str) -> bool:
    try:
        return not math.isfinite(float(token))
    except ValueError:
        return False


def first_problem(text: str) -> Place | None:
    """The first duplicate key, endless number or too deep nesting."""
    return next((place for place in places(text) if place.problem), None)


def line_of(text: str, path: Path) -> int | None:
    """The line of `path`, else of its nearest ancestor that stands in `text`; None for an empty path."""
    best, best_depth = None, 0
    for place in places(text):
        depth = len(place.path)
        if best_depth < depth <= len(path) and place.path == path[:depth]:
            best, best_depth = place.line, depth
    return best


def dotted(path: Path) -> str:
    """`categories.hate.flag`, `terms[0].list`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".")
