"""Lint of lists: those that cannot be read, entries that others swallow, exceptions that never apply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import ahocorasick_rs

from worker.core.errors import PolicyRejected
from worker.policy.document import Terms
from worker.policy.files import Files, FolderFiles
from worker.policy.images import ImageList
from worker.policy.lists import MAX_LIST_BYTES, read_lists
from worker.policy.places import Path
from worker.policy.terms import Matcher, TermList, fold, is_word
from worker.policy.tools.findings import Finding
from worker.policy.tools.subject import Subject
from worker.policy.tools.textmap import TextMap

_MOST_ENTRIES = 50_000  # of a list that is searched for entries that swallow each other: a second at most
_MOST_SAID = 20  # of one list
_HARMLESS = Terms.model_validate({"words": ["x"], "category": "x", "action": "flag"})


class _Alone:
    """
    Port `Files` that gives one list as it is and any other as a harmless one, so that each is judged by itself.

    blank: lines of the list to leave empty, so that what is wrong further down is found too.
    """

    def __init__(self, files: Files, name: str | None) -> None:
        self._files, self._name = files, name
        self.blank: set[int] = set()

    def read(self, name: str, most: int) -> bytes:
        if name != self._name:
            return b"0123456789abcdef"
        content = self._files.read(name, most)
        if not self.blank:
            return content
        return b"\n".join(b"#" if i in self.blank else line for i, line in enumerate(content.split(b"\n"), 1))


def check_lists(subject: Subject) -> Iterator[Finding]:
    """TG111, TG401 and TG402, of the lists that the policy's own file names."""
    for kind, specs in (("terms", subject.document.terms or ()), ("images", subject.document.images or ())):
        for number in range(len(specs) if subject.owns((kind,)) else 0):
            listed = _read(subject, kind, number)
            if isinstance(listed, TermList):
                yield from _swallowed(subject, number, listed)
                yield from _idle_exceptions(subject, number, listed)


def _read(subject: Subject, kind: str, number: int) -> TermList | ImageList | None:
    """One list; None when it is refused, with each reason noted."""
    document = subject.document
    terms = [spec if kind == "terms" and i == number else _HARMLESS for i, spec in enumerate(document.terms or ())]
    images = list(document.images or ())
    name = terms[number].list_ if kind == "terms" else images[number].list_
    files = _Alone(FolderFiles(subject.gathered.folder), name)
    place = number if kind == "terms" else len(terms) + number
    failed = False
    for _ in range(_MOST_SAID):
        changed = document.model_copy(update={"terms": terms, "images": images})
        try:
            listed = read_lists(replace(subject.resolved, document=changed), files)[place]
        except PolicyRejected as error:
            line, word = error.line if name and error.file == name else None, _word(error, number)
            if failed and not line and word is None:
                return None  # only what is left of a list whose bad lines were said already
            failed = True
            _show(subject, error)
            mend = "mend the list, or name another file" if name else "mend this entry, or take it out"
            subject.gathered.rejected("TG111", error, mend, value=True)
            if line:
                files.blank.add(line)
            elif word is not None:
                words = [*(terms[number].words or ())]
                words[word] = "x"
                terms[number] = terms[number].model_copy(update={"words": words})
            else:
                return None
        else:
            return None if failed else listed
    return None


def _word(error: PolicyRejected, number: int) -> int | None:
    """Which word of an inline list an error is about; None when it is not about one."""
    inside = (error.where or "").partition(f"terms[{number}].words[")[2]
    return int(inside.removesuffix("]")) if inside else None


def _show(subject: Subject, error: PolicyRejected) -> None:
    """Read a list that an error points into, so that the line can be shown."""
    file = error.file
    if file and file not in subject.gathered.texts and error.line:
        content = FolderFiles(subject.gathered.folder).read(file, MAX_LIST_BYTES)
        subject.gathered.texts[file] = TextMap.of_lines(content.decode("utf-8-sig", "replace"))


def _swallowed(subject: Subject, number: int, listed: TermList) -> Iterator[Finding]:
    """TG401: an entry that stands there twice, or is only ever found where a shorter one is found already."""
    if listed.is_pattern or len(listed.entries) > _MOST_ENTRIES:
        return
    folded = [fold(entry) for entry in listed.entries]
    distinct = list(dict.fromkeys(folded))
    automaton = ahocorasick_rs.AhoCorasick(distinct, store_patterns=False)
    # An exception may cover the shorter entry and not the longer one, so such a pair is left alone.
    excepted = [fold(phrase) for phrase in listed.spec.except_ or ()]
    seen: set[str] = set()
    said = 0
    for place, entry in enumerate(folded):
        inside = (distinct[i] for i, a, b in _shorter(automaton, entry, listed.whole_words))
        by = entry if entry in seen else next((e for e in inside if not any(e in x for x in excepted)), None)
        seen.add(entry)
        if by is not None and said < _MOST_SAID:
            said += 1
            yield _entry(subject, number, listed, place, twice=by == entry)


def _shorter(automaton: ahocorasick_rs.AhoCorasick, entry: str, words: bool) -> Iterator[tuple[int, int, int]]:
    for found, start, end in automaton.find_matches_as_indexes(entry, overlapping=True):
        if end - start < len(entry) and (not words or is_word(entry, start, end)):
            yield found, start, end


def _entry(subject: Subject, number: int, listed: TermList, place: int, *, twice: bool) -> Finding:
    message = (
        "this entry stands in the list twice" if twice else "a shorter entry of the list is found wherever this is"
    )
    mend = "take it out"
    if listed.spec.list_ is None:
        words = subject.document.terms[number].words if subject.document.terms else None
        raw = _raw_place(words or (), place)
        return subject.find("TG401", ("terms", number, "words", raw), message, mend, value=True, edit=True)
    text = subject.gathered.texts.get(listed.name)
    if text is None:
        content = FolderFiles(subject.gathered.folder).read(listed.name, MAX_LIST_BYTES)
        text = subject.gathered.texts[listed.name] = TextMap.of_lines(content.decode("utf-8-sig"))
    lines = text.text.splitlines()
    kept = [i for i, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")]
    line = kept[place]
    source = lines[line - 1]
    column = len(source) - len(source.lstrip()) + 1
    return Finding("TG401", listed.name, line, column, len(source.strip()), "", message, mend, source)


def _raw_place(words: Sequence[str], place: int) -> int:
    """The place among all words of the one at `place` among those that are not blank."""
    return [i for i, word in enumerate(words) if fold(word)][place]


def _idle_exceptions(subject: Subject, number: int, listed: TermList) -> Iterator[Finding]:
    """TG402: a phrase in which no entry is ever found."""
    bare = Matcher([replace(listed, spec=listed.spec.model_copy(update={"except_": None}))])
    if listed.is_pattern and any("\\B" in entry for entry in listed.entries):
        return  # what stands around the phrase decides there
    for place, phrase in enumerate(listed.spec.except_ or ()):
        if not bare.find(fold(phrase)):
            path: Path = ("terms", number, "except", place)
            message = "this exception never applies: no entry of its list is found in it"
            yield subject.find("TG402", path, message, "take it out, or write the whole phrase", value=True, edit=True)
