"""`tidegate policy backtest|diff|tune|candidate`: what is printed, drawn and written, and the exit codes."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from ops.bench.backtest import events, write_folder
from worker.cli import app
from worker.core.clock import FakeClock
from worker.core.decisions import Action
from worker.core.errors import ConfigError, TidegateError
from worker.core.schema_decision import DecisionDocument
from worker.deliver.candidate import Tried
from worker.deliver.decision import DecisionWriter
from worker.policy.tools.loading import open_folder
from worker.store.settings import StoreSettings
from worker.store.writing import Remark, StoreWriter

MANY = 300
CANDIDATE = {"policy": "candidate", "share": 0.5, "until": "2020-01-01T00:00:00Z"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with policies, a log in which every other decision has a candidate's outcome, and labels for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    folder = tmp_path / "policies"
    folder.mkdir()
    write_folder(folder)
    (folder / "tenants.json").write_text(json.dumps({"*": "live", "acme": {"policy": "live", "candidate": CANDIDATE}}))
    live, candidate = (open_folder(folder).compiled(name) for name in ("live", "candidate"))
    judged = events(live, MANY)
    found = [findings for _, findings, _ in judged]
    verdicts, theirs = live.decide(found), candidate.decide(found)
    tried = {n: Tried(candidate, found[n], theirs[n]) for n in range(0, MANY, 2)}
    written = [one.outgoing.value or b"" for one in DecisionWriter(FakeClock()).write(live, judged, verdicts, tried)]
    for line in written[:10]:
        DecisionDocument.model_validate_json(line)
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(written))
    labels = (
        {"event_id": event.id, "labels": {"hate": int((findings.scores[0, 0] + n % 5 / 50) > 0.08), "sexual": 0}}
        for n, (event, findings, _) in enumerate(judged)
        if findings.scores is not None
    )
    (tmp_path / "labels.jsonl").write_bytes(b"\n".join(map(orjson.dumps, labels)))
    return tmp_path


def policy(*words: str) -> Result:
    return CliRunner().invoke(app, ["policy", *words])


def told(*words: str) -> dict[str, Any]:
    """What --json prints."""
    document: dict[str, Any] = json.loads(policy(*words, "--json").stdout)
    return document


def test_a_backtest_is_printed_drawn_and_told(place: Path) -> None:
    """A table of what changes with intervals, a picture by its name's ending, one document."""
    shown = policy("backtest", "--log", "log.jsonl", "--policy", "candidate", "--picture", "changes.svg")
    assert shown.exit_code == 0, shown.output
    assert f"{MANY} decisions" in shown.output
    assert re.search(r"allow → flag +\d+ +\d+\.\d % \([\d.]+–[\d.]+\) +event-", shown.output)
    assert (place / "changes.svg").read_text().startswith("<?xml")
    report = told("backtest", "--log", "log.jsonl", "--policy", "candidate", "--picture", "changes.png")
    assert report["answered"] == report["decisions"] == MANY
    assert (place / "changes.png").read_bytes()[:4] == b"\x89PNG"


def test_what_has_no_answer_is_printed(place: Path) -> None:
    """Counted and named; --fail-over is not content with it."""
    new = {"id": "new", "version": "1", "extends": "live", "categories": {"new": {"definition": "new", "flag": 0.5}}}
    (place / "policies" / "new.json").write_text(json.dumps(new))
    words = ("backtest", "--log", "log.jsonl", "--policy", "new")
    shown = policy(*words)
    assert "category new was never scored so" in shown.output
    assert shown.exit_code == 0
    assert policy(*words, "--fail-over", "1").exit_code == 1
    assert policy("backtest", "--log", "log.jsonl", "--policy", "live", "--fail-over", "0").exit_code == 0


def test_unusable_arguments_are_said(place: Path) -> None:
    """Exit code 2 from the command itself; here, the error that leads to it."""
    for words in (
        ("--log", "none.jsonl"),
        ("--log", "log.jsonl", "--policies", "none"),
        ("--log", "log.jsonl", "--policy", "x"),
    ):
        assert isinstance(policy("backtest", *words).exception, TidegateError), words
    for verb in ("backtest", "tune"):
        drawn = policy(verb, "--log", "none.jsonl", "--policy", "live", "--picture", "changes.bmp")
        assert drawn.exit_code == 2
        assert ".svg or a .png" in drawn.output
    assert policy("backtest").exit_code == 2
    assert policy("backtest", "--log", "log.jsonl", "--fail-over", "5").exit_code == 2  # a share, not per cent


