"""The verbs of `tidegate policy` that check and explain: what they print, write and exit with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import orjson
import pytest

from tests.flow.conftest import POLICY, SHIPPED, event
from tests.flow.test_cli import bare_surroundings, config, tidegate
from worker.core.errors import ConfigError, PolicyRejected

__all__ = ["bare_surroundings", "config"]  # fixtures: no variable of the machine's own; settings of lists alone

VERBS = [
    "lint", "test", "explain", "diff", "prove", "backtest", "tune", "candidate", "sign", "hash", "schema",
]  # fmt: skip
CASES = [
    {"name": "coins", "text": "get free coins", "expect": "flag", "category": "scam"},
    {"name": "hello", "text": "hello", "expect": "allow", "category": "threat"},
]


@pytest.fixture
def cases(policies: Path) -> Path:
    (policies / "words.json").write_bytes(orjson.dumps(POLICY | {"tests": CASES}))
    return policies


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_examples_one_a_line(verb: str) -> None:
    """On 80 columns, whole, so that they can be copied."""
    result = tidegate("policy", verb, "--help")
    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    at = lines.index("Examples:")
    examples = lines[at + 1 : lines.index("", at)]
    assert len(examples) >= 2
    assert all(re.match(rf"(.+ \| )?tidegate (policy {verb}|moderate)\b", example) for example in examples)


def test_help_has_the_verbs_in_the_order_of_a_change() -> None:
    """A newcomer reads them from the top."""
    listed = re.findall(r"^│ (\w+) ", tidegate("policy", "--help").stdout, re.MULTILINE)
    assert listed == VERBS


def test_lint_exits_by_what_it_found(policies: Path) -> None:
    """0 with warnings, 1 with --strict on them or with errors; a JSON report has every place."""
    assert tidegate("policy", "lint", policies).exit_code == 0
    assert tidegate("policy", "lint", policies, "--strict").exit_code == 1
    (policies / "bad.json").write_text('{"id": "bad",\n "version": "1", "extends": "gone"}')
    result = tidegate("policy", "lint", policies / "bad.json", "--json")
    assert result.exit_code == 1
    report = orjson.loads(result.stdout)
    (found,) = report["findings"]
    assert (report["version"], report["errors"], report["warnings"]) == (1, 1, 0)
    assert (found["code"], found["line"], found["column"], found["end_column"]) == ("TG107", 2, 29, 35)
    assert found["file"] == str(policies / "bad.json")


def test_lint_fix_writes_what_diff_shows(policies: Path) -> None:
    """--diff writes nothing and exits 1; --fix writes that very edit, and then there is nothing left to do."""
    path = policies / "words.json"
    tree: dict[str, Any] = orjson.loads(path.read_bytes())
    tree["categories"]["scam"]["children"] = {"coins": {"definition": "x", "flag": 0.5}}
    path.write_text(before := json.dumps(tree, indent=2))
    shown = tidegate("policy", "lint", path, "--diff")
    assert shown.exit_code == 1
    assert '-          "flag": 0.5\n' in shown.stdout
    assert path.read_text() == before
    tidegate("policy", "lint", path, "--fix")
    assert orjson.loads(path.read_bytes())["categories"]["scam"]["children"] == {"coins": {"definition": "x"}}
    assert "TG204" not in tidegate("policy", "lint", path, "--diff").stdout


def test_lint_says_what_it_cannot_read() -> None:
    """A file that is no policy is refused in a sentence."""
    result = tidegate("policy", "lint", "nowhere")
    assert isinstance(result.exception, ConfigError)
    assert "no policy" in str(result.exception)


def test_test_judges_the_cases_and_counts_what_they_reach(cases: Path, config: Path, tmp_path: Path) -> None:
    """A table, the coverage, JUnit for CI; exit 0 while all hold."""
    result = tidegate("policy", "test", cases, "--cover", "--junit", tmp_path / "j.xml", "-c", config)
    assert result.exit_code == 0, result.output
    assert re.search(r"✓ coins\s+flag\s+flag\s+scam", result.stdout)
    assert "2 cases, 0 failed; they reach 2 of 4 actions" in result.stdout
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert [case.get("name") for case in suite.iter("testcase")] == ["coins", "hello"]
    assert suite.get("failures") == "0"


def test_test_fails_with_what_a_case_got(cases: Path, config: Path, tmp_path: Path) -> None:
    """Exit 1 and the case by name, never its text; --fail-under asks for coverage."""
    wrong = CASES[0] | {"expect": "block"}
    (cases / "words.json").write_bytes(orjson.dumps(POLICY | {"tests": [wrong, CASES[1]]}))
    result = tidegate("policy", "test", cases, "--junit", tmp_path / "j.xml", "-c", config)
    assert result.exit_code == 1
    assert "failed: coins: expects block in scam and got flag in scam" in result.stdout
    assert "free coins" not in result.stdout
    failure = ElementTree.parse(tmp_path / "j.xml").getroot().find(".//failure")
    assert failure is not None
    assert failure.get("message") == "expects block in scam and got flag in scam"
    (cases / "words.json").write_bytes(orjson.dumps(POLICY | {"tests": CASES}))
    assert tidegate("policy", "test", cases, "--fail-under", 40, "-c", config).exit_code == 0
    low = tidegate("policy", "test", cases, "--fail-under", 80, "--json", "-c", config)
    assert low.exit_code == 1
    (words,) = orjson.loads(low.stdout)["policies"]
    assert words["coverage"]["missing"] == [
        {"category": "scam", "action": "allow"},
        {"category": "threat", "action": "block"},
    ]


def test_explain_an_event_and_the_decision_on_it(config: Path, policies: Path, tmp_path: Path) -> None:
    """The same hit and the same way out, judged now and read from the log; the text is never shown."""
    (tmp_path / "events.jsonl").write_bytes(event("1", "hello") + b"\n" + event("2", "get free coins") + b"\n")
    decided = tidegate("moderate", "--events", "events.jsonl", "--json", "-c", config)
    (tmp_path / "log.jsonl").write_bytes(decided.stdout_bytes)
    now = tidegate("policy", "explain", "events.jsonl", "--id", "2", "--policies", policies, "-c", config)
    then = tidegate("policy", "explain", "log.jsonl", "--id", "2", "--policies", policies, "-c", config)
    for result in (now, then):
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("flag  ")
        assert "hit of terms[0] in scam (parts/0): flag" in result.stdout
        assert "and: no hit of terms[0] in scam" in result.stdout
        assert "coins" not in result.stdout
    shown = orjson.loads(
        tidegate(
            "policy", "explain", "-", "--policies", policies, "--json", "-c", config, stdin=event("3", "hello")
        ).stdout
    )
    assert (shown["version"], shown["action"], shown["hits"]) == (1, "allow", [])


def test_explain_says_when_today_is_another_policy(config: Path, policies: Path, tmp_path: Path) -> None:
    """A decision under an older version is explained by today's thresholds, and both facts are said."""
    (tmp_path / "events.jsonl").write_bytes(event("2", "get free coins"))
    (tmp_path / "log.jsonl").write_bytes(
        tidegate("moderate", "--events", "events.jsonl", "--json", "-c", config).stdout_bytes
    )
    tree = orjson.loads((policies / "words.json").read_bytes())
    tree["categories"]["scam"]["mode"] = "shadow"
    (policies / "words.json").write_bytes(orjson.dumps(tree | {"version": "2"}))
    result = tidegate("policy", "explain", "log.jsonl", "--policies", policies, "-c", config)
    assert "it was decided under another version (words 1)" in result.stdout
    assert "it was flag then; by its scores and hits this policy says allow" in result.stdout


