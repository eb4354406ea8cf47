"""Backtest over whole logs: any file, any block size, any number of processes come to the same."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cramjam
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.bench.backtest import events, write_folder
from worker.core.clock import FakeClock
from worker.core.errors import ConfigError, PolicyRejected
from worker.deliver.decision import DecisionWriter
from worker.policy.tools.backtest import Trial, backtest
from worker.policy.tools.decisions_log import FileSlice, blocks, decision, lines
from worker.policy.tools.loading import PolicyFolder, open_folder
from worker.policy.tools.tally import Tally

MANY = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> PolicyFolder:
    """The policies of the bench."""
    path = tmp_path_factory.mktemp("policies")
    write_folder(path)
    return open_folder(path)


@pytest.fixture(scope="module")
def log(folder: PolicyFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decisions of the live policy, one a line."""
    live = folder.compiled("live")
    judged = events(live, MANY)
    verdicts = live.decide([found for _, found, _ in judged])
    written = [one.outgoing.value or b"" for one in DecisionWriter(FakeClock()).write(live, judged, verdicts)]
    path = tmp_path_factory.mktemp("log") / "decisions.jsonl"
    path.write_bytes(b"\n".join(written) + b"\n")
    return path


def told(trial: Trial, *logs: str, processes: int | None = None) -> dict[str, Any]:
    total = Tally()
    for tally, _ in backtest(trial, logs, processes):
        total.add(tally)
    return total.as_json()


def test_compressed_logs_and_standard_input_are_the_same_log(
    folder: PolicyFolder, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain, gzip, zstd and a pipe."""
    raw, trial = log.read_bytes(), Trial(folder, "candidate")
    (tmp_path / "log.gz").write_bytes(gzip.compress(raw))
    (tmp_path / "log.zst").write_bytes(bytes(cramjam.zstd.compress(raw)))
    plain = told(trial, str(log))
    assert plain["answered"] == MANY
    assert plain["changed"]["count"] > 0
    assert told(trial, str(tmp_path / "log.gz")) == plain
    assert told(trial, str(tmp_path / "log.zst")) == plain
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw)))
    assert told(trial, "-") == plain


def test_several_processes_come_to_the_same(folder: PolicyFolder, log: Path) -> None:
    """In the order of the log, so examples agree too."""
    trial = Trial(folder, "candidate")
    assert told(trial, str(log), str(log), processes=2) == told(trial, str(log), str(log), processes=1)


@given(st.lists(st.sampled_from([b"a", b"bb" * 9, b"", b" "]), max_size=30), st.integers(1, 40), st.booleans())
def test_every_line_is_in_one_block(
    tmp_path_factory: pytest.TempPathFactory, some: list[bytes], size: int, end: bool
) -> None:
    """Wherever the blocks of a file are cut."""
    path = tmp_path_factory.getbasetemp() / "cut.txt"
    path.write_bytes(b"\n".join(some) + (b"\n" if end else b""))
    found = [line for block, _ in blocks([str(path)], size) for line in lines(block)]
    assert found == [line for line in some if line.strip()]
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert [line for block, _ in blocks([str(packed)], size) for line in lines(block)] == found


def test_lines_that_are_no_decision_are_counted(folder: PolicyFolder, log: Path, tmp_path: Path) -> None:
    """A dead letter's JSON, half a line, another document."""
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_bytes(b'{"error": {}}\n[]\n' + log.read_bytes() + log.read_bytes()[:100])
    report = told(Trial(folder, "candidate"), str(mixed))
    assert (report["decisions"], report["not_decisions"]) == (MANY, 3)
    assert decision(b'"x"') is None


def test_each_tenant_is_tried_by_its_own_policy(folder: PolicyFolder, log: Path) -> None:
    """Without --policy; and another tenant's decisions can be left out."""
    assert told(Trial(folder), str(log))["changed"]["count"] == 0
    report = told(Trial(folder, "candidate", "nobody"), str(log))
    assert (report["decisions"], report["other_tenants"]) == (0, MANY)


def test_two_policies_are_compared_with_each_other(folder: PolicyFolder, log: Path) -> None:
    """With a base, what counts is what it would have decided, not what stands in the log."""
    to_candidate = told(Trial(folder, "candidate"), str(log))
    base = Trial(folder, "candidate")
    assert told(Trial(folder, "candidate", base=base), str(log))["changed"]["count"] == 0
    back = told(Trial(folder, "live", base=base), str(log))
    assert back["changed"]["count"] == to_candidate["changed"]["count"]
    turned = {(one["to"], one["from"]): one["count"] for one in back["actions"]}
    assert turned == {(one["from"], one["to"]): one["count"] for one in to_candidate["actions"]}


def test_the_counts_are_those_of_deciding_each(folder: PolicyFolder, log: Path) -> None:
    """Changes, examples and the load of a day, counted by hand."""
    live, candidate = folder.compiled("live"), folder.compiled("candidate")
    found = [findings for _, findings, _ in events(live, MANY)]
    pairs = list(zip(live.decide(found), candidate.decide(found), strict=True))
    report = told(Trial(folder, "candidate"), str(log))
    assert report["changed"]["count"] == sum(before.action != after.action for before, after in pairs)
    flags = sum(after.action.label == "flag" for _, after in pairs)
    assert (report["days"], report["a_day"]["after"]["flag"]) == (1, flags)
    first = next(
        n for n, (before, after) in enumerate(pairs) if (before.action.label, after.action.label) == ("allow", "flag")
    )
    change = next(one for one in report["actions"] if (one["from"], one["to"]) == ("allow", "flag"))
    assert change["examples"][0] == f"event-{first:07d}"


def test_unusable_files_are_named(folder: PolicyFolder, tmp_path: Path) -> None:
    """A log that is not there, a file that is no gzip, a policy that is not there."""
    with pytest.raises(ConfigError, match="nowhere"):
        told(Trial(folder, "candidate"), "nowhere.jsonl")
    (tmp_path / "x.gz").write_bytes(b"not gzip")
    with pytest.raises(ConfigError, match=r"x\.gz"):
        told(Trial(folder, "candidate"), str(tmp_path / "x.gz"))
    with pytest.raises(PolicyRejected, match="candidate, default, live"):
        told(Trial(folder, "gone"))


def test_a_slice_reads_the_lines_that_begin_in_it(tmp_path: Path) -> None:
    """Not the rest of the line before, and its own last line to the end."""
    path = tmp_path / "lines"
    path.write_bytes(b"one\ntwo\nthree\n")
    assert lines(FileSlice(str(path), 0, 1)) == [b"one"]
    assert lines(FileSlice(str(path), 1, 5)) == [b"two"]
    assert lines(FileSlice(str(path), 5, 8)) == []
    assert lines(FileSlice(str(path), 8, 9)) == [b"three"]


def test_the_report_is_json(folder: PolicyFolder, log: Path) -> None:
    """What --json prints can be read back."""
    report = told(Trial(folder, "candidate"), str(log))
    assert json.loads(orjson.dumps(report)) == report
