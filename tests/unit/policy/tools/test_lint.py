"""Every code of lint, in and out, and its promises: all that a reload refuses, and fixes that change no decision."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.unit.policy.building import POLICIES, PathsOnly
from tests.unit.policy.tools.trees import EXACT, GRID, LAW, documents
from worker.cli import app
from worker.core.decisions import Findings
from worker.core.events import PART_TYPES, PartType
from worker.core.views import TextSource, empty_scores
from worker.policy.compile import CompiledPolicy, compile_policy
from worker.policy.reading import read_policy
from worker.policy.resolve import resolve
from worker.policy.tools.findings import CODES
from worker.policy.tools.fix import mend
from worker.policy.tools.lint import lint

GOLDEN = Path(__file__).parent / "golden"
RAISED_ELSEWHERE = {"TG119"}  # the net below all other codes: nothing is known to fall into it


@pytest.mark.parametrize("code", sorted(path.name for path in GOLDEN.iterdir()))
def test_what_is_printed_for_each_code(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden files: the policies of a folder, and all that lint prints about them with --diff, on 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(GOLDEN)
    result = CliRunner().invoke(app, ["policy", "lint", code, "--diff"])
    expected = GOLDEN / code / "expected.txt"
    if "TIDEGATE_GOLDEN" in os.environ:
        expected.write_text(result.stdout)
    assert result.stdout == expected.read_text()
    assert f" {code} " in result.stdout
    assert f"{code}/" in result.stdout


def test_every_code_has_its_golden_files() -> None:
    """No code without an example, and none that is not listed."""
    assert {path.name for path in GOLDEN.iterdir()} == CODES.keys() - RAISED_ELSEWHERE


def test_a_signed_folder_is_linted_as_it_was(tmp_path: Path) -> None:
    """manifest.json is no policy: nothing is said of it, and --fix leaves it alone."""
    (tmp_path / "acme.json").write_text('{"id": "acme", "version": "1"}')
    (tmp_path / "manifest.json").write_text('{"files": {"acme.json": "sha256:0"}}')
    assert lint(tmp_path) == []
    assert mend(tmp_path) == {}


def test_the_shipped_policies_have_no_errors() -> None:
    """Warnings are their authors' business."""
    assert [one for one in lint(POLICIES) if one.severity == "error"] == []


@pytest.mark.parametrize(
    ("written", "mend"),
    [
        ('"a": {"flag": 50}', "write 0.5 for 50 %"),
        ('"a": {"flag": ".5"}', "write .5 without quotes"),
        ('"a": {"definition": 3}', 'write "3"'),
        ('"a": {"examples": ["x"]}', 'write it like {"violating": ["…"], "allowed": ["…"]}'),
        ('"Film Plots": {}', 'write "film-plots"'),
        ('"a": {"terms": []}', "move it there, or take it out"),
        ('"a": {"flag": 0.5,}', "take out the comma before it"),
        ('// "a": {}', "take it out: JSON has no comments; `description` is for people"),
        ("'a': {}", "write \" for '"),
    ],
)
def test_a_common_slip_is_told_its_mend(written: str, mend: str, tmp_path: Path) -> None:
    """What authors who know YAML, JavaScript or per cent write first."""
    (tmp_path / "p.json").write_text('{"id": "p", "version": "1", "categories": {' + written + "}}")
    assert [one.mend for one in lint(tmp_path)] == [mend]


def test_a_byte_order_mark_is_no_part_of_a_policy_or_a_list(tmp_path: Path) -> None:
    """Some editors write one; the first entry of a list was never found with it, and nothing said so."""
    terms = [{"list": "words.txt", "category": "a", "action": "flag"}]
    tree = {"id": "p", "version": "1", "categories": {"a": {}}, "terms": terms}
    (tmp_path / "words.txt").write_bytes(b"\xef\xbb\xbffree coins\n")
    raw = b"\xef\xbb\xbf" + json.dumps(tree).encode()
    (tmp_path / "p.json").write_bytes(raw)
    assert lint(tmp_path) == []
    policy = compile_policy(resolve(read_policy(raw, "p.json"), {}), tmp_path, PathsOnly())
    assert policy.match(TextSource("parts/0", "free coins", (PartType.TEXT,)))


PAGE = (POLICIES.parent / "docs" / "policies.md").read_text("utf-8")
SHOWN = [block for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if '"version"' in block]