def test_a_diff_shows_the_tree_and_what_it_changes(place: Path) -> None:
    """By id or by file; 0 when nothing differs, 1 when something does."""
    shown = policy("diff", "live", "candidate", "--log", "log.jsonl")
    assert shown.exit_code == 1
    assert re.search(r"~ flag on image: [\d.]+ → 0\.8\b", shown.output)
    assert "+ context.audience == 'kids'" in shown.output
    assert "allow → flag" in shown.output
    assert policy("diff", "policies/live.json", "live").exit_code == 0
    assert "say the same" in policy("diff", "policies/live.json", "live").output
    report = told("diff", "policies/live.json", "policies/candidate.json", "--log", "log.jsonl")
    assert {one["group"] for one in report["differences"]} == {"categories", "when"}
    backtest = told("backtest", "--log", "log.jsonl", "--policy", "candidate")
    assert backtest == {"tried": backtest["tried"]} | report["behaviour"]
    for name in ("none", "tenants"):
        assert isinstance(policy("diff", f"policies/{name}.json", "live").exception, ConfigError)


@pytest.mark.parametrize(
    ("more", "says"),
    [(("--tenant", "nobody"), "no decision is of tenant 'nobody'"), ((), "there is no decision in it")],
)
def test_a_log_without_decisions_is_an_error(place: Path, more: tuple[str, ...], says: str) -> None:
    """Events in place of decisions, or a tenant misspelt: a report of noughts would look like good news."""
    log = "log.jsonl" if more else "labels.jsonl"
    for verb in (("backtest", "--policy", "candidate"), ("diff", "live", "candidate")):
        error = policy(*verb, "--log", log, *more).exception
        assert isinstance(error, ConfigError)
        assert str(error).startswith(f"{log}: {says}")


def test_tune_names_the_categories_when_one_is_misspelt(place: Path) -> None:
    """Rather than nothing at all."""
    error = policy("tune", "--labels", "labels.jsonl", "--log", "log.jsonl", "--policy", "live", "--category", "hat")
    assert isinstance(error.exception, ConfigError)
    assert str(error.exception) == "--category hat: the policy or the labels lack it: name one of hate, sexual"


def test_a_tuning_proposes_a_patch_that_a_child_may_hold(place: Path) -> None:
    """Points for what has labels enough, a reason for what has not, and a policy made of the patch loads."""
    words = ("tune", "--labels", "labels.jsonl", "--log", "log.jsonl", "--policy", "live", "--traffic", "log.jsonl")
    shown = policy(*words, "--patch", "patch.json", "--picture", "curves.png")
    assert shown.exit_code == 0, shown.output
    assert "balanced" in shown.output
    assert "sexual: refused: only 0 labelled as violating" in shown.output
    assert (place / "curves.png").read_bytes()[:4] == b"\x89PNG"
    patch = json.loads((place / "patch.json").read_text())
    child = patch | {"id": "tuned", "version": "1", "extends": "live"}
    (place / "policies" / "tuned.json").write_text(json.dumps(child))
    nowhere = policy(*words, "--patch", "none/patch.json").exception
    assert str(nowhere) == "none/patch.json: cannot be written: No such file or directory"
    report = told(*words)
    (hate,) = (one for one in report["nodes"] if one["category"] == "hate")
    assert patch["categories"]["hate"]["flag"] == hate["points"]["balanced"]["threshold"]
    flags = told("backtest", "--log", "log.jsonl", "--policy", "tuned")
    assert flags["answered"] == MANY
    assert hate["points"]["high_recall"]["a_day"] >= hate["points"]["balanced"]["a_day"] > 0


def test_a_tuning_without_labels_enough_fails(place: Path) -> None:
    """Exit code 1, and no patch to be trusted."""
    (place / "few.jsonl").write_text('{"event_id": "event-0000001", "labels": {"hate": 1}}')
    words = ("tune", "--labels", "few.jsonl", "--log", "log.jsonl", "--policy", "live", "--patch", "patch.json")
    shown = policy(*words)
    assert shown.exit_code == 1
    assert "only 1 labelled as violating" in shown.output
    assert not (place / "patch.json").exists()
    (place / "none.jsonl").write_text('{"event_id": "elsewhere", "labels": {"hate": 1}}')
    found = policy("tune", "--labels", "none.jsonl", "--log", "log.jsonl", "--policy", "live").exception
    assert isinstance(found, ConfigError)