def test_prove_exits_by_the_claims(policies: Path) -> None:
    """0 where all are true; 1 with a counterexample that names both policies' actions."""
    assert tidegate("policy", "prove", "default", "kids-game", "--policies", SHIPPED).exit_code == 0
    result = tidegate("policy", "prove", "default", "news-forum", "--policies", SHIPPED)
    assert result.exit_code == 1
    assert re.search(r"FALSE\s+news-forum blocks everything that default blocks\n\s+\S+ scored 0\.\d+", result.stdout)
    assert "default: block, news-forum: flag (asked and confirmed)" in result.stdout
    report = orjson.loads(tidegate("policy", "prove", "words", "--policies", policies, "--json").stdout)
    assert [proof["answer"] for proof in report["proofs"]] == ["true"]


def test_prove_two_versions_of_one_policy(policies: Path, tmp_path: Path) -> None:
    """Files with the same id go by their names."""
    tree = orjson.loads((policies / "words.json").read_bytes())
    tree["terms"][0]["action"] = "block"
    (tmp_path / "drafts").mkdir()
    (tmp_path / "drafts" / "words.json").write_bytes(orjson.dumps(tree))
    result = tidegate("policy", "prove", "drafts/words.json", policies / "words.json")
    assert result.exit_code == 1
    assert "drafts/words.json: block" in result.stdout


def test_an_unknown_policy_is_named_with_those_there(policies: Path) -> None:
    """For every verb that takes one."""
    result = tidegate("policy", "prove", "wrods", "--policies", policies)
    assert isinstance(result.exception, PolicyRejected)
    assert "no policy 'wrods'" in str(result.exception)
    result = tidegate("policy", "test", policies, "--policy", "wrods")
    assert "no policy 'wrods'" in str(result.exception)


def test_schema_is_one_that_the_shipped_policies_keep(tmp_path: Path) -> None:
    """Printed or written; an editor that uses it accepts what ships."""
    schema = orjson.loads(tidegate("policy", "schema").stdout)
    assert tidegate("policy", "schema", "--out", "s/policy.v1.json").exit_code == 0
    assert orjson.loads((tmp_path / "s" / "policy.v1.json").read_bytes()) == schema
    for name in ("default", "kids-game", "news-forum"):
        jsonschema.validate(orjson.loads((SHIPPED / f"{name}.json").read_bytes()), schema)
