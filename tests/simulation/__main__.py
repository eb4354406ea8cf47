"""`python -m tests.simulation --seeds 2000`: many more schedules than `make test` has time for."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.simulation.schedule import Schedule
from tests.simulation.wiring import prepared
from worker.core.records import Order


def main() -> int:
    """Run the schedules; 1 when one of them does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many, for each guarantee")
    given = parser.parse_args()
    failed, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as scratch, prepared(Path(scratch) / "policies") as folder:
        for seed in range(given.seed, given.seed + given.seeds):
            for order in Order:
                if findings := Schedule(seed, order).run(folder):
                    failed += 1
                    sys.stdout.write(f"VIOLATED seed={seed} {order.value} {'; '.join(findings[:5])}\n")
    seconds = time.monotonic() - began
    sys.stdout.write(f"schedules={2 * given.seeds} violated={failed} seconds={seconds:.0f}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
