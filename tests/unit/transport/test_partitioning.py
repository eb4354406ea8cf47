"""Keys to partitions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.transport.partitioning import partition_of


@given(st.binary(), st.integers(1, 1_000), st.integers(0), st.integers(0))
def test_equal_keys_meet_in_one_partition(key: bytes, partitions: int, turn: int, later: int) -> None:
    """Whatever the turn."""
    assert 0 <= partition_of(key, partitions, turn) < partitions
    assert partition_of(key, partitions, turn) == partition_of(key, partitions, later)


@given(st.integers(1, 64), st.integers(0, 1_000))
def test_records_without_a_key_take_turns(partitions: int, turn: int) -> None:
    """Every partition gets one in a round."""
    assert {partition_of(None, partitions, turn + i) for i in range(partitions)} == set(range(partitions))
