"""Quality does not fall: a small slice of the project's own suites against the figures it gave before."""

from __future__ import annotations

import orjson
import pytest

from ops.quality.slice import BASELINE, measured
from worker.quality.compare import changes, missing, worse
from worker.score.profile import Models

TOLERANCE = 0.03


@pytest.mark.models
async def test_no_figure_falls_by_more_than_is_tolerated(embedded: Models) -> None:
    """
    Three hundredths, on the same rows. When a change is for the better elsewhere and worth it, measure again:
    `python -m ops.quality.slice --keep-rows`, and say in the commit what fell.
    """
    before, after = orjson.loads(BASELINE.read_bytes()), await measured(embedded)
    assert missing(before, after) == []
    assert [f"{one.name}: {one.old:.3f} to {one.new:.3f}" for one in worse(changes(before, after), TOLERANCE)] == []
