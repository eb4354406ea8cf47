"""Rows in lots that run side by side: every row once, in lots of like size, an error told when all have ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.score.models.guard.tiny import Tiny, probability, rows_of
from worker.score.models.guard import lots as module
from worker.score.models.guard.forward import OneForward
from worker.score.models.guard.lots import lots, side_by_side
from worker.score.models.guard.prefixes import Prefixes

CORES = 2


@given(tokens=st.lists(st.integers(1, 900), min_size=1, max_size=70), cores=st.integers(1, 16))
def test_every_row_stands_in_one_lot_and_no_lot_waits_long_for_another(tokens: list[int], cores: int) -> None:
    """Lots differ by one row at most, and little work is not shared out."""
    found = lots(tokens, cores)
    assert sorted(place for lot in found for place in lot) == list(range(len(tokens)))
    sizes = [sum(tokens[place] for place in lot) for lot in found]
    assert max(sizes) - min(sizes) <= max(tokens)
    assert len(found) == 1 or sum(tokens) >= 1_024


@pytest.mark.parametrize("family", ["nemotron", "llama-guard"])
def test_lots_give_the_scores_of_one_forward(
    family: str, guard_of: Callable[[str], Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two cores to 1e-4, and each thread's own rows come back to their places."""
    one = guard_of(family)
    rows = rows_of(one, [f"{n} you " * (n + 1) for n in range(9)])
    expected = probability(np.concatenate([OneForward(one.model).margins([row]) for row in rows]))
    monkeypatch.setattr(module, "_LEAST", 64)
    monkeypatch.setattr(module, "_USUAL", 128)
    torch.set_num_threads(CORES)  # the fixture of all these tests puts it back
    found = probability(OneForward(one.model, prefixes=Prefixes(1 << 30)).margins(rows))
    assert np.abs(found - expected).max() < 1e-4
    assert torch.get_num_threads() == CORES


def test_threads_that_ask_at_once_get_their_own_scores(nemotron: Tiny) -> None:
    """A policy is compiled while a batch runs: neither sees the other's rows, nor does a plain forward beside them."""
    forward = OneForward(nemotron.model, prefixes=Prefixes(1 << 30))
    asked = [rows_of(nemotron, [f"{n} you", "hello " * n]) for n in range(1, 5)]
    expected = [forward.margins(rows) for rows in asked]
    ids = torch.from_numpy(asked[0][0].ids).long()[None]

    def plain() -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = nemotron.model(input_ids=ids, use_cache=False).logits
            return logits

    before = plain()
    with ThreadPoolExecutor(3) as pool:
        beside = [pool.submit(plain) for _ in range(4)]
        fresh = OneForward(nemotron.model, prefixes=Prefixes(1 << 30))
        found = list(pool.map(fresh.margins, asked * 2))
    assert all(np.abs(one - other).max() < 1e-4 for one, other in zip(found, expected * 2, strict=True))
    assert all(torch.allclose(one.result(), before, atol=1e-4) for one in beside)


def test_an_error_of_one_lot_is_raised_when_none_runs_any_more() -> None:
    """What has begun ends, what has not is left; the caller's threads are as they were."""
    torch.set_num_threads(CORES)
    begun = threading.Barrier(CORES, timeout=10)
    ended = list[int]()

    def run(lot: list[int]) -> None:
        begun.wait()
        if lot == [0]:
            raise torch.OutOfMemoryError("simulated")
        ended.append(lot[0])

    with pytest.raises(torch.OutOfMemoryError):
        side_by_side(run, [[0], [1]], CORES)
    assert ended == [1]
    assert torch.get_num_threads() == CORES
