"""A short run of the chaos harness for both guarantees; `make chaos` runs the long ones."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from ops.chaos.run import Options, run

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


async def test_killed_workers_and_new_policies_cost_no_record_and_no_order(kafka: str) -> None:
    """Two workers, one killed twice under load, policies changed every second: I1 to I8 and I10 hold for both."""
    short = {"seconds": 4.0, "events": 4_000, "faults": ("kill", "reload"), "bootstrap": kafka}
    outcomes = await asyncio.gather(
        *(run(Options(11, guarantee, **short)) for guarantee in ("at-least-once", "exactly-once"))  # type: ignore[arg-type]
    )
    for outcome in outcomes:
        assert outcome.verdict.holds, (outcome.verdict.line(), outcome.verdict.findings, str(outcome.folder))
        assert outcome.verdict.counts["decisions"] > 3_800
        assert outcome.ends, "nobody was killed"
        shutil.rmtree(outcome.folder)
