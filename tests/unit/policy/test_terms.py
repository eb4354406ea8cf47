"""Lists: what is a hit, what is an exception, where it stands, and which files may be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.policy.building import policy
from worker.core.decisions import Action
from worker.core.errors import PolicyRejected
from worker.core.events import PartType
from worker.core.views import Evidence, Segment, TextSource
from worker.policy.compile import CompiledPolicy


def listing(*words: str, match: str = "word", **more: Any) -> CompiledPolicy:
    terms = {"words": list(words), "match": match, "category": "a", "action": "flag"} | more
    return policy({"categories": {"a": {}}, "terms": [terms]})


def text(written: str, types: Sequence[PartType] = (PartType.TEXT,)) -> TextSource:
    return TextSource("parts/0", written, tuple(types))


def spans(compiled: CompiledPolicy, written: str) -> list[tuple[int, int] | None]:
    return [hit.evidence.span for hit in compiled.match(text(written))]


@pytest.mark.parametrize(
    ("entry", "written", "span"),
    [
        ("foo", "a FOO!", (2, 5)),
        ("foo", "food", None),
        ("foo", "foo_bar", None),
        ("foo", "(foo)", (1, 4)),
        ("foo", "", None),
        ("straße", "die STRASSE da", (4, 11)),
        ("strasse", "ßß die Straße da", (7, 13)),
        ("two words", "has two words in it", (4, 13)),
        ("cafe", "cafe\u0301", None),
        ("$$$", "a$$$b", (1, 4)),
        ("привет", "ПРИВЕТ всем", (0, 6)),
    ],
)
def test_a_word_is_whole(entry: str, written: str, span: tuple[int, int] | None) -> None:
    """Case folded, bounded by what is no letter, digit or accent; the place is in the text as written."""
    assert spans(listing(entry), written) == ([] if span is None else [span])


def test_a_substring_stands_anywhere() -> None:
    """Inside a word too."""
    assert spans(listing("foo", match="substring"), "seafood") == [(3, 6)]


def test_a_pattern_is_re2_and_case_insensitive() -> None:
    """And it is matched on the text as written."""
    assert spans(listing(r"\d{3}-\d{2}", r"colou?r", match="pattern"), "ß COLOR 123-45") == [(2, 7)]


def test_a_catastrophic_pattern_runs_in_linear_time() -> None:
    """It would take a backtracking engine longer than the universe has existed."""
    assert spans(listing("(a+)+$", match="pattern"), "a" * 20_000 + "!") == []


@pytest.mark.parametrize("match", ["word", "pattern"])
def test_an_exception_covers_only_its_own_place(match: str) -> None:
    """The same entry elsewhere in the text is still a hit."""
    compiled = listing("scam", match=match, **{"except": ["scam awareness", "anti scam"]})
    assert spans(compiled, "scam awareness week, anti scam") == []
    assert spans(compiled, "scam awareness week. this is a scam") == [(31, 35)]


def test_an_exception_of_one_list_is_none_of_another() -> None:
    """Each list has its own."""
    tree = {
        "categories": {"a": {}, "b": {}},
        "terms": [
            {"words": ["scam"], "category": "a", "action": "flag", "except": ["scam week"]},
            {"words": ["scam", "week"], "category": "b", "action": "block"},
        ],
    }
    hits = policy(tree).match(text("scam week"))
    assert [(h.category, h.action, h.list_name) for h in hits] == [("b", Action.BLOCK, "terms[1]")]


def test_normalised_text_is_matched_where_the_written_one_was_not() -> None:
    """The view says so, and the place is mapped back into the original."""
    compiled = listing("scam", "free")
    (hit,) = compiled.match(text("s.c.a.m"), "scam", lambda start, end: (start * 2, end * 2 - 1))
    assert (hit.view, hit.evidence.span) == ("parts/0/normalised", (0, 7))
    (hit,) = compiled.match(text("scam"), "free", lambda start, end: (start, end))
    assert hit.view == "parts/0"


def test_a_hit_counts_for_every_type_of_its_source() -> None:
    """A joint text has several; a derived one points into the picture."""
    compiled = listing("foo")
    hits = compiled.match(text("foo", (PartType.TEXT, PartType.IMAGE)))
    assert [h.type for h in hits] == [PartType.TEXT, PartType.IMAGE]
    ocr = TextSource("parts/1/ocr", "x foo", (PartType.IMAGE,), (Segment(0, 5, Evidence(box=(1, 2, 3, 4))),))
    assert compiled.match(ocr)[0].evidence == Evidence((2, 5), (1, 2, 3, 4))


@given(
    st.lists(st.text("abß ", min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=6),
    st.text("abßA ", max_size=40),
)
def test_substrings_are_found_exactly_when_they_are_there(entries: list[str], written: str) -> None:
    """The automaton agrees with looking for each entry by itself."""
    folded = [" ".join(entry.casefold().split()) for entry in entries]
    expected = any(entry in written.casefold() for entry in folded)
    assert bool(spans(listing(*entries, match="substring"), written)) == expected


def folder_with(folder: Path, content: bytes, **more: Any) -> CompiledPolicy:
    (folder / "l.txt").write_bytes(content)
    terms = {"list": "l.txt", "category": "a", "action": "flag"} | more
    return policy({"categories": {"a": {}}, "terms": [terms]}, folder=folder)


def test_a_list_file_has_one_entry_a_line(tmp_path: Path) -> None:
    """Comments and empty lines are none; its digest is that of its bytes."""
    compiled = folder_with(tmp_path, "# no\n\n foo \r\nbär\n".encode())
    assert compiled.lists[0].entries == ("foo", "bär")  # type: ignore[union-attr]
    assert compiled.match(text("BÄR"))[0].list_name == "l.txt"


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/hostname", "link.txt"])
def test_a_list_may_not_lie_outside_the_folder(tmp_path: Path, name: str) -> None:
    """Not by path, not by symlink."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("x\n")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(PolicyRejected, match="leads out of the policies folder"):
        folder_with(folder, b"", list=name)


