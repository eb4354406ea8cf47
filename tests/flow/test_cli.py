"""The command line, verb by verb: what is printed, what it exits with, and what it says when something is wrong."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from typer.testing import CliRunner, Result

from tests.flow.conftest import SHIPPED, event
from tests.logging_back import log_put_back
from worker import __version__
from worker.app import Worker, load_models, make_transport, running
from worker.cli import app
from worker.core.clock import SystemClock
from worker.core.errors import ConfigError, TidegateError
from worker.core.runbook import ALERTS, CHECKS, CODES
from worker.core.schema_decision import decision_schema
from worker.settings import load

VERBS = ["demo", "run", "call", "moderate", "eval", "send", "watch", "serve", "explain", "doctor", "schemas"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def bare_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no file of the machine's own, and a terminal of 80 columns."""
    for name in [n for n in os.environ if n.startswith("TIDEGATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def config(policies: Path, tmp_path: Path) -> Path:
    """Settings of lists alone over a SQLite file."""
    path = tmp_path / "lists.toml"
    path.write_text(
        f'transport = "sqlite"\npolicies = "{policies}"\n[sqlite]\npath = "{tmp_path / "queue.db"}"\n'
        '[models]\nprofile = "words"\n[http]\nport = 0\n'
    )
    return path


def tidegate(*words: object, stdin: bytes | None = None) -> Result:
    """Run a verb in this process."""
    with log_put_back():
        return CliRunner().invoke(app, [str(word) for word in words], input=stdin)


def lines_of(result: Result) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in result.stdout_bytes.splitlines()]


EVENTS = b"\n".join(
    [
        event("1", "hello"),
        b"{broken",
        event("2", "get free coins"),
        b"",
        event("3", "I will hurt you"),
        event("4", "hello", tenant="stranger"),
    ]
)


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_moderate_answers_each_line_in_order(config: Path, tmp_path: Path, source: str) -> None:
    """A decision.v1 a line, and an error where a line is no event; a blank line is no line."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(EVENTS)
    given = ("-", EVENTS) if source == "stdin" else (path, None)
    result = tidegate("moderate", "--events", given[0], "--json", "-c", config, stdin=given[1])
    assert result.exit_code == 0, result.output
    answers = lines_of(result)
    assert [answer.get("event_id") for answer in answers] == ["1", None, "2", "3", None]
    assert [answer.get("action") for answer in answers] == ["allow", None, "flag", "block", None]
    assert [answer["error"]["code"] for answer in answers if "error" in answer] == ["not_json", "unknown_tenant"]
    assert [answer["line"] for answer in answers if "error" in answer] == [2, 6]
    for answer in answers:
        if "error" not in answer:
            jsonschema.validate(answer, decision_schema(), jsonschema.Draft202012Validator)


@pytest.mark.models
def test_moderate_judges_texts_and_files_with_the_real_models_for_everyone() -> None:
    """The default tenant needs no policy of its own; its decisions are decision.v1 too."""
    files = ROOT / "worker" / "cli" / "demo_events"
    result = tidegate(
        *("moderate", "have a nice day", "I will find you and I will kill you tonight"),
        *("--file", files / "threat.png", "--file", files / "coffee.jpg", "--policies", SHIPPED, "--json"),
    )
    assert result.exit_code == 0, result.output
    decisions = lines_of(result)
    assert [d["event_id"] for d in decisions] == ["text-1", "text-2", "threat.png", "coffee.jpg"]
    assert [d["action"] != "allow" for d in decisions] == [False, True, True, False]
    for decision in decisions:
        jsonschema.validate(decision, decision_schema(), jsonschema.Draft202012Validator)
        assert (decision["tenant"], decision["policy"]["id"]) == ("demo", "default")
        assert 0 < len(decision["scores"]) <= 13


@pytest.mark.parametrize(
    ("text", "fail_on", "code"),
    [
        ("hello", "flag", 0),
        ("free coins", "flag", 1),
        ("free coins", "block", 0),
        ("I will hurt you", "block", 1),
        ("I will hurt you", "flag", 1),
    ],
)
def test_fail_on_sets_the_exit_code(config: Path, text: str, fail_on: str, code: int) -> None:
    """As strict as asked, or stricter: 1."""
    assert tidegate("moderate", text, "--tenant", "acme", "--fail-on", fail_on, "-c", config).exit_code == code


def test_moderate_shows_a_table_with_the_reason(config: Path) -> None:
    """Without --json a person reads it; the text itself is not shown."""
    result = tidegate("moderate", "I will hurt you", "--tenant", "acme", "-c", config)
    assert "block" in result.stdout
    assert "threat" in result.stdout
    assert "hurt" not in result.stdout


@pytest.mark.parametrize(
    ("words", "toml", "sentence"),
    [
        (["run"], "transprt = 'x'", "bad.toml: transprt: there is no such setting: did you mean transport?"),
        (["run"], "[flow]\nevents = 0", "bad.toml: flow.events: must be greater than or equal to 1"),
        (["run"], "x = = 1", "bad.toml is not TOML: Invalid value (at line 1, column 5)"),
        (["moderate", "hi"], "[models]\nprofile = 'huge'", "models.profile: must be 'embedded', 'words' or 'guard'"),
        (["moderate", "hi"], "policies = 'nowhere'", "there is no folder of policies at nowhere: name it with"),
        (["run"], "policies = 'nowhere'", "there is no folder of policies at nowhere: name it with --policies"),
        (["run", "--transport", "rabbit"], "", "transport: must be 'kafka' or 'sqlite'"),
        (["moderate", "--file", "x.exe"], "policies = '.'", "x.exe: no kind of file this reads: use one of .flac"),
        (["moderate", "--events", "gone.jsonl"], "policies = '.'", "gone.jsonl: no such file: give one that is there"),
        (["send", "gone.png"], "transport = 'sqlite'", "gone.png: no such file or folder: give a file, a folder or -"),
    ],
)
def test_what_cannot_work_ends_with_one_clear_sentence(
    words: list[str], toml: str, sentence: str, policies: Path, tmp_path: Path
) -> None:
    """A TidegateError, which `main` prints in a line and turns into exit code 2: it names the place and the remedy."""
    bad = tmp_path / "bad.toml"
    bad.write_text(toml.replace("'.'", f"'{policies}'"))
    result = tidegate(*words, "-c", "bad.toml")
    assert isinstance(result.exception, TidegateError), result.output
    assert sentence in str(result.exception)
    assert "\n" not in str(result.exception)


def test_the_command_prints_the_sentence_and_no_traceback(tmp_path: Path) -> None:
    """In a process of its own: exit code 2, one line on standard error, nothing on standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "worker", "run", "-c", "gone.toml"],
        capture_output=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().splitlines() == ["tidegate: no such settings file: gone.toml: name one with -c"]


