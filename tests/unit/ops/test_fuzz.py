"""What fuzzing starts from, and what it found, goes through every target without a finding."""

from __future__ import annotations

import pytest

from ops.fuzz.__main__ import SHARES
from ops.fuzz.seeds import seeds
from ops.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_and_the_kept_inputs_pass(target: str) -> None:
    """Kept ones lie in tests/data/fuzz, a folder a target."""
    found = seeds(target)
    assert found
    for data in found:
        TARGETS[target](data)


def test_each_target_has_a_share() -> None:
    """None is forgotten by `make fuzz`."""
    assert SHARES.keys() == TARGETS.keys()
