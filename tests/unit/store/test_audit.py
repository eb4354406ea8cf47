"""The audit finds any edit: of a decision, a column, a segment, the chain, or an expiry."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import orjson
import pytest

from tests.unit.store.decisions import DAY_S, decision, values, writer
from worker.core.clock import FakeClock
from worker.core.errors import ConfigError
from worker.store import parquet
from worker.store.audit import head, verify
from worker.store.chain import Entry, entry
from worker.store.file import archive, database

NOW = 1_800_000_000.0
EDITED = orjson.dumps(decision(2, at=NOW) | {"action": "allow"})
EDITS = [
    ("UPDATE decisions SET value = ? WHERE seq = 2", (EDITED,)),
    ("UPDATE decisions SET action = 2 WHERE seq = 3", ()),
    ("UPDATE decisions SET tenant = 'other' WHERE seq = 3", ()),
    ("UPDATE decisions SET categories = '' WHERE seq = 2", ()),
    ("UPDATE decisions SET link = zeroblob(32) WHERE seq = 3", ()),
    ("UPDATE decisions SET segment = 2 WHERE seq = 2", ()),
    ("UPDATE decisions SET segment = 99 WHERE seq = 2", ()),
    ("DELETE FROM decisions WHERE seq = 1", ()),
    ("DELETE FROM decisions WHERE seq = 2", ()),
    ("DELETE FROM decisions WHERE seq = 5", ()),
    ("DELETE FROM decisions WHERE segment = 1", ()),
    ("INSERT INTO decisions SELECT 90, segment, 'x', event_id, tenant, time_ms, action, types, categories, value, link"
     " FROM decisions WHERE seq = 2", ()),
    ("UPDATE segments SET rows = 1 WHERE number = 1", ()),
    ("UPDATE segments SET until_ms = 0 WHERE number = 1", ()),
    ("UPDATE segments SET state = 'open' WHERE number = 1", ()),
    ("UPDATE segments SET state = 'expired' WHERE number = 1", ()),
    ("DELETE FROM segments WHERE number = 1", ()),
    ("DELETE FROM chain WHERE number = 1", ()),
    ("DELETE FROM chain WHERE number = 2", ()),
    ("UPDATE chain SET body = '{}' WHERE number = 2", ()),
    ("UPDATE chain SET digest = zeroblob(32) WHERE number = 3", ()),
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segments 1 and 2 sealed, 3 open; a note between them in the chain."""
    folder = tmp_path_factory.mktemp("whole")
    one = writer(folder, segment_rows=2)
    one.append(values(1, 2, at=NOW))
    one.note("policy", {"policy": "acme", "who": "ada", "why": "less noise"})
    one.append(values(3, 4, 5, at=NOW))
    one.close()
    return folder


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(whole, tmp_path / "store"))


def edit(folder: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(database(folder)) as file:
        assert file.execute(statement, values).rowcount > 0
    file.close()


def test_a_store_that_nobody_touched_is_whole(whole: Path) -> None:
    """Five decisions in three segments, three entries in the chain."""
    audit = verify(whole)
    assert (audit.faults, audit.decisions, audit.segments, audit.entries) == ([], 5, 3, 3)
    assert audit.head == head(whole)


@pytest.mark.parametrize(("statement", "values"), EDITS, ids=[statement[:60] for statement, _ in EDITS])
def test_any_edit_is_found(store: Path, statement: str, values: tuple[object, ...]) -> None:
    """One statement on the file, each time."""
    edit(store, statement, *values)
    assert verify(store).faults != []


def test_a_store_written_anew_is_told_by_a_head_kept_elsewhere(store: Path, tmp_path: Path) -> None:
    """All hashes fit again, and the head that was kept is not among them."""
    kept = head(store)
    assert kept is not None
    forged = tmp_path / "forged"
    one = writer(forged, segment_rows=2)
    one.append([*values(1, at=NOW), EDITED, *values(3, 4, 5, at=NOW)])
    one.note("policy", {})
    one.close()
    assert verify(forged).faults == []
    assert verify(store, [kept]).faults == []
    assert verify(forged, [kept]).faults != []


def test_a_chain_cut_short_is_told_by_its_head(store: Path) -> None:
    """Nothing inside says that there was more."""
    kept = head(store)
    assert kept is not None
    edit(store, "DELETE FROM chain WHERE number = 3")
    assert any("whose digest you kept" in fault for fault in verify(store, [kept]).faults)


def test_an_expiry_before_its_time_is_found(store: Path) -> None:
    """Whoever lets decisions go early has to say so in the chain, and there it is seen."""
    with sqlite3.connect(database(store)) as file:
        last = Entry(*file.execute("SELECT * FROM chain ORDER BY number DESC LIMIT 1").fetchone())
        said = {
            "kind": "expire",
            "segment": 1,
            "until_ms": int(NOW * 1000),
            "kept_ms": 1_000_000,
            "at_ms": int(NOW * 1000),
        }
        file.execute("INSERT INTO chain VALUES (?, ?, ?)", entry(last, said))
        file.execute("UPDATE segments SET state = 'expired' WHERE number = 1")
        file.execute("DELETE FROM decisions WHERE segment = 1")
    file.close()
    assert verify(store).faults == ["segment 1: it expired before its time"]


def test_an_edit_in_parquet_is_found(tmp_path: Path) -> None:
    """A row changed, a file cut short, a file gone."""
    clock = FakeClock()
    one = writer(tmp_path, clock, format="parquet")
    one.append(values(1, 2, 3, at=NOW))
    clock.advance(2 * DAY_S)
    one.tend()
    one.close()
    path = archive(tmp_path, 1)
    assert verify(tmp_path).faults == []
    rows = list(parquet.rows(path))
    rows[1] = rows[1]._replace(value=EDITED)
    parquet.write(path, rows)
    assert "d-acme-2" in verify(tmp_path).faults[0]
    path.write_bytes(path.read_bytes()[:200])
    assert "cannot be read" in verify(tmp_path).faults[0]
    path.unlink()
    assert "missing" in verify(tmp_path).faults[0]


def test_a_head_is_number_and_digest(store: Path) -> None:
    """Anything else is refused."""
    with pytest.raises(ConfigError, match="not number:digest"):
        verify(store, ["abc"])