@pytest.mark.parametrize("shown", SHOWN, ids=range(len(SHOWN)))
def test_what_the_page_shows_can_be_copied(shown: str, tmp_path: Path) -> None:
    """A policy author has nothing but the page."""
    (tmp_path / "default.json").write_bytes((POLICIES / "default.json").read_bytes())
    (tmp_path / "acme.json").write_text('{"id": "acme", "version": "1", "extends": "default"}')
    for path in re.findall(r'"list": "([^"]+)"', shown):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("0123456789abcdef\n")
    (tmp_path / f"{json.loads(shown)['id']}.json").write_text(shown)
    assert [one.message for one in lint(tmp_path) if one.severity == "error"] == []


@pytest.mark.parametrize(
    "broken",
    [
        "[]",
        "",
        "null",
        '{"id": "p", "version": "1", "extends": "p"}',
        '{"id": "p", "version": "1", "categories": {"a": {"flag": "x"}}}',
        '{"id": "p", "version": "1", "categories": ' + '{"a": {"children": ' * 40 + "{}" + "}}" * 40 + "}",
        '{"id": "p", "version": "\\ud800"}',
        '{"id": "p", "version": 1e400}',
        '{"id": "p", "version": "1", "terms": [{"words": [" "], "category": "a", "action": "flag"}]}',
        '{"id": "p", "version": "1", "images": [{"list": "../x", "category": "a", "action": "flag"}]}',
        '{"id": "p", "version": "1", "when": [{"if": "1 +", "set": {}}]}',
    ],
)
def test_what_a_reload_refuses_lint_reports(broken: str, tmp_path: Path) -> None:
    """One file, refused: at least one error, with that file's name."""
    (tmp_path / "p.json").write_text(broken)
    found = [one for one in lint(tmp_path) if one.severity == "error"]
    assert found
    assert {one.file for one in found} == {"p.json"}


def compiled(tree: dict[str, Any]) -> CompiledPolicy:
    made = read_policy(json.dumps(tree).encode(), "p.json")
    return compile_policy(resolve(made, {}), POLICIES, PathsOnly())


@LAW
@given(documents("p", EXACT), st.data())
def test_a_fix_changes_no_decision(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any], data: st.DataObject
) -> None:
    """What --fix takes out is missed by no event: the verdicts before and after are the same."""
    folder = tmp_path_factory.mktemp("fix")
    (folder / "p.json").write_text(json.dumps(tree, indent=2))
    mended = mend(folder)
    after = compiled(json.loads(mended["p.json"])) if mended else None
    assert all(one.edit is None for one in lint(folder, None, mended))
    if after is None:
        return
    before = compiled(tree)
    assert after.categories == before.categories
    events = []
    for audience in (None, "kids", "x"):
        for level in (None, 2, 5):
            context = {"audience": audience, "attributes": {} if level is None else {"level": level}}
            found = Findings(context, frozenset({"text", "audio"}), scores=empty_scores(len(before.categories)))
            assert found.scores is not None
            for part in PART_TYPES:
                for column in range(len(before.categories)):
                    found.scores[part, column] = data.draw(st.sampled_from((0.1, *GRID)))
            events.append(found)
    assert [v.action for v in before.decide(events)] == [v.action for v in after.decide(events)]


def test_a_fix_keeps_the_layout(tmp_path: Path) -> None:
    """Only what is taken out is missing; blanks, order and line ends stay as the author has them."""
    text = (
        '{"id":"p",\r\n  "version" : "1",\r\n  "categories":{"a":{"definition":"x","flag":0.5,\r\n '
        '"children":{"b":{"definition":"y" , "flag":0.5, "block":0.9}}}}}\r\n'
    )
    (tmp_path / "p.json").write_bytes(text.encode())
    assert mend(tmp_path)["p.json"].encode() == text.replace('"flag":0.5, "block"', '"block"').encode()


def test_what_an_heir_needs_is_not_redundant(tmp_path: Path) -> None:
    """A field equal to its parent's stays when a policy that extends this one changes the parent's."""
    base = {
        "id": "base",
        "version": "1",
        "categories": {"a": {"definition": "x", "flag": 0.5, "children": {"b": {"definition": "y", "flag": 0.5}}}},
    }
    (tmp_path / "base.json").write_text(json.dumps(base))
    assert [one.code for one in lint(tmp_path)] == ["TG204"]
    heir = {"id": "heir", "version": "1", "extends": "base", "categories": {"a": {"flag": 0.6}}}
    (tmp_path / "heir.json").write_text(json.dumps(heir))
    assert lint(tmp_path) == []
