"""Bad policies: each is refused with the file, the line and what to mend."""

from __future__ import annotations

import json
from pathlib import Path as File
from typing import Any

import pytest

from tests.unit.policy.building import policy
from worker.core.errors import PolicyRejected
from worker.policy.places import Path, line_of, places
from worker.policy.reading import MAX_FILE_BYTES, read_policy

HEAD = '{"id": "p",\n "version": "1",\n'


def refused(text: str | bytes) -> PolicyRejected:
    raw = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(PolicyRejected) as caught:
        read_policy(raw, "p.json")
    assert caught.value.file == "p.json"
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "where", "says"),
    [
        ('{"id": "p",\n "version": "1"', 2, None, "not JSON"),
        ("", 1, None, "not JSON"),
        ("[]", 1, None, "a JSON object is expected"),
        (HEAD + ' "categories": {\n  "a": {},\n  "a": {}}}', 5, "categories.a", "stands twice"),
        (HEAD + ' "categories": {"a": {\n  "flag": NaN}}}', 4, "categories.a.flag", "not a finite number"),
        (HEAD + ' "categories": {"a": {\n  "flag": 1e999}}}', 4, "categories.a.flag", "not a finite number"),
        (HEAD + ' "categories": {"a": {\n  "flag": 1.5}}}', 4, "categories.a.flag", "from 0 to 1"),
        (HEAD + ' "categories": {"a": {\n  "block": -0.1}}}', 4, "categories.a.block", "from 0 to 1"),
        (HEAD + ' "categories": {"a": {\n  "flag": "sharp"}}}', 4, "categories.a.flag", "from 0 to 1"),
        (HEAD + ' "categories": {"a": {\n  "flag": true}}}', 4, "categories.a.flag", "from 0 to 1"),
        (HEAD + ' "categories": {"a": {\n  "flagg": 0.5}}}', 4, "categories.a.flagg", "did you mean `flag`"),
        (HEAD + ' "categories": {\n  "Bad Name": {}}}', 4, "categories.Bad Name", "is no name"),
        (HEAD + ' "calls": {\n  "agre": 2}}', 4, "calls.agre", "did you mean `agree`"),
        (HEAD + ' "calls": {\n  "of": 0}}', 4, "calls.of", "0 is less than 1"),
        (HEAD + ' "limits": {"parts": 1' + "0" * 30 + "}}", None, None, "every JSON reader"),
        (HEAD + ' "terms": [{"words": ["x"],\n  "action": "flag"}]}', 3, "terms[0].category", "is missing"),
        (HEAD + ' "terms": [{"category": "a",\n "action": "flag"}]}', 3, "terms[0]", "either `list`"),
        (HEAD + ' "when": [{"if": "true",\n  "set": {"a": {"flag": null}}}]}', 4, "when[0].set.a", "leave it out"),
        (HEAD + ' "limits": {\n  "parts": 0}}', 4, "limits.parts", "0 is not above 0"),
        ('{"id": "p"}', 1, "version", "is missing"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: int | None, where: str | None, says: str) -> None:
    """So that its author finds it without counting."""
    error = refused(text)
    assert (error.line, error.where) == (line, where)
    assert says in error.reason


def test_not_utf8_is_refused_with_its_line() -> None:
    """Latin-1 from an old editor."""
    error = refused(HEAD.encode() + b' "description": "caf\xe9"}')
    assert (error.line, "not UTF-8" in error.reason) == (3, True)


def test_half_a_surrogate_pair_is_refused() -> None:
    """It is JSON, but no digest could be made of it."""
    assert "surrogate" in refused(HEAD + ' "description": "\\ud800"}').reason


def test_a_file_that_is_too_large_is_refused() -> None:
    """Before it is parsed."""
    assert "more than" in refused(b" " * (MAX_FILE_BYTES + 1)).reason


@pytest.mark.parametrize("depth", [40, 1000, 100_000])
def test_a_tree_that_is_too_deep_is_refused(depth: int) -> None:
    """Also one that would end Python's recursion."""
    text = HEAD + ' "categories": ' + '{"a": {\n"children": ' * depth + "{}" + "}}" * depth + "}"
    error = refused(text)
    assert "32 deep" in error.reason
    assert error.line is not None


def test_a_hundred_and_one_categories_are_refused() -> None:
    """A hundred are not, and an emptied one is none."""
    names: dict[str, Any] = {f"c{i}": {} for i in range(100)}
    assert len(policy({"categories": names | {"gone": None}}).categories) == 100
    error = refused(json.dumps({"id": "p", "version": "1", "categories": names | {"more": {}}}))
    assert (error.where, "more than 100" in error.reason) == ("categories.more", True)


def test_a_category_that_is_not_there_is_refused() -> None:
    """In lists, conditions and tests, once the parents are merged in."""
    for part, where in (
        ({"terms": [{"words": ["x"], "category": "b", "action": "flag"}]}, "terms[0].category"),
        ({"when": [{"if": "true", "set": {"b": {"flag": 0.1}}}]}, "when[0].set.b"),
        ({"tests": [{"name": "n", "text": "t", "expect": "flag", "category": "b"}]}, "tests[0].category"),
    ):
        with pytest.raises(PolicyRejected, match="there is no category 'b'") as caught:
            policy({"categories": {"a": {}}} | part)
        assert caught.value.where == where


def test_a_mistake_in_an_inherited_part_is_named_in_its_own_file() -> None:
    """The parent's list names a category that the child takes away: the line is the parent's."""
    parent = {"categories": {"a": {}}, "terms": [{"words": ["x"], "category": "a", "action": "flag"}]}
    with pytest.raises(PolicyRejected) as caught:
        policy(parent, {"id": "c", "extends": "p", "categories": {"a": None}})
    assert (caught.value.file, caught.value.where) == ("p.json", "terms[0].category")


def test_extends_in_a_circle_and_into_nothing_are_refused() -> None:
    """With the way round written out."""
    with pytest.raises(PolicyRejected, match="a > b > a") as circle:
        policy({"id": "b", "extends": "a"}, {"id": "a", "extends": "b"})
    assert circle.value.where == "extends"
    with pytest.raises(PolicyRejected, match="no valid policy 'nobody'"):
        policy({"extends": "nobody"})


def test_a_child_document_may_hold_only_what_differs() -> None:
    """The parent's id, version and name are not inherited."""
    compiled = policy({"id": "a", "categories": {"x": {"flag": 0.5}}}, {"id": "b", "version": "7", "extends": "a"})
    assert (compiled.id, compiled.version, compiled.categories) == ("b", "7", ("x",))


def test_the_digest_is_of_what_is_in_force(tmp_path: File) -> None:
    """Layout and key order do not matter; a threshold, a parent's threshold and a list's content do."""
    (tmp_path / "l.txt").write_text("foo\n")
    terms = {"terms": [{"list": "l.txt", "category": "a", "action": "flag"}]}
    parent: dict[str, Any] = {"id": "a", "categories": {"a": {"flag": 0.5, "block": 0.9}}} | terms
    child = {"id": "b", "extends": "a"}
    digest = policy(parent, child, folder=tmp_path).digest
    turned = parent | {"categories": {"a": {"block": 0.9, "flag": 0.5}}}
    assert policy(turned, child, folder=tmp_path).digest == digest
    changed = parent | {"categories": {"a": {"block": 0.9, "flag": 0.4}}}
    assert policy(changed, child, folder=tmp_path).digest != digest
    (tmp_path / "l.txt").write_text("bar\n")
    assert policy(parent, child, folder=tmp_path).digest != digest


def test_places_are_found_in_any_json() -> None:
    """Every key and item, whatever brackets and quotes stand in the strings."""
    text = json.dumps({"a": [1, {'b"{': "]},"}, [[2]]], "c": {}, "d": [{}, "x:y"]}, indent=2)
    found = {place.path: place.line for place in places(text)}
    items: set[Path] = {("a", 0), ("a", 1), ("a", 1, 'b"{'), ("a", 2), ("a", 2, 0), ("a", 2, 0, 0), ("d", 0), ("d", 1)}
    assert set(found) == items | {("a",), ("c",), ("d",)}
    assert '"x:y"' in text.splitlines()[found["d", 1] - 1]
    assert line_of(text, ("a", 1, "nothing")) == found["a", 1]
