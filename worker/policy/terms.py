"""Word, substring and pattern lists with exceptions: one automaton a policy, and patterns in linear time."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ahocorasick_rs
import re2

from worker.core.decisions import Action, Hit
from worker.core.views import TextSource
from worker.policy.basis import fingerprint
from worker.policy.document import Terms

Span = tuple[int, int]
# The library holds the GIL while it builds, 20 ms for this many; a scan costs 0.2 microseconds for each automaton.
_ENTRIES_AT_ONCE = 20_000

SpanBack = Callable[[int, int], Span]


@dataclass(frozen=True, slots=True)
class TermList:
    """One list, ready to compile: `entries` are its lines without comments."""

    name: str
    digest: str
    spec: Terms
    entries: tuple[str, ...]

    @property
    def is_pattern(self) -> bool:
        return self.spec.match == "pattern"

    @property
    def search(self) -> str:
        """Fingerprint of the entries, how they match and the exceptions: what was looked for, whatever a hit does."""
        return fingerprint([self.digest, self.spec.match, self.spec.except_ or []])

    @property
    def whole_words(self) -> bool:
        return self.spec.match == "word"


class Matcher:
    """All lists of a policy in one automaton: about a microsecond for a short text in which nothing is found."""

    def __init__(self, lists: Sequence[TermList]) -> None:
        self._lists = tuple(lists)
        self._searches = tuple(listed.search for listed in lists)
        entries: dict[str, list[tuple[int, bool]]] = {}  # folded entry: (list, is an exception)
        for index, listed in enumerate(lists):
            plain = () if listed.is_pattern else listed.entries
            for entry, is_exception in itertools.chain(
                ((e, False) for e in plain), ((e, True) for e in listed.spec.except_ or ())
            ):
                owners = entries.setdefault(fold(entry), [])
                if (index, is_exception) not in owners:
                    owners.append((index, is_exception))
        self._owners = tuple(entries.values())
        self._automata = _automata(list(entries))
        self._patterns = tuple((i, pattern_of(lst.entries)) for i, lst in enumerate(lists) if lst.is_pattern)

    def __bool__(self) -> bool:
        return bool(self._lists)

    def match(self, source: TextSource, normalised: str | None, span_back: SpanBack | None) -> list[Hit]:
        """The first hit of each list, in the text as written, else in the normalised one, for each type it counts."""
        found = self.find(source.text)
        if not found and normalised is None:
            return []
        hits = [hit for index, span in found.items() for hit in self._hits(index, span, source, source.path)]
        if normalised is not None and normalised != source.text:
            view = f"{source.path}/normalised"
            for index, span in self.find(normalised).items():
                if index not in found:
                    back = span_back(*span) if span_back else span
                    hits += self._hits(index, back, source, view)
        return hits

    def _hits(self, index: int, span: Span, source: TextSource, view: str) -> Iterator[Hit]:
        listed = self._lists[index]
        action, evidence = Action.parse(listed.spec.action), source.evidence(*span)
        for part in source.types:
            yield Hit(
                listed.digest, listed.name, listed.spec.category, action, part, view, evidence, self._searches[index]
            )

    def find(self, text: str) -> dict[int, Span]:
        """By list index, the characters of its first entry in `text` that no exception covers."""
        folded = text.casefold()
        raw = [
            (first + entry, start, end)
            for first, automaton in self._automata
            for entry, start, end in automaton.find_matches_as_indexes(folded, overlapping=True)
        ]
        if not raw and not self._patterns:
            return {}
        spans, exceptions = self._sort(raw, folded)
        if len(folded) != len(text):
            unfold = _unfolder(text)
            spans = {index: [unfold(s) for s in listed] for index, listed in spans.items()}
            exceptions = {index: [unfold(s) for s in listed] for index, listed in exceptions.items()}
        for index, pattern in self._patterns:
            spans[index] = (match.span() for match in pattern.finditer(text))
        first = ((i, _first_uncovered(listed, exceptions.get(i, ()))) for i, listed in sorted(spans.items()))
        return {index: span for index, span in first if span is not None}

    def _sort(self, raw: Sequence[tuple[int, int, int]], folded: str) -> tuple[dict[int, Any], dict[int, list[Span]]]:
        """Raw matches as spans by list: entries, and exceptions."""
        spans: dict[int, Any] = {}
        exceptions: dict[int, list[Span]] = {}
        for entry, start, end in raw:
            for index, is_exception in self._owners[entry]:
                if is_exception:
                    exceptions.setdefault(index, []).append((start, end))
                elif not self._lists[index].whole_words or is_word(folded, start, end):
                    spans.setdefault(index, []).append((start, end))
        return spans, exceptions


def _automata(entries: list[str]) -> tuple[tuple[int, Any], ...]:
    """Automata with the index of their first entry: one, but for very long lists."""
    starts = range(0, len(entries), _ENTRIES_AT_ONCE)
    made = ((first, entries[first : first + _ENTRIES_AT_ONCE]) for first in starts)
    return tuple((first, ahocorasick_rs.AhoCorasick(some, store_patterns=False)) for first, some in made)


def fold(entry: str) -> str:
    """An entry as it stands in the automaton: case folded, runs of white space as one blank."""
    return " ".join(entry.casefold().split())


def pattern_of(entries: Sequence[str]) -> Any:
    """All patterns of a list as one RE2 expression, case-insensitive; raises re2.error."""
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    return re2.compile("|".join(f"(?:{entry})" for entry in entries), options)


def _first_uncovered(spans: Iterator[Span] | Sequence[Span], exceptions: Sequence[Span]) -> Span | None:
    for start, end in spans:
        if not any(a <= start and end <= b for a, b in exceptions):
            return start, end
    return None


def is_word(text: str, start: int, end: int) -> bool:
    """An edge that is no letter or digit itself needs no boundary: `$$$` stands where it likes."""
    before = start == 0 or not (_joins(text[start - 1]) and _joins(text[start]))
    return before and (end == len(text) or not (_joins(text[end]) and _joins(text[end - 1])))


def _joins(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def _unfolder(text: str) -> Callable[[Span], Span]:
    """Positions in the folded text back to `text`: folding makes some letters longer (ß to ss)."""
    index = [i for i, character in enumerate(text) for _ in character.casefold()]
    return lambda span: (index[span[0]], index[span[1] - 1] + 1)