@pytest.mark.parametrize(
    ("content", "more", "line", "says"),
    [
        (b"ok\ncaf\xe9\n", {}, 2, "not UTF-8"),
        (b"# only\n", {}, None, "has no entries"),
        (b"fine\n(open\n", {"match": "pattern"}, 2, "not an RE2 pattern"),
        (b"(a)\\1\n", {"match": "pattern"}, 1, "not an RE2 pattern"),
        (b"a\n\nb*\n", {"match": "pattern"}, 3, "matches an empty text"),
        (b"a\n", {"list": "missing.txt"}, None, "cannot be read"),
    ],
)
def test_bad_lists_are_refused(
    tmp_path: Path, content: bytes, more: dict[str, Any], line: int | None, says: str
) -> None:
    """With the line in the list where there is one; an entry itself is never said."""
    with pytest.raises(PolicyRejected) as caught:
        folder_with(tmp_path, content, **more)
    assert says in caught.value.reason
    assert line is None or (caught.value.file, caught.value.line) == ("l.txt", line)


def test_a_large_list_is_matched_whole() -> None:
    """Fifty thousand entries, more than one automaton takes: the first and the last are found."""
    compiled = listing(*(f"{i:x}word" for i in range(50_000)))
    assert spans(compiled, f"this is {49_999:x}word indeed") == [(8, 16)]
    assert spans(compiled, "0word") == [(0, 5)]


@given(
    st.lists(st.text("ab$_ \u0301", min_size=1, max_size=5).filter(str.strip), min_size=1, max_size=8),
    st.text("abA$_ \u0301", max_size=30),
)
def test_long_lists_of_words_are_found_as_short_ones_are(entries: list[str], written: str) -> None:
    """They are cut by their first words, and a text is scanned only for those it has: with the same hits."""
    filler = [f"filler{i}" for i in range(4_001)]
    short, long = listing(*entries), _long(tuple(filler), tuple(entries))
    assert spans(long, written) == spans(short, written)


_FILLED: dict[tuple[str, ...], CompiledPolicy] = {}


def _long(filler: tuple[str, ...], entries: tuple[str, ...]) -> CompiledPolicy:
    return _FILLED.setdefault(entries, listing(*filler, *entries))


def test_lists_in_common_are_held_once() -> None:
    """Tenants whose lists find the same share what finds it, whatever their hits do; other exceptions, another list."""
    words = [f"word{i}" for i in range(3_000)]
    one, other = listing(*words), listing(*words, action="block")
    except_ = listing(*words, match="word", **{"except": ["word1 is fine"]})
    automata = [compiled._matcher._automata[0][1] for compiled in (one, other, except_)]
    assert automata[0] is automata[1]
    assert automata[0] is not automata[2]
    assert one.lists[0].entries is other.lists[0].entries  # type: ignore[union-attr]
    assert [hit.action.label for hit in other.match(text("word7"))] == ["block"]
    assert spans(except_, "word1 is fine, word2") == [(15, 20)]
