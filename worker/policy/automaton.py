"""Terms to what finds them: an automaton over the entries and exceptions of some lists, and patterns in linear time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ahocorasick_rs
import re2

from worker.policy.basis import fingerprint
from worker.policy.document import Terms

# The library holds the GIL while it builds, 20 ms for this many; a scan costs 0.2 microseconds for each automaton.
_ENTRIES_AT_ONCE = 20_000

_Owners = tuple[tuple[int, bool], ...]  # whose an entry is: the list's place, and whether it is an exception there


@dataclass(frozen=True, slots=True, weakref_slot=True)
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
    def content(self) -> tuple[object, ...]:
        """Equal for lists that find the same: their key among those that policies share."""
        return self.digest, self.spec.list_ is None, self.spec.match, tuple(self.spec.except_ or ())

    @property
    def whole_words(self) -> bool:
        return self.spec.match == "word"


class Automaton:
    """Finds the entries of some lists, which are known by their places among them. It knows no policy."""

    def __init__(self, lists: Sequence[TermList]) -> None:
        owners: dict[str, _Owners] = {}
        same: dict[_Owners, _Owners] = {}  # one tuple for all entries of a list, not one each
        for place, listed in enumerate(lists):
            plain = () if listed.is_pattern else listed.entries
            for entry, is_exception in itertools.chain(
                ((e, False) for e in plain), ((e, True) for e in listed.spec.except_ or ())
            ):
                folded = fold(entry)
                before = owners.get(folded, ())
                if (place, is_exception) not in before:
                    mine = (*before, (place, is_exception))
                    owners[folded] = same.setdefault(mine, mine)
        self._owners = tuple(owners.values())
        self._automata = _automata(list(owners))
        self.patterns = tuple((i, pattern_of(lst.entries)) for i, lst in enumerate(lists) if lst.is_pattern)

    def find(self, folded: str) -> Iterator[tuple[int, bool, int, int]]:
        """Every entry in a folded text: its list's place, whether it is an exception there, and [start, end)."""
        for first, automaton in self._automata:
            for entry, start, end in automaton.find_matches_as_indexes(folded, overlapping=True):
                for place, is_exception in self._owners[first + entry]:
                    yield place, is_exception, start, end


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
