"""The decision store keeps every decision once, in the order it came, and finds it again in either format."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.store.decisions import DAY_S, decision, values, writer
from worker.core.clock import FakeClock
from worker.core.decisions import Action
from worker.core.errors import ConfigError
from worker.core.events import PartType
from worker.core.records import Partition
from worker.store.audit import verify
from worker.store.reading import DecisionStore, Query
from worker.store.writing import Remark

NOW = 1_800_000_000.0


@pytest.fixture(params=["sqlite", "parquet"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> DecisionStore:
    """Twelve decisions of two tenants, one a second; in Parquet, but for the last segment of each."""
    clock = FakeClock()
    one = writer(tmp_path, clock, segment_rows=4, format=request.param)
    for number in range(12):
        one.append(values(number, tenant="acme" if number % 2 else "beta", at=NOW + number))
    one.tend()
    one.close()
    return DecisionStore(tmp_path)


def numbers(rows: object) -> list[str]:
    return [row.event_id for row in rows]  # type: ignore[attr-defined]


def test_the_newest_come_first_and_pages_follow_each_other(filled: DecisionStore) -> None:
    """Without a gap or a repeat, whatever lies where."""
    first = filled.find(Query(limit=5))
    second = filled.find(Query(limit=100, before=first[-1].seq))
    assert numbers(first + second) == [f"e-{number}" for number in range(11, -1, -1)]


def test_what_came_since_comes_oldest_first(filled: DecisionStore) -> None:
    """As a live list asks."""
    assert numbers(filled.find(Query(after=9))) == ["e-9", "e-10", "e-11"]
    assert filled.find(Query(after=filled.last_seq())) == []


def test_a_query_narrows_by_all_it_names(filled: DecisionStore) -> None:
    """Tenant, action, category, type and time."""
    blocks = filled.find(Query(tenant="acme", actions={Action.BLOCK}, category="hate/threatening"))
    assert numbers(blocks) == ["e-11", "e-5"]
    assert filled.find(Query(category="hate")) == []
    assert filled.find(Query(type=PartType.IMAGE)) == []
    assert numbers(filled.find(Query(since_ms=int(NOW * 1000) + 2_000, until_ms=int(NOW * 1000) + 4_000))) == [
        "e-3",
        "e-2",
    ]


def test_a_decision_is_found_by_its_id_and_its_events(filled: DecisionStore) -> None:
    """And comes back as it was published."""
    row = filled.get("d-beta-0")
    assert row is not None
    assert row.decision == decision(0, tenant="beta", at=NOW)
    assert filled.get("e-11") == filled.find(Query(limit=1))[0]
    assert filled.get("nobody") is None


def test_counts_add_up_over_both_formats(filled: DecisionStore) -> None:
    """By action and stretch of time."""
    found = filled.counts(Query(), bucket_ms=6_000)
    assert [(one.action.label, one.decisions) for one in found] == [("allow", 2), ("flag", 2), ("block", 2)] * 2
    assert filled.tenants() == ["acme", "beta"]


def test_walking_gives_every_row_once(filled: DecisionStore) -> None:
    """Oldest first, whatever the page."""
    assert numbers(filled.walk(Query(tenant="acme"), page=2)) == [f"e-{number}" for number in range(1, 12, 2)]


@given(st.lists(st.lists(st.integers(0, 15), max_size=8), max_size=6), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_a_repeat_is_kept_once(tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], rows: int) -> None:
    """The first of each id, over batches and restarts, and the audit agrees."""
    folder = tmp_path_factory.mktemp("store")
    for batch in batches:
        one = writer(folder, segment_rows=rows)
        one.append(values(*batch))
        one.close()
    writer(folder, segment_rows=rows).close()
    wanted = list(dict.fromkeys(number for batch in batches for number in batch))
    assert numbers(DecisionStore(folder).walk(Query())) == [f"e-{number}" for number in wanted]
    assert verify(folder).faults == []


def test_positions_stand_with_what_was_read(tmp_path: Path) -> None:
    """So filling goes on where it left off."""
    one = writer(tmp_path)
    one.append(values(1), {Partition("moderation.allow", 0): 7})
    one.close()
    again = writer(tmp_path)
    assert again.positions == {Partition("moderation.allow", 0): 7}
    again.close()


def test_what_is_no_decision_is_passed_over(tmp_path: Path) -> None:
    """A store is filled from topics that anybody may have written to."""
    one = writer(tmp_path)
    assert one.append([b"{}", b"no json", *values(1), b'{"id": 1}']) == 1
    one.close()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """Two would give the same numbers."""
    one = writer(tmp_path)
    with pytest.raises(ConfigError, match="another process fills the store"):
        writer(tmp_path)
    one.close()
    writer(tmp_path).close()


@pytest.mark.parametrize("format", ["sqlite", "parquet"])
def test_decisions_go_when_their_tenants_time_is_over(tmp_path: Path, format: str) -> None:
    """Whole segments, tenant by tenant; the digests stay and the audit still agrees."""
    clock = FakeClock()
    one = writer(tmp_path, clock, format=format, keep_days=30, keep_days_of={"beta": 2})
    one.append([*values(1, at=NOW), *values(2, tenant="beta", at=NOW)])
    one.append([], None, [Remark("appeal", "t:0:0", "d-beta-2", "beta", int(NOW * 1000), b"{}")])
    clock.advance(1.5 * DAY_S)
    one.tend()
    store = DecisionStore(tmp_path)
    assert len(store.find(Query())) == 2
    clock.advance(DAY_S)
    one.tend()
    assert numbers(store.find(Query())) == ["e-1"]
    assert store.remarks("appeal") == []
    one.close()
    audit = verify(tmp_path)
    assert (audit.faults, audit.expired, audit.entries) == ([], 1, 3)
    assert list((tmp_path / "segments").glob("*.parquet")) == (
        [] if format == "sqlite" else [tmp_path / "segments" / "00000001.parquet"]
    )


def test_there_is_no_store_where_none_was_filled(tmp_path: Path) -> None:
    """Said with the remedy."""
    with pytest.raises(ConfigError, match="tidegate store fill"):
        DecisionStore(tmp_path).find(Query())
