"""Word, substring and pattern lists with exceptions: what a text hits, and where."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from worker.core.decisions import Action, Hit
from worker.core.views import TextSource
from worker.policy.automaton import Automaton, TermList, fold, pattern_of
from worker.policy.shared import Shared

Span = tuple[int, int]
SpanBack = Callable[[int, int], Span]

_LARGE = 2_000  # entries from which a list has an automaton of its own, for all policies that have the list
_AUTOMATA: Shared[Automaton] = Shared()


class Matcher:
    """
    All lists of a policy: about a microsecond for a short text in which nothing is found.

    Small lists share an automaton, a large one has its own; policies with the same lists share theirs.
    """

    def __init__(self, lists: Sequence[TermList]) -> None:
        self._lists = tuple(lists)
        self._searches = tuple(listed.search for listed in lists)
        small = [i for i, listed in enumerate(lists) if len(listed.entries) < _LARGE]
        large = [i for i, listed in enumerate(lists) if len(listed.entries) >= _LARGE]
        groups = [tuple(places) for places in (small, *([i] for i in large)) if places]
        self._automata = [(places, _shared([lists[i] for i in places])) for places in groups]
        self._patterns = [
            (places[place], pattern) for places, automaton in self._automata for place, pattern in automaton.patterns
        ]

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
        spans, exceptions = self._entries(folded)
        if not spans and not self._patterns:
            return {}
        if len(folded) != len(text):
            unfold = _unfolder(text)
            spans = {index: [unfold(s) for s in listed] for index, listed in spans.items()}
            exceptions = {index: [unfold(s) for s in listed] for index, listed in exceptions.items()}
        for index, pattern in self._patterns:
            spans[index] = (match.span() for match in pattern.finditer(text))
        first = ((i, _first_uncovered(listed, exceptions.get(i, ()))) for i, listed in sorted(spans.items()))
        return {index: span for index, span in first if span is not None}

    def _entries(self, folded: str) -> tuple[dict[int, Any], dict[int, list[Span]]]:
        """What stands in a folded text, by list: entries, and exceptions."""
        spans: dict[int, Any] = {}
        exceptions: dict[int, list[Span]] = {}
        for places, automaton in self._automata:
            for place, is_exception, start, end in automaton.find(folded):
                index = places[place]
                if is_exception:
                    exceptions.setdefault(index, []).append((start, end))
                elif not self._lists[index].whole_words or is_word(folded, start, end):
                    spans.setdefault(index, []).append((start, end))
        for found in spans.values():
            found.sort(key=_by_end)  # several automata, one order
        return spans, exceptions


def _by_end(span: Span) -> Span:
    return span[1], span[0]


def _shared(lists: Sequence[TermList]) -> Automaton:
    return _AUTOMATA.get(tuple(listed.content for listed in lists), lambda: Automaton(lists))


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


__all__ = ["Matcher", "Span", "SpanBack", "TermList", "fold", "is_word", "pattern_of"]
