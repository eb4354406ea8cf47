"""Terms to what finds them: an automaton over the entries and exceptions of some lists, and patterns in linear time."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ahocorasick_rs
import re2

from worker.policy.basis import fingerprint
from worker.policy.document import Terms

# The library holds the GIL while it builds, 20 ms for this many; a scan costs 0.2 microseconds for each automaton.
_ENTRIES_AT_ONCE = 20_000
_ENTRIES_BY_WORD = 4_000  # small, since a text is scanned for all of them when it has the first word of one
_RUN = re.compile(r"\w+")

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
    """
    Finds the entries of some lists, which are known by their places among them. It knows no policy.

    A whole word begins where a run of letters and digits begins, and such a run in a text is the entry's first one, all
    of it. So a long list of words is cut by the first runs of its entries, and a text is scanned only for those it has.
    """

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
        whole = {mine for mine in same if not any(exc or not lists[place].whole_words for place, exc in mine)}
        by_word = len(owners) > _ENTRIES_BY_WORD
        first = {entry: _first_run(entry) if by_word and owners[entry] in whole else "" for entry in owners}
        ordered = sorted(owners, key=first.__getitem__) if by_word else list(owners)
        self._owners = tuple(owners[entry] for entry in ordered)
        always = sum(not first[entry] for entry in ordered)  # they stand first
        self._always = tuple(_automata(ordered, 0, always, _ENTRIES_AT_ONCE))
        self._by_word = tuple(_automata(ordered, always, len(ordered), _ENTRIES_BY_WORD))
        self._of_run = {
            run: slice(places[0], places[-1] + 1)
            for run, places in _places((first[e] for e in ordered[always:]), _ENTRIES_BY_WORD)
        }
        self.patterns = tuple((i, pattern_of(lst.entries)) for i, lst in enumerate(lists) if lst.is_pattern)

    def find(self, folded: str) -> Iterator[tuple[int, bool, int, int]]:
        """
        Every entry in a folded text: its list's place, whether it is an exception there, and [start, end).

        An entry of whole words is left out where none of its places in the text can be one.
        """
        for number, automaton in self._asked(folded):
            for entry, start, end in automaton.find_matches_as_indexes(folded, overlapping=True):
                for place, is_exception in self._owners[number + entry]:
                    yield place, is_exception, start, end

    def _asked(self, folded: str) -> Iterable[tuple[int, Any]]:
        if not self._of_run:
            return self._always
        wanted = {i for run in _RUN.findall(folded) if (at := self._of_run.get(run)) for i in range(at.start, at.stop)}
        return (*self._always, *(self._by_word[i] for i in sorted(wanted)))


def _first_run(entry: str) -> str:
    found = _RUN.match(entry)
    return found.group() if found else ""


def _places(runs: Iterable[str], at_once: int) -> Iterator[tuple[str, list[int]]]:
    """For each run, in order, which automata hold its entries."""
    for run, numbered in itertools.groupby(enumerate(runs), key=lambda pair: pair[1]):
        yield run, sorted({number // at_once for number, _ in numbered})


def _automata(entries: list[str], start: int, end: int, at_once: int) -> Iterator[tuple[int, Any]]:
    """Automata over the entries [start, end), each with the number of its first."""
    for first in range(start, end, at_once):
        some = entries[first : min(first + at_once, end)]
        yield first, ahocorasick_rs.AhoCorasick(some, store_patterns=False)


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
