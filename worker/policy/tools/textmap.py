"""A valid JSON text by path: where each key and value stands, for carets and for edits that keep the rest as it is."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from worker.policy.places import TOKEN, Path, Place, dotted, places


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a value, and those of its key; an array item has no key, so `key` is the value's."""

    key: tuple[int, int]
    value: tuple[int, int]


class TextMap:
    """Spans of every path of one JSON text; the empty path is the whole document."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.spans: Mapping[Path, Span] = dict(_spans(text))
        self._by_name = {dotted(path): path for path in self.spans}
        self._lines = [0, *(i + 1 for i, character in enumerate(text) if character == "\n")]

    @classmethod
    def of_lines(cls, text: str) -> TextMap:
        """A text that is no JSON, for its lines alone."""
        made = cls("")
        made.text = text
        made._lines = [0, *(i + 1 for i, character in enumerate(text) if character == "\n")]
        return made

    def path(self, name: str) -> Path | None:
        """The path that an error writes as `categories.hate.flag`; None when it does not stand here."""
        return self._by_name.get(name)

    def nearest(self, path: Path) -> Span:
        """The span of `path`, else of its nearest ancestor that stands in the text."""
        while path and path not in self.spans:
            path = path[:-1]
        return self.spans.get(path, Span((0, 0), (0, 0)))

    def members(self, path: Path) -> int:
        """How many members or items the value at `path` has."""
        return sum(1 for one in self.spans if len(one) == len(path) + 1 and one[: len(path)] == path)

    def line_column(self, offset: int) -> tuple[int, int]:
        """1-based line and column, in characters."""
        line = bisect.bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a 1-based line."""
        start = self._lines[number - 1] if number <= len(self._lines) else len(self.text)
        return self.text[start:].partition("\n")[0]

    def without(self, path: Path) -> str:
        """The text with the member or item at `path` cut out, with its comma and its line when it has one to itself."""
        span = self.spans[path]
        start, end = span.key[0], span.value[1]
        before, after = self.text[:start].rstrip(), self.text[end:].lstrip()
        if after.startswith(","):  # cut up to the next member, so that the layout before this one stays
            return self.text[:start] + after[1:].lstrip()
        if before.endswith(","):  # the last one: its comma stands before it
            return before[:-1] + self.text[end:]
        return before + after  # the only one

    def replaced(self, span: tuple[int, int], new: str) -> str:
        """The text with the characters of `span` replaced."""
        return self.text[: span[0]] + new + self.text[span[1] :]


def _spans(text: str) -> Iterator[tuple[Path, Span]]:
    keys: dict[int, Place] = {}  # by offset of the key's or item's token
    for place in places(text):
        if not place.problem:
            keys[place.start] = place
    opened: list[tuple[Path, tuple[int, int], int]] = []  # path, key, start of a container
    waiting: Place | None = None
    for match in TOKEN.finditer(text):
        token, start, end = match.group(1), match.start(1), match.end(1)
        owner = keys.get(start)
        if owner is not None and owner.is_key:
            waiting = owner
        elif token in ",:":
            continue
        elif token in "}]":
            if opened:
                path, key, value = opened.pop()
                yield path, Span(key, (value, end))
        else:
            owner = waiting or owner
            path = owner.path if owner else ()
            key = (owner.start, owner.end) if waiting and owner else (start, end)
            waiting = None
            if token in "{[":
                opened.append((path, key, start))
            else:
                yield path, Span(key, (start, end))