@pytest.mark.parametrize("words", [["moderate"], ["moderate", "hi", "--fail-on", "allow"], ["send"], ["no-such-verb"]])
def test_unusable_arguments_exit_with_2_and_say_why(words: list[str]) -> None:
    """Typer's own refusal, or ours in the same frame."""
    result = tidegate(*words)
    assert result.exit_code == 2
    assert "Error" in result.output


def test_send_then_watch_over_a_worker(config: Path, tmp_path: Path) -> None:
    """Lines and files go in, the worker decides, `watch` prints as many decisions as it was asked for."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(event("1", "hello") + b"\n" + event("2", "free coins") + b"\n")
    (folder / "b.txt").write_text("I will hurt you")
    sent = tidegate("send", folder, "--tenant", "acme", "-c", config)
    assert (sent.exit_code, sent.stdout.strip()) == (0, "sent 3 events to moderation.events")
    asyncio.run(decide_all(config, 3))
    watched = tidegate("watch", "--json", "--from-beginning", "--limit", 3, "-c", config)
    assert watched.exit_code == 0, watched.output
    assert {d["event_id"]: d["action"] for d in lines_of(watched)} == {"1": "allow", "2": "flag", "b.txt": "block"}
    shown = tidegate("watch", "--from-beginning", "--limit", 3, "-c", config).stdout
    assert [word in shown for word in ("acme/1", "acme/2", "acme/b.txt", "free coins")] == [True, True, True, False]


async def decide_all(config: Path, count: int) -> None:
    """Run a worker over the file until it has decided `count` events."""
    settings = load(config)
    worker = Worker(settings, make_transport(settings, SystemClock()), load_models(settings.models.model_dump()))
    async with asyncio.timeout(20), running(worker):
        read = worker.metrics.registry.get_sample_value
        while read("tidegate_records_total") != count or worker.flow.credits.held[0]:
            worker.flow.settled.clear()
            await worker.flow.settled.wait()


def test_schemas_check_tells_agreement_from_drift(tmp_path: Path) -> None:
    """Those in the repository agree; a changed one is named, with the remedy."""
    assert tidegate("schemas", ROOT / "schemas", "--check").exit_code == 0
    assert tidegate("schemas", tmp_path / "made").exit_code == 0
    (tmp_path / "made" / "event.v1.json").write_text("{}")
    drifted = tidegate("schemas", tmp_path / "made", "--check")
    assert drifted.exit_code == 1
    assert "event.v1.json: run `make schemas`" in drifted.output


def test_doctor_finds_nothing_wrong_where_all_is_well(config: Path) -> None:
    """Exit code 0 and a line for each check."""
    result = tidegate("doctor", "--skip-models", "--json", "-c", config)
    assert result.exit_code == 0, result.output
    findings = {finding["check"]: finding for finding in orjson.loads(result.stdout)}
    assert list(findings) == [name for name in CHECKS if name != "models"]
    assert all(finding["ok"] for finding in findings.values())
    assert "words" in findings["policies"]["detail"]


def test_doctor_names_what_is_wrong(config: Path, policies: Path) -> None:
    """A policy that does not load and settings that cannot work: exit code 1, the place and the remedy."""
    (policies / "words.json").write_text('{"id": "words",\n "version": 2,,}')
    result = tidegate("doctor", "--skip-models", "-c", config)
    assert result.exit_code == 1
    assert re.search(r"fail\s+policies\s.*words\.json:2", result.output, re.DOTALL)
    config.write_text("transprt = 'sqlite'")
    result = tidegate("doctor", "--skip-models", "-c", config)
    assert result.exit_code == 1
    assert "did you mean transport?" in result.output.replace("\n", " ")


def test_doctor_prints_the_runbooks_words(config: Path, policies: Path) -> None:
    """The remedy of a check that failed, and any line of the runbook when asked."""
    (policies / "words.json").write_text('{"id": "words",\n "version": 2,,}')
    result = tidegate("doctor", "--skip-models", "--json", "-c", config)
    findings = {finding["check"]: finding for finding in orjson.loads(result.stdout)}
    assert findings["policies"]["do"] == CHECKS["policies"].do
    assert findings["queue"]["do"] is None
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for name, line in (*CHECKS.items(), *ALERTS.items(), *CODES.items()):
        assert f"| `{name}` | {line.means} | {line.do} |" in page
    for name, line in (("queue", CHECKS["queue"]), ("TidegateLag", ALERTS["TidegateLag"]), ("late", CODES["late"])):
        assert line.means in (said := tidegate("doctor", "--explain", name).stdout)
        assert line.do in said
    assert isinstance(tidegate("doctor", "--explain", "nothing").exception, ConfigError)


def test_the_version_is_printed() -> None:
    """The package's own."""
    assert tidegate("--version").stdout == f"tidegate {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_examples_one_a_line(verb: str) -> None:
    """On 80 columns, whole, so that they can be copied."""
    result = tidegate(verb, "--help")
    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    at = lines.index("Examples:")
    examples = lines[at + 1 : lines.index("", at)]
    assert len(examples) >= 2
    assert all(re.match(rf"(\w+ [^|]+ \| )?tidegate {verb}\b", example) for example in examples)


def test_every_verb_is_listed() -> None:
    """And the list here is whole."""
    named = {command.name for command in app.registered_commands}
    assert named == set(VERBS)
    listed = tidegate("--help").stdout
    assert all(f" {verb} " in listed for verb in VERBS)


def test_the_demo_removes_nothing_but_its_own(tmp_path: Path) -> None:
    """`--out` may be a folder with other things in it."""
    (tmp_path / "mine.txt").write_text("keep me")
    result = tidegate("demo", "--out", tmp_path, "--policies", "nowhere")
    assert isinstance(result.exception, ConfigError)
    assert (tmp_path / "mine.txt").read_text() == "keep me"
