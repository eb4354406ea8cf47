"""`tidegate eval` from files to answers: tables, report, page, comparison and exit codes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from worker.cli import app
from worker.core.errors import ConfigError

ROWS = [
    ("free coins here", 1),
    ("get your free coins", 1),
    ("coins are round", 0),
    ("nobody gives free coins", 0),
]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    rows = [{"parts": [{"type": "text", "text": text}], "labels": {"scam": told, "any": told}} for text, told in ROWS]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Settings without models."""
    path = tmp_path / "lists.toml"
    path.write_text('[models]\nprofile = "words"\n')
    return path


def test_rows_become_figures_a_report_and_a_page(labelled: Path, policies: Path, lists: Path, tmp_path: Path) -> None:
    """Both harmful rows are caught and one of two harmless ones is flagged; spelt apart the list finds none of them."""
    report, html = tmp_path / "report.json", tmp_path / "report.html"
    words = ["eval", labelled, "--policies", policies, "--tenant", "acme", "-c", lists]
    done = CliRunner().invoke(
        app, [str(w) for w in [*words, "--attacks", "dropped_letters", "--json", report, "--html", html]]
    )
    assert done.exit_code == 0, done.output
    assert "attacks hide" in done.output
    found = orjson.loads(report.read_bytes())
    at_policy = found["categories"]["scam"]["points"]["policy"]
    assert at_policy["recall"]["share"] == 1
    assert at_policy["false_positive_rate"]["share"] == 0.5
    assert found["attacks"]["dropped_letters"]["success"]["of"] == 2
    assert html.read_text("utf-8").startswith("<!doctype html>")


def test_two_reports_are_compared_and_a_loss_fails(labelled: Path, policies: Path, lists: Path, tmp_path: Path) -> None:
    """0 when nothing got worse, 1 when something did, and the figure is named."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    words = ["eval", labelled, "--policies", policies, "--tenant", "acme", "-c", lists, "--json"]
    assert CliRunner().invoke(app, [str(w) for w in [*words, old]]).exit_code == 0
    found = orjson.loads(old.read_bytes())
    found["categories"]["scam"]["points"]["policy"]["recall"]["share"] = 0.5
    new.write_bytes(orjson.dumps(found))
    same = CliRunner().invoke(app, ["eval", "--compare", str(old), str(old)])
    assert same.exit_code == 0, same.output
    worse = CliRunner().invoke(app, ["eval", "--compare", str(old), str(new)])
    assert worse.exit_code == 1
    assert "scam: recall at policy" in worse.output
    assert CliRunner().invoke(app, ["eval", "--compare", str(new), str(old)]).exit_code == 0


def test_what_cannot_be_measured_is_refused(labelled: Path, policies: Path, lists: Path, tmp_path: Path) -> None:
    """Before anything runs: a missing file, an unknown attack, a tenant without a policy, neither files nor reports."""
    base = ["--policies", str(policies), "-c", str(lists)]
    assert CliRunner().invoke(app, ["eval"]).exit_code == 2
    for words, why in [
        ([str(tmp_path / "none.jsonl")], "none.jsonl: cannot be read"),
        ([str(labelled), "--attacks", "magic"], "no attack 'magic'"),
        ([str(labelled), "--tenant", "nobody"], "tenant 'nobody' has no policy"),
        (["--compare", str(labelled), str(labelled)], "rows.jsonl: no JSON"),
    ]:
        done = CliRunner().invoke(app, ["eval", *words, *([] if words[0] == "--compare" else base)])
        assert isinstance(done.exception, ConfigError), done.output
        assert why in str(done.exception)
