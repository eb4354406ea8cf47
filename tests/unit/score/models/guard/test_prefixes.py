"""Prefixes are kept within their bytes; the least recently used one leaves."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.score.models.guard.prefixes import Prefix, Prefixes


def held(nbytes: int) -> Prefix:
    cache: Any = None
    return Prefix(cache, 1, nbytes)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), max_size=40))
def test_the_budget_is_never_passed(puts: list[tuple[int, int]]) -> None:
    """Whatever is put, and what is larger than all of it is not kept."""
    prefixes = Prefixes(100)
    for key, nbytes in puts:
        prefixes.put(bytes([key]), held(nbytes * 2))
        assert prefixes.nbytes <= 100
        assert prefixes.nbytes == sum(p.nbytes for p in prefixes._kept.values())


def test_the_least_recently_used_leaves() -> None:
    """One that was asked for stays."""
    prefixes = Prefixes(100)
    prefixes.put(b"a", held(40))
    prefixes.put(b"b", held(40))
    assert prefixes.get(b"a") is not None
    prefixes.put(b"c", held(40))
    assert prefixes.get(b"b") is None
    assert prefixes.get(b"a") is not None
    prefixes.clear()
    assert (len(prefixes), prefixes.nbytes) == (0, 0)
