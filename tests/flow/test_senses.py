"""What is drawn is decided as what is written: a few of the pictures of `make senses`, through the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.quality.senses.drawing import VARIATIONS
from ops.quality.senses.judging import judge, text
from ops.quality.senses.sentences import HARMFUL, HARMLESS
from worker.score.profile import Models

pytestmark = pytest.mark.models
POLICIES = Path(__file__).resolve().parents[2] / "policies"
DRAWN = {HARMFUL[0]: "very_faint", HARMFUL[3]: "turned_180", HARMLESS[0]: "turned_180"}


async def test_print_that_is_faint_or_turned_is_decided_as_text(embedded: Models) -> None:
    """Two threats are acted on and a timetable is not, drawn or written; every word is read."""
    async with judge(embedded, POLICIES) as ask:
        written = await ask([[text(one)] for one in DRAWN])
        drawn = await ask([VARIATIONS[name](one, 0) for one, name in DRAWN.items()])
    assert [answer.acted for answer in written] == [answer.acted for answer in drawn] == [True, True, False]
    assert [" ".join(answer.read.split()) for answer in drawn] == list(DRAWN)