def test_reviews_tune_as_the_labels_they_stand_for(place: Path) -> None:
    """The same curves as of a file of labels that says the same; what people disagree on or leave open is left out."""
    decided = [json.loads(line) for line in (place / "log.jsonl").read_text().splitlines()]
    said, same = list[Remark](), list[bytes]()

    def review(one: dict[str, Any], reviewer: str, action: str, category: str | None = None) -> None:
        verdict = {"decision": one["id"], "tenant": one["tenant"], "time": one["time"], "action": action}
        verdict |= {"reviewer": reviewer, "category": category}
        at = f"moderation.reviews:0:{len(said)}"
        said.append(Remark("review", at, one["id"], one["tenant"], 1_800_000_000_000, orjson.dumps(verdict)))

    for number, one in enumerate(decided[:210]):
        hateful = one["scores"]["hate"] > 0.03
        labels = {"hate": 1} if hateful else dict.fromkeys(one["scores"], 0)
        review(one, "r-1", "flag" if hateful else "allow", "hate" if hateful else None)
        if number >= 200:
            labels = dict.fromkeys(one["scores"], 0)
            del labels["hate"]
            review(one, "r-2", "allow" if hateful else "block", None if hateful else "hate")
        same.append(orjson.dumps({"event_id": one["event_id"], "labels": labels}))
    store = StoreWriter(place / "kept", StoreSettings(path=place / "kept"), FakeClock())
    store.append([orjson.dumps(one) for one in decided], None, said)
    store.close()
    (place / "same.jsonl").write_bytes(b"\n".join(same))
    by_reviews = told("tune", "--reviews", "kept", "--policy", "live")
    by_labels = told("tune", "--labels", "same.jsonl", "--log", "log.jsonl", "--policy", "live")
    assert by_reviews["nodes"] == by_labels["nodes"]
    assert by_reviews["nodes"][0]["curve"]
    assert by_reviews["patch"] == by_labels["patch"] != {}
    assert by_reviews["reviews"]["left_out"] == {"reviewers differ, as many on one side as on the other": 10}
    assert "recall is flattered" in policy("tune", "--reviews", "kept", "--policy", "live").output
    assert policy("tune", "--reviews", "kept", "--labels", "same.jsonl", "--policy", "live").exit_code == 2
    error = policy("tune", "--reviews", "kept", "--policy", "live", "--tenant", "nobody").exception
    assert "holds no review" in str(error)


def test_candidates_are_summed_up(place: Path) -> None:
    """Who agrees, who alone acts, by node, and that it has ended; the counts are those of the log."""
    shown = policy("candidate", "--log", "log.jsonl")
    assert shown.exit_code == 0, shown.output
    assert f"candidate candidate 1: {MANY // 2} decisions" in shown.output
    assert "ended 2020-01-01" in shown.output
    said = [json.loads(line) for line in (place / "log.jsonl").read_text().splitlines()]
    pairs = [(one["action"], one["candidate"]["action"]) for one in said if one["candidate"]]
    (report,) = told("candidate", "--log", "log.jsonl")["summaries"]
    assert report["agree"]["count"] == sum(live == tried for live, tried in pairs)
    assert report["acts"]["only candidate"]["count"] == sum(live == "allow" != tried for live, tried in pairs)
    stricter = sum(Action.parse(tried) > Action.parse(live) for live, tried in pairs)
    assert report["stricter"]["count"] == stricter > 0
    assert {one["category"] for one in report["nodes"]} >= {"sexual"}


def test_a_log_without_candidates_fails(place: Path) -> None:
    """Exit code 1, in words; another tenant's are not this one's."""
    assert policy("candidate", "--log", "log.jsonl", "--tenant", "other").exit_code == 1
    raw = (place / "log.jsonl").read_bytes().split(b"\n")
    (place / "plain.jsonl").write_bytes(b"\n".join(itertools.islice(raw, 1, None, 2)))
    shown = policy("candidate", "--log", "plain.jsonl")
    assert shown.exit_code == 1
    assert "no decision in the log has a candidate's outcome" in shown.output
